"""Which rows are held out, and the fingerprint by which a split is recognised."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from rakuten.errors import ContractError


def published_split(labels: Sequence[str], *, test_size: float, seed: int) -> NDArray[np.bool_]:
    """Held-out mask of the split that published scores use.

    It is ``train_test_split(stratify=labels)`` over all rows in file order; rows of a type
    that appears once cannot be stratified and go to the training side.

    Args:
        labels: label of every row of ``Y_train.csv``, in file order.
        test_size: held-out share.
        seed: ``random_state`` of the split; 42 is the published one.

    Returns:
        bool array of shape (n,), true where the row is held out.

    Raises:
        ContractError: too few rows to hold out one of each type.
    """
    codes = np.asarray(labels)
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[inverse] > 1)
    mask = np.zeros(len(codes), dtype=bool)
    try:
        _, held_out = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=codes[rows]
        )
    except ValueError as error:
        raise _too_small(len(rows), len(counts), test_size) from error
    mask[held_out] = True
    return mask


def grouped_split(
    labels: Sequence[str], groups: NDArray[np.int64], *, test_size: float, seed: int
) -> NDArray[np.bool_]:
    """Held-out mask that keeps the rows of a group on one side.

    Groups are drawn per type (the type of a group's first row) in a seeded order until the
    type's held-out share is reached, so the split stays close to stratified.

    Args:
        labels: label of every row of ``Y_train.csv``, in file order.
        groups: group number of each row, shape (n,); see :func:`copy_groups`.
        test_size: held-out share of rows.
        seed: seed of the order in which groups are drawn.

    Returns:
        bool array of shape (n,), true where the row is held out.

    Raises:
        ContractError: nothing can be held out.
    """
    codes = np.asarray(labels)
    unique, first, inverse, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(unique), dtype=bool)
    group_label = codes[first]
    for code in np.unique(group_label):
        members = rng.permutation(np.flatnonzero(group_label == code))
        wanted = test_size * sizes[members].sum()
        before = np.concatenate(([0], np.cumsum(sizes[members])[:-1]))
        # The last group is always left for training.
        chosen[members[:-1][(before + sizes[members] / 2 <= wanted)[:-1]]] = True
    mask = chosen[inverse]
    if not mask.any():
        raise _too_small(len(codes), len(np.unique(codes)), test_size)
    return mask


def copy_groups(keys: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """Number the groups of rows that share any key (connected components).

    Args:
        keys: for each row the keys it may share: a text key, an image hash; "" never matches.

    Returns:
        int64 array of shape (n,); equal numbers are copies of each other.
    """
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    owner: dict[tuple[int, str], int] = {}
    for row, row_keys in enumerate(keys):
        for kind, key in enumerate(row_keys):
            if key:
                parent[root(row)] = root(owner.setdefault((kind, key), row))
    return np.array([root(row) for row in range(len(keys))], dtype=np.int64)


def text_hash(designation: str, description: str) -> str:
    """SHA-256 of a row's cleaned text, hexadecimal."""
    return hashlib.sha256(f"{designation}\x1f{description}".encode()).hexdigest()


def fingerprint(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """SHA-256 over the sorted (index, prdtypecode, text hash, image hash) of the held-out rows."""
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update("\x1f".join(row).encode() + b"\n")
    return digest.hexdigest()


def stratified_folds(codes: NDArray[np.int64], *, folds: int, seed: int) -> NDArray[np.int64]:
    """Fold number of each row: each type is dealt round-robin in a seeded order.

    Works for types with fewer rows than folds: a type seen once is in one fold only.

    Args:
        codes: class position of each row, shape (n,).
        folds: number of folds.
        seed: seed of the order.

    Returns:
        int64 array of shape (n,) with values in [0, folds).
    """
    rng = np.random.default_rng(seed)
    assigned = np.empty(len(codes), dtype=np.int64)
    offset = 0
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        assigned[members] = (np.arange(len(members)) + offset) % folds
        offset += len(members)
    return assigned


def _too_small(rows: int, types: int, test_size: float) -> ContractError:
    return ContractError(
        f"{rows} labelled rows of {types} product types are too few to hold out {test_size:.0%}: "
        "each type needs a held-out row and a training row.",
        hint="bring more rows, or raise split.test_size in params.yaml",
    )
