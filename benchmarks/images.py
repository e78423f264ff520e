"""Speed and memory of the default image encoder and its branch, beside Pillow's decoding.

    python benchmarks/images.py                     all measures, about ten minutes
    python benchmarks/images.py --rows 8000         the branch on fewer rows
    python benchmarks/images.py --catalog FOLDER    out-of-fold weighted F1 of photos alone
    python benchmarks/images.py --output FILE       also write the tables as Markdown

Photos are synthetic: shaded, textured shapes on a bright background, 500 × 500 JPEG. Rates are
of one thread in processor time, which other programs on the machine disturb least, the best of
several passes that take turns; memory is the peak of a process.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from rakuten.data.schema import read_labels, read_products, unique_labels
from rakuten.data.split import stratified_folds
from rakuten.features.encoder import ImageEncoder, create_encoder, encode_each, encode_stream
from rakuten.imaging import decode_image
from rakuten.models.image_branch import ImageBranch, fit_image_branch
from rakuten.params import TrainParams, load_params

REPOSITORY = Path(__file__).resolve().parents[1]
SIDE = 500
PASSES = 9
CLASSES = 27


def make_photo(rng: np.random.Generator) -> bytes:
    """A JPEG of about 23 kB, the published catalogue's average: textured shapes on white."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    picture = np.full((SIDE, SIDE, 3), 255.0, dtype=np.float32)
    for _ in range(rng.integers(2, 6)):
        (cx, cy), (a, b) = rng.uniform(0.3, 0.7, 2), rng.uniform(0.1, 0.33, 2)
        turn = rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        inside = ((u / a) ** 2 + (v / b) ** 2 < 1).astype(np.float32)
        edge = cv2.GaussianBlur(inside, (0, 0), 1.2)[..., None]
        grain = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.2)
        weave = rng.uniform(0, 25) * np.sin(u * rng.uniform(20, 200))
        shade = 60 * u / a + weave + rng.uniform(15, 60) * grain
        picture += edge * (rng.uniform(20, 230, 3) + shade[..., None] - picture)
    picture += rng.normal(0, 0.5, picture.shape)
    buffer = io.BytesIO()
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.integers(85, 91)))
    return buffer.getvalue()


def best_times(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least processor seconds of each work; they take turns, so a busy machine slows all."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(PASSES):
        for name, work in works.items():
            start = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - start)
    return best


def load_whole(photos: list[bytes]) -> None:
    """Pillow's full-size decoding, its pixels left where they are."""
    for photo in photos:
        Image.open(io.BytesIO(photo)).load()


def read_whole(photos: list[bytes]) -> None:
    """Pillow's full-size decoding into an RGB array."""
    for photo in photos:
        np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))


def measure_decoding(encoder: ImageEncoder, photos: list[bytes]) -> list[str]:
    """Rates of decoding, and of decoding with description, as a Markdown table."""
    size = encoder.input_size
    times = best_times(
        {
            "Pillow, full size, load()": lambda: load_whole(photos),
            "Pillow, full size, into an RGB array": lambda: read_whole(photos),
            "this decoder": lambda: [decode_image(photo, size) for photo in photos],
            "this decoder and descriptors": lambda: encode_each(encoder, photos),
        }
    )
    load, read, *_ = times.values()
    lines = [
        f"{len(photos)} photos of {np.mean([len(p) for p in photos]) / 1e3:.0f} kB on average",
        "",
        "| one thread | images/s | × load() | × RGB array |",
        "|---|---:|---:|---:|",
    ]
    for name, seconds in times.items():
        rate = f"{len(photos) / seconds:,.0f}"
        lines.append(f"| {name} | {rate} | {load / seconds:.2f} | {read / seconds:.2f} |")
    return lines


def measure_prediction(
    encoder: ImageEncoder, photos: list[bytes], branch: ImageBranch
) -> list[str]:
    """Milliseconds an image after decoding, as a Markdown table."""
    decoded = np.stack([decode_image(photo, encoder.input_size) for photo in photos])
    lines = ["| after decoding, one thread | batch | ms an image |", "|---|---:|---:|"]
    for batch in (256, 1):
        pixels = np.resize(decoded, (batch, *decoded.shape[1:]))
        vectors = encoder.encode_pixels(pixels)

        def describe(pixels: NDArray[np.uint8] = pixels) -> object:
            return encoder.encode_pixels(pixels)

        def score(vectors: NDArray[np.float32] = vectors) -> object:
            return branch.scores(vectors)

        times = best_times({"descriptors": describe, "branch": score})
        times["together"] = sum(times.values())
        lines += [f"| {n} | {batch} | {t / batch * 1e3:.2f} |" for n, t in times.items()]
    return lines


