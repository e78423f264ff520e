"""Errors as RFC 9457 problem details: one form for everything that goes wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from rakuten.client.wire import Problem
from rakuten.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_MOST_ERRORS: Final = 20
_LONGEST_PLACE: Final = 100
RETRY: Final = {"Retry-After": "1"}
"""Headers of a 503 that soon passes."""
REASONS: Final = (
    *("bad_key", "charset", "crowded", "cursor", "empty", "form", "http", "image_base64"),
    *("image_corrupt", "image_empty", "image_not_an_image", "image_too_large", "image_truncated"),
    *("image_unreadable", "invalid", "media_type", "no_image", "no_key", "no_metrics", "no_model"),
    *("no_webhook", "not_storable", "overloaded", "rate_limit", "scope", "signature", "store"),
    *("timeout", "too_large", "too_long_to_explain", "unexpected", "unknown_prediction"),
)
"""Every reason that a problem may have in metrics and logs; http is the framework's own: no such
path, no such method."""
_HTTP: Final = "http"
CLIENT_GONE: Final = 499
"""Status in log and metrics where the client left before there was an answer, as in nginx."""


class ServiceError(Exception):
    """Ends a request with a problem; ``reason`` is a short word that clients can switch on."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.reason = status, detail, reason
        self.errors, self.headers = errors, dict(headers or {})

    @property
    def counted_as(self) -> str:
        """The reason in metrics and logs, one of :data:`REASONS`."""
        return self.reason or _HTTP

    def problem(self, instance: str = "") -> Problem:
        """The error as its wire form."""
        return Problem(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            instance=instance,
            reason=self.reason,
            errors=self.errors,
        )


def invalid(error: ValidationError | RequestValidationError) -> ServiceError:
    """What pydantic found, without the values: they may be long, or nobody's business.

    So may the names of fields, and how many of them are wrong: places are cut short, and where
    there are more than twenty errors only their number is said.
    """
    detail = "The request does not have the expected form."
    if isinstance(error, ValidationError) and error.error_count() > _MOST_ERRORS:
        detail += f" It has {error.error_count()} errors."
        return ServiceError(422, detail, reason="invalid")
    found = [
        {
            "place": "/".join(str(part)[:_LONGEST_PLACE] for part in entry["loc"]),
            "problem": entry["msg"],
            "kind": entry["type"],
        }
        for entry in error.errors()
    ]
    return ServiceError(422, detail, reason="invalid", errors=found)


def problem_response(error: ServiceError, scope: Scope) -> Response:
    """The HTTP answer of an error; its reason goes into the request's state, to be counted."""
    scope["state"]["reason"] = error.counted_as
    body = error.problem(scope["path"]).model_dump(exclude_none=True)
    return Response(to_json(body), error.status, error.headers, MEDIA_TYPE)


def unexpected(error: Exception, scope: Scope) -> Response:
    """The HTTP answer of an error that nobody expected: it is logged, never shown."""
    log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    detail = "Something unexpected happened; the service's log has it."
    return problem_response(ServiceError(500, detail, reason="unexpected"), scope)


def add_handlers(app: FastAPI) -> None:
    """Answer every error as a problem; what nobody expected is logged, never shown."""

    @app.exception_handler(ServiceError)
    async def _service(request: Request, error: ServiceError) -> Response:
        return problem_response(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def _request(request: Request, error: RequestValidationError) -> Response:
        return problem_response(invalid(error), request.scope)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        found = ServiceError(error.status_code, str(error.detail), headers=error.headers)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            found.headers.update(_allowed(app, request))
        return problem_response(found, request.scope)

    @app.exception_handler(ClientDisconnect)
    async def _gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)  # which nobody reads

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        return unexpected(error, request.scope)


def _allowed(app: FastAPI, request: Request) -> dict[str, str]:
    """The methods of a path as a header: Starlette names those of the first route alone."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = app.openapi()["paths"].get(path)
    return {"Allow": ", ".join(sorted(methods)).upper()} if methods else {}
