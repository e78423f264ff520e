"""A synthetic catalogue in the challenge's format, with its habits and its flaws."""

import csv
import io
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from rakuten import catalog
from rakuten.data.sample_listings import retouch, write_listing
from rakuten.data.sample_photos import draw_photo, encode_photo, recrop
from rakuten.data.sample_words import GROUPS, SHARES
from rakuten.errors import ConfigurationError, StorageError
from rakuten.io import sha256_file, storage_error, write_json, write_text

GENERATOR: Final = 2
"""Version of the generator; another one may write other bytes for the same seed."""

MARKER: Final = "sample.json"
"""File that tells a synthetic catalogue from a real one."""

MIN_ROWS: Final = 60
_TRAIN_SHARE = 84_916 / (84_916 + 13_812)
_MIN_PER_TYPE = 2
_COPIES = 0.03
_WRONG_LABELS = 0.005
_DEFECTS = {"missing": 0.01, "truncated": 0.002, "empty": 0.0015, "text": 0.0015, "png": 0.001}
"""Share of products per flaw of the photo file; each occurs at least once."""
_BROKEN = frozenset({"truncated", "empty", "text"})
_TITLES_LOST = ("", "", "null", "", "NA")
"""What sellers' tools leave where a title should be."""
_CHUNK = 50
_IN_PROCESS_BELOW = 300


@dataclass(frozen=True)
class SampleReport:
    """What was written; ``images`` counts photo files, the broken ones included."""

    train_rows: int
    test_rows: int
    classes: int
    images: int
    missing_images: int
    broken_images: int


@dataclass(frozen=True)
class _Product:
    """One row of the plan: ``kind`` is what text and photo show, ``label`` what the row claims."""

    number: int
    kind: int
    label: int
    source: int
    """Product whose text and photo this one copies; its own number where it copies none."""
    product_id: str
    image_id: str
    defect: str = ""
    lost_title: str | None = None


def make_sample(
    out: Path,
    *,
    rows: int = 3000,
    seed: int = 42,
    progress: Callable[[int, int], None] | None = None,
) -> SampleReport:
    """Write a synthetic catalogue of ``rows`` products, the same bytes for the same seed.

    Args:
        out: folder that does not exist yet or is empty.
        rows: training and test products together.
        seed: start of every random stream.
        progress: called with (photos done, photos in all).

    Raises:
        ConfigurationError: too few rows, or a negative seed.
        StorageError: ``out`` holds something already, or the file system refused.
    """
    if rows < MIN_ROWS:
        raise ConfigurationError(
            f"A sample of {rows} rows is too small: {len(SHARES)} product types need {MIN_ROWS}.",
            hint=f"ask for at least {MIN_ROWS} rows",
        )
    if seed < 0:
        raise ConfigurationError(f"The seed {seed} is negative.", hint="use 0 or a positive number")
    products, train_rows = _plan(rows, seed)
    try:
        _require_empty(out)
        for folder in (catalog.IMAGE_TRAIN, catalog.IMAGE_TEST):
            (out / folder).mkdir(parents=True)
        _write_tables(out, products, train_rows, seed)
        _write_all_photos(out, products, train_rows, seed, progress)
    except OSError as error:
        raise storage_error(error, out) from error
    # Last, so that a folder with a marker is a whole one.
    digest = sha256_file(out / catalog.X_TRAIN)
    marker = {"generator": GENERATOR, "rows": rows, "seed": seed, "x_train_sha256": digest}
    write_json(out / MARKER, marker)
    return _report(products, train_rows)


def _require_empty(out: Path) -> None:
    hint = "name a folder that does not exist yet, or empty this one first"
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out} is a file; the sample needs a folder.", hint=hint)
    if out.is_dir() and any(out.iterdir()):
        raise StorageError(f"{out} is not empty; the sample would mix with it.", hint=hint)


