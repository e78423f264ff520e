"""How much a JSON body holds, found out before a parser makes objects of it."""

import re
from itertools import islice
from typing import Final

MOST_TOKENS: Final = 10_000
"""Texts, commas and opening brackets: a batch of 256 listings has about 2,600."""

_SMALL: Final = 64 * 1024
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[,\[{]', re.DOTALL)
"""A text, with or without its end, or what stands before a value; it never looks back."""


def is_crowded(body: bytes) -> bool:
    """Whether a large body has far more values than any request of ours.

    60 MiB of empty lists become gigabytes of objects, whatever form they are then held against.
    What stands inside of texts does not count; few bodies have to be read for that.
    """
    if len(body) <= _SMALL or sum(map(body.count, (b",", b"[", b"{"))) <= MOST_TOKENS:
        return False
    return next(islice(_TOKEN.finditer(body), MOST_TOKENS, None), None) is not None
