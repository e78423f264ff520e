"""Photos/s of the features stage's encoding: without a cache, into an empty one, out of a full one.

    python benchmarks/vector_cache.py                    the photos of a sample of 2,000 products
    python benchmarks/vector_cache.py --images FOLDER    the photos of a folder
    python benchmarks/vector_cache.py --threads 2

The passes run one after the other in one process; the ratio is that of their processor time,
which other work on the machine disturbs least.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rakuten.data.sample import make_sample
from rakuten.features.encoder import ImageEncoder, create_encoder, encode_stream
from rakuten.features.vector_cache import open_cache


@dataclass(frozen=True)
class Pass:
    """One pass over all photos; ``asked`` is what the cache knew of what it was asked."""

    seconds: float
    processor: float
    vectors: NDArray[np.float32]
    asked: str


def encode(
    encoder: ImageEncoder, photos: Sequence[Path], threads: int, folder: Path | None
) -> Pass:
    """Encode photos as the features stage does."""
    wall, processor = time.perf_counter(), time.process_time()
    with open_cache(folder, encoder) as cache:
        parts = list(encode_stream(encoder, photos, threads=threads, cache=cache))
        asked = f"{cache.hits:,} of {cache.hits + cache.misses:,}" if cache else "–"
    return Pass(
        time.perf_counter() - wall,
        time.process_time() - processor,
        np.concatenate([part.vectors for part in parts]),
        asked,
    )


def measure(photos: Sequence[Path], threads: int, folder: Path) -> None:
    """Run the three passes and print them as a table."""
    encoder = create_encoder("descriptor")
    encode(encoder, photos[:50], threads, None)  # libraries warm
    places = {"no cache": None, "empty cache": folder, "full cache": folder}
    passes = {name: encode(encoder, photos, threads, place) for name, place in places.items()}
    base = passes["no cache"]
    print(f"{len(photos):,} photos, {encoder.name} {encoder.version}, {threads} thread(s)\n")
    print("| pass | seconds | CPU µs a photo | times | read from the cache |")
    print("|---|---:|---:|---:|---:|")
    for name, done in passes.items():
        if not np.array_equal(done.vectors, base.vectors):
            raise SystemExit(f"{name}: other vectors than without a cache")
        print(
            f"| {name} | {done.seconds:.2f} | {done.processor / len(photos) * 1e6:,.0f} "
            f"| {base.processor / done.processor:.2f} | {done.asked} |"
        )
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"\n{size / len(photos) / 1024:.1f} KiB a photo on disk; all vectors equal to the bit")


def main() -> None:
    """Find photos and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000, help="products of the sample")
    parser.add_argument("--images", type=Path, help="folder of JPEGs instead of a sample")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rakuten-bench-") as name:
        folder = Path(name)
        images = arguments.images
        if images is None:
            make_sample(folder / "raw", rows=arguments.rows)
            images = folder / "raw/images"
        measure(sorted(images.rglob("*.jpg")), arguments.threads, folder / "cache")


if __name__ == "__main__":
    main()
