"""Requests and answers of the prediction service, as both of its ends see them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_BATCH = 256
MAX_DESIGNATION = 2_000
MAX_DESCRIPTION = 200_000

ProductTypeCode = Annotated[int, Field(ge=0, le=2**53 - 1)]
Reviewer = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
ImageErrors = Literal["refuse", "ignore"]


class _Request(BaseModel):
    # strict: false is no product type, and "10" is a text
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProductIn(_Request):
    """A listing: title, description, and the photo's bytes in base64."""

    designation: str = Field("", max_length=MAX_DESIGNATION)
    description: str = Field("", max_length=MAX_DESCRIPTION)
    image: str | None = Field(
        None,
        description="bytes of a JPEG, PNG, WebP, GIF or BMP in base64, at most 20 MiB",
        json_schema_extra={"contentEncoding": "base64"},
    )


class BatchIn(_Request):
    """Up to 256 listings; each is checked by itself."""

    items: list[Any] = Field(min_length=1, max_length=MAX_BATCH)


class AlternativeOut(_Answer):
    """A further candidate with its calibrated probability."""

    prdtypecode: int
    label: str
    probability: float


class ModelRef(_Answer):
    """The model that gave an answer."""

    name: str
    version: int
    sha256: str


class PredictionOut(_Answer):
    """The answer for a listing.

    ``decision`` is auto, or review: below the threshold that keeps automatic answers precise.
    ``modalities`` are those the answer rests on; ``image_status`` is ok, missing, or unreadable
    where the request asked to ignore that.
    """

    prediction_id: str
    prdtypecode: int
    label: str
    confidence: float
    decision: Literal["auto", "review"]
    alternatives: list[AlternativeOut]
    modalities: list[Literal["text", "image"]]
    image_status: Literal["ok", "missing", "unreadable"]
    model: ModelRef
    explanation: dict[str, Any] | None = None


class Problem(_Answer):
    """What went wrong (RFC 9457); ``errors`` names the places in the request."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    reason: str | None = None
    errors: list[dict[str, Any]] | None = None


class BatchOut(_Answer):
    """An answer or a problem for each item, in order."""

    items: list[PredictionOut | Problem]


class FeedbackIn(_Request):
    """The right product type, according to a reviewer."""

    prdtypecode: ProductTypeCode
    reviewer: Reviewer
    note: str = Field("", max_length=2_000)


class FeedbackOut(_Answer):
    """Feedback as it was recorded."""

    prediction_id: str
    prdtypecode: int
    reviewer: str
    note: str
    given_at: datetime


class StoredPrediction(_Answer):
    """A remembered answer; texts are null where content is not kept or was erased."""

    prediction_id: str
    created_at: datetime
    designation: str | None
    description: str | None
    has_image: bool
    prdtypecode: int
    label: str
    confidence: float
    decision: Literal["auto", "review"]
    alternatives: list[AlternativeOut]
    modalities: list[str]
    image_status: str
    model: ModelRef
    feedback: list[FeedbackOut] = []


class ReviewPage(_Answer):
    """Products that wait for a person, the least sure first; ``next_cursor`` leads on."""

    items: list[StoredPrediction]
    next_cursor: str | None = None


class ClaimIn(_Request):
    """Ask for products that nobody else gets until the claim expires."""

    reviewer: Reviewer
    count: int = Field(10, ge=1, le=100)
    seconds: int = Field(900, ge=10, le=86_400)


class ClaimOut(_Answer):
    """Claimed products."""

    reviewer: str
    expires_at: datetime
    items: list[StoredPrediction]


class ProductTypeOut(_Answer):
    """A type that the live model knows."""

    prdtypecode: int
    label: str


class ModelOut(_Answer):
    """The live model: version, scores of its held-out rows, lineage."""

    name: str
    version: int
    alias: str = "champion"
    sha256: str
    run_id: str
    registered_at: datetime
    scores: dict[str, float | None]
    lineage: dict[str, str]
    threshold: float | None
    branches: list[str]
