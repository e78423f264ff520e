"""How the process takes memory from the C library."""

import ctypes
import os
from typing import Final

_M_ARENA_MAX: Final = -8
"""Number of the option in glibc's malloc.h."""


def share_arena() -> bool:
    """Have all threads take memory from one arena of glibc's malloc; call it before they start.

    Otherwise each thread may get one of its own, eight a processor: what is freed in one is of
    no use to another, and the process grows for hours. ``MALLOC_ARENA_MAX`` goes before this.

    Returns:
        Whether that was done: the C library is glibc, and nobody chose another number.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, 1) == 1
