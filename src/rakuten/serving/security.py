"""Who may do what, and how often: API keys with scopes, a rate limit for each key."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from rakuten.errors import DatabaseAwayError
from rakuten.serving.problems import RETRY, ServiceError
from rakuten.serving.service import Service, service_of
from rakuten.store.keys import Key

ServiceDep = Annotated[Service, Depends(service_of)]

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="rakuten"'}


def require(scope: str) -> Callable[..., Awaitable[str | None]]:
    """A dependency that lets a request pass if its key has a scope; it gives the key's id."""

    async def check(request: Request, service: ServiceDep) -> str | None:
        headers = dict(request.scope["headers"])
        return await check_key(headers, request.scope["state"], service, scope)

    return check


async def check_key(
    headers: Mapping[bytes, bytes], state: MutableMapping[str, Any], service: Service, scope: str
) -> str | None:
    """Let a request pass if its key has a scope and may go on; returns the key's id.

    Raises:
        ServiceError: 401 without a valid key, 403 without the scope, 429 beyond the rate limit.
    """
    if service.settings.keyless:
        return None
    key = _key(headers, service)
    state["key_id"] = key.key_id
    if scope not in key.scopes and "admin" not in key.scopes:
        raise ServiceError(403, f"This API key lacks the scope {scope}.", reason="scope")
    wait = await service.limit(key.key_id)
    if wait > 0:
        raise ServiceError(
            429,
            "Too many requests with this API key.",
            reason="rate_limit",
            headers={"Retry-After": str(max(1, round(wait)))},
        )
    return key.key_id


def _key(headers: Mapping[bytes, bytes], service: Service) -> Key:
    presented = _presented(headers)
    if not presented:
        raise ServiceError(
            401,
            "An API key is needed: Authorization: Bearer KEY, or X-API-Key.",
            reason="no_key",
            headers=_CHALLENGE,
        )
    try:
        key = service.keys.verify(presented)
    except DatabaseAwayError as error:
        raise ServiceError(503, error.message, reason="store", headers=RETRY) from error
    if key is None:
        raise ServiceError(401, "This API key is not valid.", reason="bad_key", headers=_CHALLENGE)
    return key


def _presented(headers: Mapping[bytes, bytes]) -> str:
    if given := headers.get(b"x-api-key"):
        return given.decode("latin-1")
    kind, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""
