"""What changes a result: typed view of ``params.yaml``, a section a stage."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rakuten.errors import ConfigurationError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SplitParams(_Section):
    """Which rows are held out (see :mod:`rakuten.data.split`)."""

    scheme: Literal["published", "grouped"] = "published"
    test_size: float = Field(0.2, gt=0, lt=0.9)
    seed: int = Field(42, ge=0, lt=1 << 32)


class FeaturesParams(_Section):
    """Which encoder turns a photo into a vector."""

    image_encoder: Literal["descriptor"] = "descriptor"


class TextBranchParams(_Section):
    """Hashed TF-IDF and one linear classifier per type."""

    hash_bits: int = Field(18, ge=10, le=22)
    regularisation: float = Field(0.3, gt=0)
    title_words_weight: float = Field(1.0, ge=0)
    title_characters_weight: float = Field(1.0, ge=0)
    description_words_weight: float = Field(0.7, ge=0)


class ImageBranchParams(_Section):
    """Nyström kernel ridge classifier on the blocks of the encoder's vectors."""

    components: int = Field(96, ge=2)
    landmarks: int = Field(4000, ge=10)
    gamma: float = Field(1.5, gt=0)
    ridge: float = Field(0.1, gt=0)
    min_rows: int = Field(50, ge=10)
    """With fewer photos than this no image branch is trained."""


class FusionParams(_Section):
    """Calibrated fusion of the branches."""

    penalty: float = Field(1.0, gt=0)


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
    fusion: FusionParams = FusionParams()
    decision: DecisionParams = DecisionParams()


class PredictParams(_Section):
    """What a row of ``predictions.csv`` holds."""

    alternatives: int = Field(3, ge=0, le=20)
    batch_size: int = Field(256, ge=1)


class Params(_Section):
    """The whole of ``params.yaml``."""

    split: SplitParams = SplitParams()
    features: FeaturesParams = FeaturesParams()
    train: TrainParams = TrainParams()
    predict: PredictParams = PredictParams()


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
