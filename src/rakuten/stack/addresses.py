"""Addresses and paths of containers in texts, replaced by those of this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_ANYWHERE: Final = "0.0.0.0"  # noqa: S104 - it is what containers listen on, and is replaced


@dataclass(frozen=True)
class Translation:
    """What one service's texts say in containers, and what they have to say here.

    Args:
        others: ports of services here, by name and port of the container.
        own: the service's own ports here, by those of the container and of its publication.
        paths: folders and files here, by their path in the container.
    """

    others: Mapping[tuple[str, int], int]
    own: Mapping[int, int]
    paths: Mapping[str, str]

    def text(self, text: str) -> str:
        """Any text: names of services with their port, own addresses, mounted paths."""
        text = self._paths(text)
        for (name, inside), here in self.others.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}:{inside}\b", f"{LOOPBACK}:{here}", text)
        # A published port of one service may be the container's port of another: one pass.
        own = "|".join(map(str, self.own)) or "none"
        pattern = rf"(?<![\w.])(?:127\.0\.0\.1|localhost|0\.0\.0\.0):({own})\b"
        return re.sub(pattern, lambda match: self._own(match), text)

    def argument(self, text: str) -> str:
        """One word of a command line: an address or a port may stand alone."""
        if text == _ANYWHERE:
            return LOOPBACK
        if text.isdecimal() and int(text) in self.own:
            return str(self.own[int(text)])
        return self.text(text)

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Variables; ``…HOST`` may hold the name of a service, and ``…PORT`` its port."""
        done = {key: self.text(value) for key, value in values.items()}
        names = {name for name, _ in self.others}
        for key, value in values.items():
            if not key.endswith("HOST") or value not in names:
                continue
            done[key] = LOOPBACK
            port = key.removesuffix("HOST") + "PORT"
            here = self.others.get((value, int(values.get(port, 0))))
            if here is not None:
                done[port] = str(here)
        for key, value in values.items():
            if key.endswith("_PORT") and value.isdecimal() and int(value) in self.own:
                done[key] = str(self.own[int(value)])
        return done

    def _own(self, match: re.Match[str]) -> str:
        return f"{LOOPBACK}:{self.own[int(match.group(1))]}"

    def _paths(self, text: str) -> str:
        if not self.paths:
            return text
        longest_first = sorted(self.paths, key=len, reverse=True)
        inside = "|".join(map(re.escape, longest_first))
        pattern = rf"(?<![\w./-])({inside})(?=[/:,;\s\"']|$)"
        return re.sub(pattern, lambda match: self.paths[match.group(1)], text)
