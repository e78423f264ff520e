"""What changes a result: typed view of ``params.yaml``, a section a stage."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rakuten.errors import ConfigurationError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SplitParams(_Section):
    """Which rows are held out (see :mod:`rakuten.data.split`)."""

    scheme: Literal["published", "grouped"] = "published"
    test_size: float = Field(0.2, gt=0, lt=0.9)
    seed: int = Field(42, ge=0, lt=1 << 32)


class OnnxParams(_Section):
    """A pretrained network as ONNX: which file exactly, and how photos are shown to it.

    The defaults are those of DINOv2-small (docs/image-encoders.md has others).
    """

    repository: str = Field("onnx-community/dinov2-small", pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*$")
    file: str = Field("onnx/model.onnx", pattern=r"^([\w-][\w.-]*/)*[\w-][\w.-]*\.onnx$")
    revision: str = ""
    sha256: str = ""
    path: str = ""
    """A local file instead of the hub's, seen from the project folder."""
    input_size: int = Field(224, ge=16, le=1024)
    mean: list[float] = Field([0.485, 0.456, 0.406], min_length=3, max_length=3)
    std: list[Annotated[float, Field(gt=0)]] = Field(
        [0.229, 0.224, 0.225], min_length=3, max_length=3
    )
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    output: str = Field("last_hidden_state", min_length=1)
    pooling: Literal["none", "cls", "mean"] = "cls"
    batch_size: int = Field(8, ge=1, le=1024)

    @field_validator("revision")
    @classmethod
    def _is_commit(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9a-f]{40}", value):
            raise PydanticCustomError(
                "revision",
                "must be a full commit hash (40 hexadecimal digits); branches and tags move",
            )
        return value

    @field_validator("sha256")
    @classmethod
    def _is_sha256(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9a-f]{64}", value):
            raise PydanticCustomError("sha256", "must be a sha256 (64 hexadecimal digits)")
        return value


class FeaturesParams(_Section):
    """Which encoder turns a photo into a vector."""

    image_encoder: Literal["descriptor", "onnx"] = "descriptor"
    onnx: OnnxParams = OnnxParams()

    @model_validator(mode="after")
    def _names_weights(self) -> Self:
        if self.image_encoder == "onnx":
            if not self.onnx.sha256:
                raise PydanticCustomError(
                    "sha256", "the encoder 'onnx' needs onnx.sha256, the hash of its file"
                )
            if not (self.onnx.path or self.onnx.revision):
                raise PydanticCustomError(
                    "weights", "the encoder 'onnx' needs onnx.revision, or onnx.path for a file"
                )
        return self


class TextBranchParams(_Section):
    """Hashed TF-IDF and one linear classifier per type."""

    hash_bits: int = Field(20, ge=10, le=22)
    min_df: int = Field(2, ge=1)
    max_columns: int = Field(1_500_000, ge=1000)
    regularisation: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.3, 1.0), min_length=1)
    words_weight: float = Field(1.0, ge=0)
    characters_weight: float = Field(1.0, ge=0)
    title_words_weight: float = Field(0.5, ge=0)
    title_characters_weight: float = Field(0.5, ge=0)

    @model_validator(mode="after")
    def _has_a_block(self) -> Self:
        if not any(value for name, value in self if name.endswith("_weight")):
            raise ValueError("at least one weight must be above 0")
        return self


class ImageBranchParams(_Section):
    """Nyström kernel ridge classifier on the blocks of the encoder's vectors."""

    components: int = Field(96, ge=2)
    landmarks: int = Field(4000, ge=10)
    gamma: float = Field(1.5, gt=0)
    ridge: float = Field(0.1, gt=0)
    min_rows: int = Field(50, ge=10)
    """With fewer photos than this no image branch is trained."""


class JointBranchParams(_Section):
    """Nyström kernel ridge classifier on text and photo together."""

    components: int = Field(256, ge=2)
    landmarks: int = Field(4000, ge=10)
    text_weight: float = Field(0.7, gt=0)
    gamma: float = Field(0.7, gt=0)
    ridge: float = Field(0.1, gt=0)


