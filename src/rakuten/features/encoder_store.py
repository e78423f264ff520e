"""Encoders made from ``params.yaml``, kept as a folder, and made again from its files."""

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from rakuten.errors import ConfigurationError, DataNotFoundError, ModelError
from rakuten.features.encoder import ImageEncoder, create_encoder
from rakuten.io import remove_orphans, storage_error, swap_directory, write_json
from rakuten.params import FeaturesParams, OnnxParams

DESCRIPTION: Final = "encoder.json"


def prepare_encoder(params: FeaturesParams, root: Path) -> ImageEncoder:
    """Make the encoder that ``params.yaml`` names, fetching its weights where need be.

    Raises:
        ConfigurationError: its weights are not those that the parameters pin.
        DataNotFoundError: its weights are not here and cannot be fetched.
        MissingExtraError: it needs a package that is not installed.
    """
    if params.image_encoder != "onnx":
        return create_encoder(params.image_encoder)
    from rakuten.features.weights import find_weights

    return create_encoder("onnx", onnx=params.onnx, weights=find_weights(params.onnx, root))


def restore_encoder(description: Mapping[str, Any], folder: Path) -> ImageEncoder:
    """Make the encoder of a manifest again, from the files that lie beside it.

    Raises:
        ModelError: the files are not those that the manifest describes, or this version of the
            project encodes otherwise.
        MissingExtraError: the encoder needs a package that is not installed.
    """
    try:
        if description["name"] == "onnx":
            from rakuten.features.onnx_encoder import WEIGHTS

            onnx = OnnxParams.model_validate(description["onnx"])
            encoder = create_encoder("onnx", onnx=onnx, weights=folder / WEIGHTS)
        else:
            encoder = create_encoder(str(description["name"]))
        expected = description["version"]
    except (KeyError, TypeError, ValidationError) as error:
        raise ModelError(f"{folder} describes no image encoder: {error!r}.") from error
    except (ConfigurationError, DataNotFoundError) as error:
        raise ModelError(error.message, hint=error.hint) from error
    if encoder.version != expected:
        raise ModelError(
            f"{folder} needs image encoder {encoder.name} {expected}; "
            f"this version has {encoder.name} {encoder.version}.",
            hint="run rakuten features and rakuten train again, or install the version of "
            "rakuten-classifier that wrote it",
        )
    return encoder


def save_encoder(encoder: ImageEncoder, folder: Path) -> None:
    """Write an encoder as a folder of its own, beside its place, and swap it in.

    Raises:
        StorageError: it cannot be written.
    """
    remove_orphans(folder, "staged")
    staged = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.staged")
    try:
        staged.mkdir(parents=True)
        for name, source in encoder.files().items():
            shutil.copyfile(source, staged / name)
        write_json(staged / DESCRIPTION, encoder.describe())
        swap_directory(staged, folder)
    except OSError as error:
        raise storage_error(error, staged) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def load_encoder(folder: Path) -> ImageEncoder:
    """Make the encoder of a folder that :func:`save_encoder` wrote.

    Raises:
        ModelError: it is not such a folder, or its files were altered.
        MissingExtraError: the encoder needs a package that is not installed.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.", hint="rakuten features") from error
    return restore_encoder(description, folder)
