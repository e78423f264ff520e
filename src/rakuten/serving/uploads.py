"""From a hostile request to a product: JSON or multipart, checked, and nothing of it opened."""

import base64
import binascii
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from rakuten.client.wire import BatchIn, ProductIn
from rakuten.errors import ImageError
from rakuten.imaging import MAX_BYTES, MAX_PIXELS, decode_image
from rakuten.models.predictor import Product
from rakuten.serving.json_values import MOST_TOKENS, is_crowded
from rakuten.serving.problems import ServiceError, invalid

FormT = TypeVar("FormT", bound=BaseModel)

_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_PHOTO: Final = "image"
_UTF8: Final = (b"utf-8", b"utf8")
_FIELDS: Final = 8
_GLANCE: Final = 64


async def read_product(request: Request) -> Product:
    """The product of a request for one prediction.

    Raises:
        ServiceError: 415 for another kind of body, 422 for one that has not the form.
    """
    kind = _media_type(request)
    if kind == _JSON:
        return json_product(await request.body())
    if kind == _FORM:
        return await _form_product(request)
    raise ServiceError(415, f"Send {_JSON} or {_FORM}.", reason="media_type")


async def read_items(request: Request) -> list[Any]:
    """The items of a batch, each still to be checked.

    Raises:
        ServiceError: 415 for another kind of body, 422 for one that has not the form.
    """
    return (await read_json(request, BatchIn)).items


async def read_json(request: Request, form: type[FormT]) -> FormT:
    """A small JSON body in a form.

    Raises:
        ServiceError: 415 for another kind of body, 422 for one that has not the form.
    """
    if _media_type(request) != _JSON:
        raise ServiceError(415, f"Send {_JSON}.", reason="media_type")
    return _parsed(form, await request.body())


def json_product(body: bytes) -> Product:
    """Check the JSON of one product.

    Raises:
        ServiceError: 422.
    """
    return to_product(_parsed(ProductIn, body))


def item_product(item: Any) -> Product:
    """Check one item of a batch.

    Raises:
        ServiceError: 422.
    """
    try:
        return to_product(ProductIn.model_validate(item))
    except ValidationError as error:
        raise invalid(error) from error


def to_product(found: ProductIn) -> Product:
    """The product of a checked request, with the photo's bytes.

    Raises:
        ServiceError: 422 where the base64 is none, 413 where the photo is too large.
    """
    return Product(found.designation, found.description, _decode_base64(found.image))


def image_problem(image: bytes) -> ServiceError:
    """Why a photo that the model could not read is refused."""
    try:
        decode_image(image, _GLANCE)
    except ImageError as error:
        return ServiceError(422, error.message, reason=f"image_{error.reason}")
    return ServiceError(422, "The photo could not be read.", reason="image_unreadable")


def _parsed(form: type[FormT], body: bytes) -> FormT:
    if is_crowded(body):
        detail = f"The JSON has over {MOST_TOKENS} texts, commas and brackets."
        raise ServiceError(422, detail, reason="crowded")
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error


async def _form_product(request: Request) -> Product:
    _require_utf8(request)
    try:
        async with request.form(max_files=1, max_fields=_FIELDS) as form:
            return await _read_form(form)
    except HTTPException as error:  # Starlette's word for a malformed form
        detail = f"The form cannot be read: {error.detail}"
        raise ServiceError(422, detail, reason="form") from error


async def _read_form(form: FormData) -> Product:
    fields: dict[str, UploadFile | str] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) == (name == _PHOTO):
            # A photo under another name would be overlooked, and the answer rest on text alone.
            raise ServiceError(422, "image is a file, and no other field is.", reason="form")
        if name in fields:
            raise ServiceError(422, "A field of the form is there twice.", reason="form")
        fields[name] = value
    upload = fields.pop(_PHOTO, None)
    try:
        checked = ProductIn.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error
    image = _checked(await upload.read(MAX_BYTES + 1)) if isinstance(upload, UploadFile) else None
    return Product(checked.designation, checked.description, image)


def _require_utf8(request: Request) -> None:
    """Refuse other charsets: some of Python's codecs fail on what they read, or make no text."""
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", _UTF8[0]).lower() not in _UTF8:
        raise ServiceError(415, "Send the form in UTF-8.", reason="charset")


def _decode_base64(text: str | None) -> bytes | None:
    if text is None:
        return None
    if len(text) > MAX_BYTES * 4 / 3 + 4:
        raise _too_large()
    try:
        return _checked(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ServiceError(422, "image is not base64.", reason="image_base64") from error


def _checked(image: bytes) -> bytes:
    """The photo, unless its size alone forbids it; what it holds is found out off the loop."""
    if not image:
        raise ServiceError(422, "The photo has no bytes.", reason="image_empty")
    if len(image) > MAX_BYTES:
        raise _too_large()
    return image


def _too_large() -> ServiceError:
    return ServiceError(
        413,
        f"A photo has at most {MAX_BYTES} bytes and {MAX_PIXELS} pixels.",
        reason="image_too_large",
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
