"""Kinds of simulated drift, by the names that commands take."""

from enum import StrEnum


class Drift(StrEnum):
    """What happens to the shop."""

    NONE = "none"
    NEW_VOCABULARY = "new-vocabulary"
    MISSING_PHOTOS = "missing-photos"
    CLASS_MIX = "class-mix"
    PHOTO_STYLE = "photo-style"


class Strength(StrEnum):
    """How much of it; docs/monitoring.md has the numbers."""

    WEAK = "weak"
    MIDDLE = "middle"
    STRONG = "strong"