def _report(products: Sequence[_Product], train_rows: int) -> SampleReport:
    missing = sum(product.defect == "missing" for product in products)
    return SampleReport(
        train_rows=train_rows,
        test_rows=len(products) - train_rows,
        classes=len({product.label for product in products[:train_rows]}),
        images=len(products) - missing,
        missing_images=missing,
        broken_images=sum(product.defect in _BROKEN for product in products),
    )


def _plan(rows: int, seed: int) -> tuple[list[_Product], int]:
    """Decide for every row what it shows and what is wrong with it, train rows first."""
    # Products draw from [seed, number, ...], so no product's stream equals this one.
    rng = np.random.default_rng([seed, rows])
    train_rows = max(round(rows * _TRAIN_SHARE), _MIN_PER_TYPE * len(SHARES))
    test_minimum = 1 if rows - train_rows > len(SHARES) else 0
    kinds = _kinds(rng, train_rows, _MIN_PER_TYPE) + _kinds(rng, rows - train_rows, test_minimum)
    product_ids = rng.permutation(rows * 40)[:rows] + 3_800_000_000
    image_ids = rng.permutation(rows * 40)[:rows] + 1_100_000_000
    products = [
        _Product(number, kind, kind, number, str(product_ids[number]), str(image_ids[number]))
        for number, kind in enumerate(kinds)
    ]
    free = _beyond_minimum(kinds)
    _mislabel(rng, products, free)
    _copy(rng, products, free)
    _spoil_photos(rng, products)
    for turn, number in enumerate(rng.permutation(rows)[: max(2, round(rows * 0.002))]):
        lost = _TITLES_LOST[turn % len(_TITLES_LOST)]
        products[number] = replace(products[number], lost_title=lost)
    return products, train_rows


def _kinds(rng: np.random.Generator, total: int, minimum: int) -> list[int]:
    """Types of ``total`` products in random order: the published balance above a minimum each."""
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    exact = minimum + shares * (total - minimum * len(SHARES))
    counts = np.floor(exact).astype(int)
    most_owed = np.argsort(counts - exact, kind="stable")[: total - counts.sum()]
    counts[most_owed] += 1
    kinds: list[int] = rng.permutation(np.repeat(list(SHARES), counts)).tolist()
    return kinds


def _beyond_minimum(kinds: Sequence[int]) -> list[int]:
    """Rows that a type can lose without falling under its minimum."""
    seen: Counter[int] = Counter()
    free = []
    for number, kind in enumerate(kinds):
        seen[kind] += 1
        if seen[kind] > _MIN_PER_TYPE:
            free.append(number)
    return free


def _mislabel(rng: np.random.Generator, products: list[_Product], free: Sequence[int]) -> None:
    """Give some products a wrong label, mostly that of a type they are easily taken for."""
    for number in rng.permutation(free)[: round(len(free) * _WRONG_LABELS)]:
        kind = products[number].kind
        siblings = next(types for types in GROUPS.values() if kind in types)
        pool = siblings if rng.random() < 0.75 else tuple(SHARES)
        wrong = [code for code in pool if code != kind]
        products[number] = replace(products[number], label=wrong[int(rng.integers(len(wrong)))])


def _copy(rng: np.random.Generator, products: list[_Product], free: Sequence[int]) -> None:
    """Turn some products into near-duplicates of an earlier one of their kind."""
    count = max(2, round(len(products) * _COPIES))
    by_kind: dict[int, list[int]] = {}
    for product in products:
        by_kind.setdefault(product.kind, []).append(product.number)
    # In row order, so that no product becomes a copy after it served as an original.
    for number in sorted(rng.permutation(free)[:count].tolist()):
        product = products[number]
        earlier = (products[other] for other in by_kind[product.kind] if other < number)
        # The first two of a kind are never copies, so there is always an original.
        originals = [other for other in earlier if other.source == other.number]
        original = originals[int(rng.integers(len(originals)))]
        label = original.label if rng.random() < 0.9 else product.label
        products[number] = replace(product, source=original.number, label=label)


