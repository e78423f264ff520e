"""Questions to a Prometheus server over its HTTP API."""

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rakuten.errors import ConfigurationError, PrometheusError

_LONGEST_TEXT: Final = 300


@dataclass(frozen=True)
class Series:
    """One time series: its labels, and (seconds since 1970, value) in order of time."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The newest value; NaN where there is none."""
        return self.points[-1][1] if self.points else math.nan


class Prometheus:
    """A server, asked directly: no proxy is used.

    Args:
        address: such as ``http://127.0.0.1:9090``.
        seconds: how long one answer may take.

    Raises:
        ConfigurationError: the address is none of HTTP.
    """

    def __init__(self, address: str, seconds: float = 10) -> None:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigurationError(
                f"{address!r} is no address of a Prometheus server.",
                hint="write it as http://127.0.0.1:9090",
            )
        self.address = address.rstrip("/")
        self._seconds = seconds
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def instant(self, expression: str, at: float) -> list[Series]:
        """The value of an expression at a moment.

        Raises:
            PrometheusError: no answer, or the expression cannot be evaluated.
        """
        return _series(self._ask("query", query=expression, time=f"{at:.3f}"))

    def over(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The values of an expression from ``start`` to ``end``, each ``step`` seconds.

        Raises:
            PrometheusError: no answer, or the expression cannot be evaluated.
        """
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return _series(self._ask("query_range", query=expression, **times))

    def exemplars(self, expression: str, start: float, end: float) -> list[tuple[float, float]]:
        """Time and value of the exemplars of the metrics that an expression names.

        Raises:
            PrometheusError: no answer, or the expression cannot be read.
        """
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        found = self._ask("query_exemplars", query=expression, **times)
        return [
            (float(one["timestamp"]), float(one["value"]))
            for series in found
            for one in series["exemplars"]
        ]

    def _ask(self, what: str, **parameters: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self.address}/api/v1/{what}", urllib.parse.urlencode(parameters).encode()
        )
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(
                    f"Prometheus at {self.address} refused a query: {_reason(error)}",
                    hint=f"the query was: {parameters['query']}",
                ) from error
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            raise PrometheusError(
                f"Prometheus at {self.address} gave no answer: {error}",
                hint="see that it runs and that the address is right",
            ) from error


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong; it does so in JSON, a proxy in front of it may not."""
    text = error.read(1 << 16).decode(errors="replace")
    try:
        text = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        text = f"status {error.code}: {text}"
    return text[:_LONGEST_TEXT]


def _series(data: Mapping[str, Any]) -> list[Series]:
    if data["resultType"] == "scalar":
        return [Series({}, (_point(data["result"]),))]
    return [
        Series(
            {name: value for name, value in one["metric"].items() if name != "__name__"},
            tuple(map(_point, one["values"] if "values" in one else [one["value"]])),
        )
        for one in data["result"]
    ]


def _point(pair: tuple[float, str]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
