"""What the OpenAPI document says of keys, and of bodies that routes read by themselves."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from rakuten.client.wire import BatchIn, ClaimIn, FeedbackIn, Problem, ProductIn
from rakuten.serving.problems import MEDIA_TYPE

_LISTING: Final = {"designation": "Console de jeux portable", "description": "Avec deux manettes"}
_EXAMPLES: Final[dict[type[BaseModel], Any]] = {
    ProductIn: _LISTING,
    BatchIn: {"items": [_LISTING, {"designation": "Fauteuil de jardin"}]},
    FeedbackIn: {"prdtypecode": 60, "reviewer": "ann", "note": "seen"},
    ClaimIn: {"reviewer": "ann", "count": 5},
}
_KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_LATER: Final = {
    "Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "seconds"}
}


def answers_of(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that writes its JSON itself."""
    return {status: {"model": model, "description": HTTPStatus(status).phrase}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
            **({"headers": _LATER} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def body_of(model: type[BaseModel], *, form: bool = False) -> dict[str, Any]:
    """The body of a request: JSON in the form of a model, or a form with the photo as a file."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": _EXAMPLES[model]}}
    if form:
        whole = model.model_json_schema()
        properties = {**whole["properties"], "image": {"type": "string", "format": "binary"}}
        form_schema = {"type": "object", "properties": properties, "additionalProperties": False}
        content["multipart/form-data"] = {"schema": form_schema}
    return {"requestBody": {"required": True, "content": content}}


def finish_document(app: FastAPI) -> None:
    """Add what routes that read and write JSON by themselves refer to, and who may ask."""
    make = app.openapi

    def document() -> dict[str, Any]:
        found = make()  # the same object each time
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        if ProductIn.__name__ in schemas:
            return found
        for model in (Problem, ProductIn, BatchIn, FeedbackIn, ClaimIn):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.setdefault(model.__name__, schema)
        if not app.state.service.settings.keyless:
            components["securitySchemes"] = _KEYS
            _require_keys(found["paths"])
        return found

    app.openapi = document  # type: ignore[method-assign]


def _require_keys(paths: dict[str, dict[str, Any]]) -> None:
    """Every operation that may be refused for its scope needs a key, in either header."""
    for operations in paths.values():
        for operation in operations.values():
            if "403" in operation["responses"]:
                operation["security"] = [{name: []} for name in _KEYS]
