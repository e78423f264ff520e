"""What schemathesis generates for an operation, with things among it that the service knows.

Left to itself a generator never guesses the id of an answer, a picture or a signature, and so
tests refusals alone. Here a share of the requests has them; the rest stays as it was made.
"""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
from PIL import Image
from schemathesis import APIOperation, Case

from rakuten.serving.webhook import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

AUTHORIZATION: Final = "Authorization"
API_KEY: Final = "X-API-Key"
FORM: Final = "multipart/form-data"


@dataclass(frozen=True)
class Material:
    """What the service knows: ids of its answers, and products that it can classify."""

    ids: Sequence[str]
    products: Sequence[tuple[str, str]]
    secret: str
    key: str


def pictures() -> list[bytes]:
    """Small pictures of every format that is accepted."""
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, kind)
        found.append(target.getvalue())
    return found


PICTURES: Final = pictures()


def has_inputs(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether anything can be wrong with a request; probes have no parameters."""
    return bool({"parameters", "requestBody", "security"} & set(operation.definition.raw))


def tell(case: Case[Any], material: Material, random: Random) -> None:
    """Put what the service knows into a share of the requests; those against the form get a key.

    Nine in ten requests carry the right key, the others what was generated, or none.
    """
    if random.random() < 0.9:
        for name in (AUTHORIZATION, API_KEY):
            case.headers.pop(name, None)
        case.headers[AUTHORIZATION] = f"Bearer {material.key}"
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if "prediction_id" in case.path_parameters and random.random() < 0.75:
        case.path_parameters["prediction_id"] = random.choice(material.ids)
    body: Any = case.body
    if case.path == "/v1/predict":
        _tell_product(body, case.media_type == FORM, material, random)
    elif case.path == "/v1/predict/batch" and random.random() < 0.75:
        body["items"] = [
            _product(material, random) if random.random() < 0.7 else item
            for item in body["items"] * random.randint(1, 4)
        ][:256]
    elif case.path == "/webhooks/mlflow" and random.random() < 0.5:
        _sign(case, material.secret, random)


def _tell_product(body: Any, is_form: bool, material: Material, random: Random) -> None:
    """Four in five have words of a real product, and one in four has a real picture."""
    if random.random() < 0.8:
        body["designation"], text = random.choice(material.products)
        if random.random() < 0.5:
            body["description"] = text
    chance = random.random()
    if chance > 0.15:  # left alone, what is generated is hardly ever a picture
        body.pop("image", None)
    if chance > 0.75:
        picture = random.choice(PICTURES)
        body["image"] = picture if is_form else base64.b64encode(picture).decode()


def _product(material: Material, random: Random) -> dict[str, str]:
    title, text = random.choice(material.products)
    found = {"designation": title, "description": text}
    if random.random() < 0.2:
        found["image"] = base64.b64encode(random.choice(PICTURES)).decode()
    return found


def _sign(case: Case[Any], secret: str, random: Random) -> None:
    """Sign a delivery as the registry does; every other one moves the champion."""
    if random.random() < 0.5:
        data: Any = {"name": "rakuten-classifier", "alias": "champion", "version": "1"}
        case.body = {"entity": "model_version_alias", "action": "created", "data": data}
    delivery, moment = f"delivery-{random.randrange(100)}", str(int(time.time()))
    content = f"{delivery}.{moment}.".encode() + json.dumps(case.body).encode()
    digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    case.headers[DELIVERY_HEADER] = delivery
    case.headers[TIMESTAMP_HEADER] = moment
    case.headers[SIGNATURE_HEADER] = f"v1,{base64.b64encode(digest).decode()}"
