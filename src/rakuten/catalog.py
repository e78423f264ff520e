"""The words of the domain: column names, file names, product types."""

from pathlib import Path
from typing import Final

INDEX: Final = "index"
DESIGNATION: Final = "designation"
DESCRIPTION: Final = "description"
PRODUCT_ID: Final = "productid"
IMAGE_ID: Final = "imageid"
LABEL: Final = "prdtypecode"

PRODUCT_COLUMNS: Final = (DESIGNATION, DESCRIPTION, PRODUCT_ID, IMAGE_ID)
"""Columns of ``X_train.csv`` and ``X_test.csv`` after the unnamed index."""

X_TRAIN: Final = "X_train.csv"
Y_TRAIN: Final = "Y_train.csv"
X_TEST: Final = "X_test.csv"
Y_TEST: Final = "Y_test.csv"
CORRECTIONS: Final = "corrections.csv"
PRODUCT_TYPES_FILE: Final = "product_types.json"
IMAGE_TRAIN: Final = "images/image_train"
IMAGE_TEST: Final = "images/image_test"

CHALLENGE_NAMES: Final = {
    X_TRAIN: "X_train_update.csv",
    Y_TRAIN: "Y_train_CVw08PX.csv",
    X_TEST: "X_test_update.csv",
}
"""Name in ``data/raw`` → name in the challenge's own download."""

PRODUCT_TYPES: Final[dict[int, str]] = {
    10: "livres d'occasion",
    40: "jeux vidéo importés",
    50: "accessoires de jeux vidéo",
    60: "consoles",
    1140: "figurines et produits dérivés",
    1160: "cartes à collectionner",
    1180: "figurines et jeux de rôle",
    1280: "jouets et jeux enfants",
    1281: "jeux de société",
    1300: "modélisme et drones",
    1301: "vêtements bébé et petits jeux",
    1302: "jeux d'extérieur et loisirs",
    1320: "puériculture",
    1560: "mobilier d'intérieur",
    1920: "linge de maison",
    1940: "épicerie",
    2060: "décoration",
    2220: "animalerie",
    2280: "revues et magazines",
    2403: "livres, BD et magazines en lots",
    2462: "consoles et jeux d'occasion",
    2522: "papeterie",
    2582: "mobilier de jardin",
    2583: "piscine et accessoires",
    2585: "bricolage et jardinage",
    2705: "livres neufs",
    2905: "jeux PC à télécharger",
}
"""Built-in names (code → French name) for catalogues that bring no ``product_types.json``."""


def image_name(image_id: str, product_id: str) -> str:
    """File name of a product's photo inside its image folder."""
    return f"image_{image_id}_product_{product_id}.jpg"


def label_name(code: int, names: dict[int, str] | None = None) -> str:
    """Name of a product type; the code itself where no name is known."""
    return (names or {}).get(code) or PRODUCT_TYPES.get(code) or str(code)


def image_path(folder: Path, image_id: str, product_id: str) -> Path:
    """Path of a product's photo below ``folder``."""
    return folder / image_name(image_id, product_id)
