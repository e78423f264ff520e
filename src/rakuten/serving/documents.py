"""What the OpenAPI document says of bodies that routes read by themselves."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from rakuten.client.wire import BatchIn, ClaimIn, FeedbackIn, Problem, ProductIn
from rakuten.serving.problems import MEDIA_TYPE


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
        }
        for status in statuses
    }


def body_of(model: type[BaseModel], *, form: bool = False) -> dict[str, Any]:
    """The body of a request: JSON in the form of a model, or a form with the photo as a file."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if form:
        properties = {name: {"type": "string"} for name in schema["properties"]}
        properties["image"] = {"type": "string", "format": "binary"}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": properties}}
    return {"requestBody": {"required": True, "content": content}}


def finish_document(app: FastAPI) -> None:
    """Add what routes that read and write JSON by themselves refer to."""
    make = app.openapi

    def document() -> dict[str, Any]:
        found = make()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for model in (Problem, ProductIn, BatchIn, FeedbackIn, ClaimIn):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.setdefault(model.__name__, schema)
        return found

    app.openapi = document  # type: ignore[method-assign]