def run_child(*arguments: str) -> dict[str, Any]:
    """Run one measure as a process of its own; what it prints, and its peak MiB."""
    command = [sys.executable, __file__, *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    printed = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    return {**json.loads(printed), "peak": usage.ru_maxrss / 1024}


def encode_many(count: int) -> dict[str, Any]:
    """Encode ``count`` photos and keep none of the vectors."""
    rng = np.random.default_rng(0)
    photos = [make_photo(rng) for _ in range(32)]
    encoder = create_encoder("descriptor")
    stream = encode_stream(encoder, [photos[n % 32] for n in range(count)], threads=1)
    start = time.process_time()
    rows = sum(len(part.status) for part in stream)
    return {"rows": rows, "seconds": time.process_time() - start}


def write_synthetic(path: Path, rows: int) -> None:
    """Vectors with class structure: a few looks a class, and noise, as a ``.npy`` file."""
    rng = np.random.default_rng(0)
    dimension = create_encoder("descriptor").dimension
    looks = rng.normal(size=(CLASSES * 8, dimension)).astype(np.float32)
    target = np.lib.format.open_memmap(path, "w+", np.float32, (rows, dimension))
    chosen = rng.integers(0, len(looks), rows)
    for start in range(0, rows, 1000):
        look = looks[chosen[start : start + 1000]]
        target[start : start + 1000] = look + 6 * rng.standard_normal(look.shape, np.float32)
    target.flush()
    np.save(path.with_name("codes.npy"), chosen // 8)


def fit_many(path: Path) -> dict[str, Any]:
    """Fit the branch with out-of-fold scores on vectors in a file."""
    codes = np.load(path.with_name("codes.npy"))
    vectors = np.load(path, mmap_mode="r")
    start = time.process_time()
    branch, scores = fit(vectors, codes, load_params(REPOSITORY / "params.yaml").train)
    seconds = time.process_time() - start
    for name, array in branch.get_arrays().items():
        np.save(path.with_name(f"branch-{name}.npy"), array)
    return {"seconds": seconds, "f1": weighted_f1(codes, scores)}


def fit(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], params: TrainParams
) -> tuple[ImageBranch, NDArray[np.float64]]:
    """Fit the branch on all rows as the train stage does."""
    folds = stratified_folds(codes, folds=params.folds, seed=params.seed)
    with threadpool_limits(limits=1, user_api="blas"):
        return fit_image_branch(
            vectors,
            np.arange(len(codes)),
            codes,
            folds,
            classes=int(codes.max()) + 1,
            params=params.image,
            seed=params.seed,
            blocks=create_encoder("descriptor").blocks,
        )


def weighted_f1(codes: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Weighted F1 of the best score of each row."""
    return float(f1_score(codes, scores.argmax(axis=1), average="weighted"))


def score_catalog(folder: Path) -> str:
    """Out-of-fold weighted F1 of photos alone on the training rows of a catalogue."""
    labels = unique_labels(read_labels(folder / "Y_train.csv"))
    joined = read_products(folder / "X_train.csv").merge(labels, on="index")
    images = folder / "images/image_train"
    names = zip(joined["imageid"], joined["productid"], strict=True)
    paths = [images / f"image_{image}_product_{product}.jpg" for image, product in names]
    parts = list(encode_stream(create_encoder("descriptor"), paths, threads=1))
    usable = np.array([state == "ok" for part in parts for state in part.status])
    vectors = np.concatenate([part.vectors for part in parts])[usable]
    codes = np.unique(joined["prdtypecode"].to_numpy()[usable], return_inverse=True)[1]
    _, scores = fit(vectors, codes, load_params(REPOSITORY / "params.yaml").train)
    return f"{folder.name}: {len(codes)} photos, out-of-fold F1 {weighted_f1(codes, scores):.4f}"


def measure_all(rows: int, images: int) -> str:
    """Every measure as Markdown."""
    # First: the peak that a child reports starts from what its parent held.
    encoded = {count: run_child("--encode", str(count)) for count in (images, 10 * images)}
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    photos = [make_photo(rng) for _ in range(64)]
    encoder = create_encoder("descriptor")
    lines = measure_decoding(encoder, photos)
    with tempfile.TemporaryDirectory(prefix="rakuten-bench-") as folder:
        path = Path(folder) / "vectors.npy"
        write_synthetic(path, rows)
        fitted = run_child("--fit", str(path))
        saved = {
            file.stem.removeprefix("branch-"): np.load(file) for file in path.parent.glob("b*")
        }
        branch = ImageBranch.from_arrays(saved)
    with threadpool_limits(limits=1, user_api="blas"):
        lines += ["", *measure_prediction(encoder, photos, branch)]
    lines += ["", "| process | rows | processor seconds | peak MiB |", "|---|---:|---:|---:|"]
    lines += [_process_line("decode and describe", n, found) for n, found in encoded.items()]
    lines.append(_process_line("image branch with out-of-fold", rows, fitted))
    return "\n".join(lines)


def _process_line(name: str, rows: int, found: dict[str, Any]) -> str:
    return f"| {name} | {rows:,} | {found['seconds']:.1f} | {found['peak']:,.0f} |"


def main() -> None:
    """Measure and print, or score a catalogue."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=68_000, help="rows of the branch's fit")
    parser.add_argument("--images", type=int, default=1000, help="photos; also ten times as many")
    parser.add_argument("--catalog", type=Path, help="score this catalogue, measure nothing")
    parser.add_argument("--output", type=Path, help="Markdown file to write too")
    parser.add_argument("--encode", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.encode:
        print(json.dumps(encode_many(arguments.encode)))
    elif arguments.fit:
        print(json.dumps(fit_many(arguments.fit)))
    elif arguments.catalog:
        print(score_catalog(arguments.catalog))
    else:
        machine = f"{os.cpu_count()} processors, {platform.machine()}"
        text = f"{machine}, Python {platform.python_version()}\n\n"
        text += f"{measure_all(arguments.rows, arguments.images)}\n"
        print(text)
        if arguments.output:
            command = f"python benchmarks/images.py --rows {arguments.rows}"
            command += f" --images {arguments.images}"
            arguments.output.write_text(f"# Images\n\n`{command}` on {text}", encoding="utf-8")


if __name__ == "__main__":
    main()
