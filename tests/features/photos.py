"""Photos for tests."""

import io

import numpy as np
from PIL import Image


def photo(seed: int, side: int = 90) -> bytes:
    """A JPEG of soft patches of colour; other seeds give other photos."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()