class FusionParams(_Section):
    """Calibrated fusion of the branches."""

    penalty: float = Field(1.0, gt=0)
    cross_penalty: float = Field(30.0, gt=0)


class DecisionParams(_Section):
    """When a prediction is taken without a person."""

    target_precision: float = Field(0.97, gt=0, lt=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class TrainParams(_Section):
    """Everything the train stage reads besides the split."""

    seed: int = Field(42, ge=0, lt=1 << 32)
    folds: int = Field(5, ge=2, le=20)
    text: TextBranchParams = TextBranchParams()
    image: ImageBranchParams = ImageBranchParams()
    joint: JointBranchParams = JointBranchParams()
    fusion: FusionParams = FusionParams()
    decision: DecisionParams = DecisionParams()


class FeedbackParams(_Section):
    """What corrections of people count in training (docs/feedback.md)."""

    weight: float = Field(1.0, ge=0, le=100)


class PredictParams(_Section):
    """What a row of ``predictions.csv`` holds."""

    alternatives: int = Field(3, ge=0, le=20)
    batch_size: int = Field(256, ge=1)


class GateFloors(_Section):
    """What every promoted version must reach on its held-out rows, the first one too."""

    weighted_f1: float = Field(0.6, ge=0, le=1)
    macro_f1: float = Field(0.4, ge=0, le=1)


class GateParams(_Section):
    """When a version may become champion; no stage reads this (see docs/promotion.md)."""

    floors: GateFloors = GateFloors()
    margin: float = Field(0.01, ge=0, lt=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(2000, ge=100, le=100_000)
    class_support: int = Field(20, ge=1)
    class_drop: float = Field(0.15, ge=0, le=1)
    calibration_error: float = Field(0.05, gt=0, le=1)
    calibration_rise: float = Field(0.02, ge=0, le=1)
    coverage_drop: float = Field(0.05, ge=0, le=1)
    size_mib: float = Field(1024, gt=0)
    latency_ms: float = Field(250, gt=0)


class RetrainingParams(_Section):
    """When monitoring watches, alerts or retrains.

    The defaults err towards doing nothing without a person: a retraining needs two windows that
    share no row, so that one odd hour starts none; it happens once a day at most, whatever the
    windows say; and scores of people's labels speak only where there are enough of them, from
    nearly all of the traffic.
    """

    violated: int = Field(2, ge=1, le=100)
    windows: int = Field(3, ge=1, le=100)
    cool_down_hours: float = Field(24, gt=0, le=8760)
    min_labels: int = Field(200, ge=100)
    margin: float = Field(0.05, ge=0, lt=1)
    unknown_share: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.violated > self.windows:
            raise PydanticCustomError("windows", "violated must not be above windows")
        return self


class MonitoringParams(_Section):
    """What monitoring makes of live traffic; no stage reads this (see docs/monitoring.md)."""

    window_rows: int = Field(500, ge=100, le=20_000)
    label_days: float = Field(30, gt=0, le=3650)
    label_rows: int = Field(50_000, ge=100, le=1_000_000)
    reports_kept: int = Field(100, ge=1, le=100_000)
    retraining: RetrainingParams = RetrainingParams()


class Params(_Section):
    """The whole of ``params.yaml``."""

    split: SplitParams = SplitParams()
    features: FeaturesParams = FeaturesParams()
    train: TrainParams = TrainParams()
    feedback: FeedbackParams = FeedbackParams()
    predict: PredictParams = PredictParams()
    gate: GateParams = GateParams()
    monitoring: MonitoringParams = MonitoringParams()


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ConfigurationError: the file is absent, not YAML, or a value or a name in it is wrong.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"There is no {path.name} in {path.parent.resolve()}.",
            hint="run the command from the project folder, or name it with --root",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}.") from error
    try:
        return Params.model_validate(values or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or path.name
        raise ConfigurationError(
            f"{path}: {where}: {first['msg']} (found {first['input']!r}).",
            hint="docs/parameters.md lists every parameter and its range",
        ) from error
