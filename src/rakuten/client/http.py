"""A typed client of the prediction service."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from rakuten.client.wire import (
    BatchOut,
    ClaimOut,
    FeedbackOut,
    ModelOut,
    PredictionOut,
    Problem,
    ProductTypeOut,
    ReviewPage,
    StoredPrediction,
)
from rakuten.errors import MissingExtraError, ServiceAwayError, ServiceProblem

if TYPE_CHECKING:
    import httpx

AnswerT = TypeVar("AnswerT", bound=BaseModel)
ResultT = TypeVar("ResultT")
_TYPES = TypeAdapter(list[ProductTypeOut])


class Client:
    """Calls the service; use it in a ``with`` block, or close it.

    Args:
        url: address of the service, such as ``http://127.0.0.1:8000``.
        api_key: key with the scopes that the calls need; None for a keyless service.
        timeout: seconds that an answer may take.

    Every call raises ServiceProblem where the service says no, and ServiceAwayError where it
    does not answer, or answers something else than this client knows.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, api_key: str | None = None, timeout: float = 30
    ) -> None:
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise MissingExtraError("httpx", "serve", "The client of the service") from error
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        self._failures = (httpx.HTTPError, httpx.InvalidURL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        designation: str = "",
        description: str = "",
        image: bytes | None = None,
        *,
        explain: bool = False,
        ignore_image_errors: bool = False,
    ) -> PredictionOut:
        """Classify one listing; ``image`` holds the bytes of its photo."""
        return self._call(
            PredictionOut,
            "POST",
            "/v1/predict",
            params={"explain": explain, "on_image_error": _on_error(ignore_image_errors)},
            body=_product(designation, description, image),
        )

    def predict_batch(
        self,
        products: Iterable[tuple[str, str, bytes | None]],
        *,
        ignore_image_errors: bool = False,
    ) -> BatchOut:
        """Classify up to 256 listings: (designation, description, image) each."""
        return self._call(
            BatchOut,
            "POST",
            "/v1/predict/batch",
            params={"on_image_error": _on_error(ignore_image_errors)},
            body={"items": [_product(*product) for product in products]},
        )

    def prediction(self, prediction_id: str) -> StoredPrediction:
        """A remembered answer."""
        return self._call(StoredPrediction, "GET", f"/v1/predictions/{prediction_id}")

    def image(self, prediction_id: str) -> bytes:
        """The photo of a remembered answer."""
        return self._request("GET", f"/v1/predictions/{prediction_id}/image").content

    def give_feedback(
        self, prediction_id: str, prdtypecode: int, *, reviewer: str, note: str = ""
    ) -> FeedbackOut:
        """Say which type is right; repeating it changes nothing."""
        body = {"prdtypecode": prdtypecode, "reviewer": reviewer, "note": note}
        path = f"/v1/predictions/{prediction_id}/feedback"
        return self._call(FeedbackOut, "PUT", path, body=body)

    def review(self, *, limit: int = 50, cursor: str | None = None) -> ReviewPage:
        """Products that wait for a person, the least sure first."""
        params: dict[str, Any] = {"limit": limit}
        if cursor:
            params["cursor"] = cursor
        return self._call(ReviewPage, "GET", "/v1/review", params=params)

    def claim(self, reviewer: str, *, count: int = 10, seconds: int = 900) -> ClaimOut:
        """Take products that nobody else gets until the claim expires."""
        body = {"reviewer": reviewer, "count": count, "seconds": seconds}
        return self._call(ClaimOut, "POST", "/v1/review/claims", body=body)

    def product_types(self) -> list[ProductTypeOut]:
        """The types that the live model knows."""
        response = self._request("GET", "/v1/product-types")
        return _parse(_TYPES.validate_json, response)

    def model(self) -> ModelOut:
        """The live model."""
        return self._call(ModelOut, "GET", "/v1/model")

    def _call(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> AnswerT:
        response = self._request(method, path, params=params, body=body)
        return _parse(answer.model_validate_json, response)

    def _request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> "httpx.Response":
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else None
        try:
            response = self._http.request(
                method, path, params=params, content=content, headers=headers
            )
        except self._failures as error:
            raise ServiceAwayError(
                f"The prediction service at {self._http.base_url} does not answer: {error}.",
                hint="start it (rakuten serve --dev), or name its address with --url",
            ) from error
        if response.is_error:
            raise _problem(response)
        return response


def _parse(parse: Callable[[bytes], ResultT], response: "httpx.Response") -> ResultT:
    try:
        return parse(response.content)
    except ValidationError as error:
        raise ServiceAwayError(
            f"{response.url} gives an answer of another form ({error.error_count()} differences).",
            hint="check the address; client and service should be of one version",
        ) from error


def _product(designation: str, description: str, image: bytes | None) -> dict[str, Any]:
    encoded = None if image is None else base64.b64encode(image).decode()
    return {"designation": designation, "description": description, "image": encoded}


def _on_error(ignore: bool) -> str:
    return "ignore" if ignore else "refuse"


def _problem(response: "httpx.Response") -> ServiceProblem:
    try:
        found = Problem.model_validate_json(response.content)
    except ValidationError:
        detail = f"The service answers {response.status_code} {response.reason_phrase}."
        return ServiceProblem(response.status_code, detail, None)
    return ServiceProblem(response.status_code, found.detail or found.title, found.reason)