def _spoil_photos(rng: np.random.Generator, products: list[_Product]) -> None:
    counts = {defect: max(1, round(len(products) * share)) for defect, share in _DEFECTS.items()}
    defects = [defect for defect, count in counts.items() for _ in range(count)]
    for number, defect in zip(rng.permutation(len(products)), defects, strict=False):
        products[number] = replace(products[number], defect=defect)


def _listing(seed: int, product: _Product) -> tuple[str, str]:
    """Designation and description of a product."""
    untitled = product.lost_title is not None
    rng = np.random.default_rng([seed, product.source, 0])
    title, description = write_listing(rng, product.kind, described=untitled)
    if product.source != product.number:
        rng = np.random.default_rng([seed, product.number, 0])
        title, description = retouch(rng, title, description)
    return (title if product.lost_title is None else product.lost_title), description


def _write_tables(out: Path, products: Sequence[_Product], train_rows: int, seed: int) -> None:
    features = [
        (product.number, *_listing(seed, product), product.product_id, product.image_id)
        for product in products
    ]
    labels = [(product.number, product.label) for product in products]
    x_header, y_header = ("", *catalog.PRODUCT_COLUMNS), ("", catalog.LABEL)
    write_text(out / catalog.X_TRAIN, _table(x_header, features[:train_rows]))
    write_text(out / catalog.Y_TRAIN, _table(y_header, labels[:train_rows]))
    write_text(out / catalog.X_TEST, _table(x_header, features[train_rows:]))
    write_text(out / catalog.Y_TEST, _table(y_header, labels[train_rows:]))
    names = {str(code): name for code, name in catalog.PRODUCT_TYPES.items()}
    write_json(out / catalog.PRODUCT_TYPES_FILE, names)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    # The challenge leaves the index column's header empty and unquoted.
    buffer.write(",".join(header) + "\n")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _write_all_photos(
    out: Path,
    products: Sequence[_Product],
    train_rows: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the photos in chunks, in worker processes where that pays."""
    jobs = []
    for product in products:
        folder = catalog.IMAGE_TRAIN if product.number < train_rows else catalog.IMAGE_TEST
        path = catalog.image_path(out / folder, product.image_id, product.product_id)
        if product.defect != "missing":
            jobs.append((path, product))
    chunks, done = [jobs[i : i + _CHUNK] for i in range(0, len(jobs), _CHUNK)], 0
    for count in _run_chunks(chunks, seed):
        done += count
        if progress is not None:
            progress(done, len(jobs))


def _run_chunks(chunks: Sequence[Sequence[tuple[Path, _Product]]], seed: int) -> Iterator[int]:
    workers = min(os.cpu_count() or 1, 4)
    if workers == 1 or len(chunks) * _CHUNK <= _IN_PROCESS_BELOW:
        yield from (_write_photos(chunk, seed) for chunk in chunks)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        futures = [pool.submit(_write_photos, chunk, seed) for chunk in chunks]
        yield from (future.result() for future in as_completed(futures))


def _write_photos(jobs: Sequence[tuple[Path, _Product]], seed: int) -> int:
    for path, product in jobs:
        path.write_bytes(_photo(product, seed))
    return len(jobs)


def _photo(product: _Product, seed: int) -> bytes:
    """Bytes of a product's photo file, flawed where the plan says so."""
    if product.defect == "empty":
        return b""
    if product.defect == "text":
        return b"<html><head><title>404 Not Found</title></head></html>\n"
    pixels = draw_photo(np.random.default_rng([seed, product.source, 1]), product.kind)
    if product.defect == "png":
        return encode_photo(pixels, suffix=".png")
    if product.source == product.number:
        data = encode_photo(pixels)
        return data[: len(data) // 2] if product.defect == "truncated" else data
    rng = np.random.default_rng([seed, product.number, 1])
    if rng.random() < 0.5:
        return encode_photo(pixels)
    return encode_photo(recrop(rng, pixels), quality=60)
