"""The published split is reproduced exactly, copies stay together, and a split has an identity."""

import random
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from rakuten.data.split import (
    copy_groups,
    fingerprint,
    grouped_split,
    published_split,
    stratified_folds,
    text_hash,
)
from rakuten.errors import ContractError


def unbalanced_labels(rows: int = 900, seed: int = 3) -> list[str]:
    draw = random.Random(seed)
    codes = ["10", "40", "2583", "1560", "2905"]
    return draw.choices(codes, weights=[30, 5, 40, 20, 2], k=rows)


# --- published -----------------------------------------------------------------------------


@pytest.mark.parametrize(("test_size", "seed"), [(0.2, 42), (0.2, 0), (0.33, 42)])
def test_published_split_is_scikit_learns(test_size: float, seed: int) -> None:
    labels = unbalanced_labels()
    _, expected = train_test_split(
        np.arange(len(labels)), test_size=test_size, random_state=seed, stratify=labels
    )
    mask = published_split(labels, test_size=test_size, seed=seed)
    assert np.flatnonzero(mask).tolist() == sorted(expected)


def test_published_split_keeps_the_balance_of_types() -> None:
    labels = unbalanced_labels()
    mask = published_split(labels, test_size=0.2, seed=42)
    held_out = Counter(np.array(labels)[mask].tolist())
    for code, count in Counter(labels).items():
        assert abs(held_out[code] - 0.2 * count) <= 1


def test_a_type_seen_once_goes_to_the_training_side() -> None:
    labels = [*unbalanced_labels(), "7777", "8888"]
    mask = published_split(labels, test_size=0.2, seed=42)
    assert not mask[-2:].any()
    assert mask[:-2].any()


def test_types_seen_once_do_not_move_the_other_rows() -> None:
    labels = unbalanced_labels()
    assert np.array_equal(
        published_split([*labels, "7777"], test_size=0.2, seed=42)[:-1],
        published_split(labels, test_size=0.2, seed=42),
    )


@pytest.mark.parametrize(
    "labels",
    [[], ["1"], ["1", "2"], ["1", "1", "2", "2", "3", "3"], ["1", "2", "3", "4", "5"]],
    ids=len,
)
def test_too_few_rows_for_a_stratified_split_say_so(labels: list[str]) -> None:
    with pytest.raises(ContractError, match="too few to hold out 20%") as caught:
        published_split(labels, test_size=0.2, seed=42)
    assert caught.value.hint


# --- grouped -------------------------------------------------------------------------------


def groups_of(sizes: list[int], seed: int = 1) -> NDArray[np.int64]:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(groups).astype(np.int64)


def test_grouped_split_keeps_every_group_on_one_side() -> None:
    groups = groups_of([1] * 300 + [2] * 100 + [7] * 20)
    label_of = np.random.default_rng(2).integers(0, 4, groups.max() + 1)
    labels = [str(label_of[group]) for group in groups]
    mask = grouped_split(labels, groups, test_size=0.2, seed=42)
    for group in np.unique(groups):
        assert len(set(mask[groups == group].tolist())) == 1
    assert abs(mask.mean() - 0.2) < 0.03


def test_grouped_split_holds_out_about_the_share_of_each_type() -> None:
    labels = unbalanced_labels()
    mask = grouped_split(labels, np.arange(len(labels)), test_size=0.25, seed=42)
    for code, count in Counter(labels).items():
        held_out = int(mask[np.array(labels) == code].sum())
        assert abs(held_out - 0.25 * count) <= 1


def test_grouped_split_depends_on_its_seed_only() -> None:
    labels = unbalanced_labels()
    groups = np.arange(len(labels))
    first = grouped_split(labels, groups, test_size=0.2, seed=1)
    assert np.array_equal(first, grouped_split(labels, groups, test_size=0.2, seed=1))
    assert not np.array_equal(first, grouped_split(labels, groups, test_size=0.2, seed=2))


def test_grouped_split_leaves_each_type_a_training_group() -> None:
    labels = ["1"] * 40 + ["2"] * 2 + ["3"]
    mask = grouped_split(labels, np.arange(43), test_size=0.5, seed=0)
    for code in ("1", "2", "3"):
        assert not mask[np.array(labels) == code].all()


def test_grouped_split_of_one_group_a_type_says_it_is_too_small() -> None:
    with pytest.raises(ContractError, match="too few"):
        grouped_split(["1", "1", "2"], np.array([0, 0, 1]), test_size=0.2, seed=0)


def partition(groups: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == group).tolist()) for group in np.unique(groups)}


def test_rows_that_share_any_key_are_copies_of_each_other() -> None:
    keys = [("t1", "i1"), ("t2", "i1"), ("t2", "i2"), ("t3", "i3"), ("t4", "i3"), ("t5", "i5")]
    assert partition(copy_groups(keys)) == {
        frozenset({0, 1, 2}),
        frozenset({3, 4}),
        frozenset({5}),
    }


def test_a_late_row_joins_two_groups() -> None:
    keys = [("a", ""), ("b", ""), ("", "x"), ("b", "x"), ("a", "x")]
    assert partition(copy_groups(keys)) == {frozenset({0, 1, 2, 3, 4})}


def test_empty_keys_and_equal_values_of_different_kinds_never_match() -> None:
    assert len(partition(copy_groups([("", ""), ("", ""), ("a", ""), ("", "a")]))) == 4


def test_groups_are_the_connected_components_of_a_random_graph() -> None:
    draw = random.Random(5)
    keys = [(str(draw.randrange(300)), str(draw.randrange(300))) for _ in range(400)]
    merged: list[tuple[set[int], set[tuple[int, str]]]] = []
    for row, key in enumerate(keys):
        mine = {(0, key[0]), (1, key[1])}
        touching = [part for part in merged if part[1] & mine]
        merged = [part for part in merged if not part[1] & mine]
        rows = {row}.union(*(part[0] for part in touching))
        merged.append((rows, mine.union(*(part[1] for part in touching))))
    assert partition(copy_groups(keys)) == {frozenset(rows) for rows, _ in merged}


def test_a_long_chain_of_copies_is_one_group() -> None:
    keys = [(str(row // 2), str((row + 1) // 2)) for row in range(20_000)]
    assert len(np.unique(copy_groups(keys))) == 1


def test_no_rows_have_no_groups() -> None:
    assert copy_groups([]).shape == (0,)


# --- identity ------------------------------------------------------------------------------

ROWS = [("0", "10", "t0", "i0"), ("1", "40", "t1", ""), ("2", "10", "t2", "i2")]


def test_fingerprint_does_not_depend_on_the_order_of_rows() -> None:
    assert fingerprint(ROWS) == fingerprint(ROWS[::-1]) == fingerprint(sorted(ROWS))


@pytest.mark.parametrize("field", range(4))
def test_fingerprint_changes_with_any_field(field: int) -> None:
    row = list(ROWS[1])
    row[field] += "x"
    index, label, text, image = row
    assert fingerprint([ROWS[0], (index, label, text, image), ROWS[2]]) != fingerprint(ROWS)


def test_fingerprint_changes_with_the_rows() -> None:
    seen = {
        fingerprint(ROWS),
        fingerprint(ROWS[:2]),
        fingerprint([]),
        fingerprint([*ROWS, ROWS[0]]),
    }
    assert len(seen) == 4


def test_fingerprint_is_the_same_in_every_version() -> None:
    digest = "c8c538e226a271ed08ade2e208811448e0b100c278540057cd84207e3637dc53"
    assert fingerprint([("0", "10", "a", "b")]) == digest


def test_text_hash_tells_title_from_description() -> None:
    assert text_hash("a", "b") == text_hash("a", "b")
    assert len({text_hash("a", "b"), text_hash("ab", ""), text_hash("", "ab")}) == 3


# --- folds ---------------------------------------------------------------------------------


def test_every_row_is_in_one_fold_and_types_are_spread_evenly() -> None:
    codes = np.unique(unbalanced_labels(), return_inverse=True)[1].astype(np.int64)
    folds = stratified_folds(codes, folds=5, seed=42)
    assert folds.shape == codes.shape
    assert set(folds.tolist()) == set(range(5))
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1
    for code in np.unique(codes):
        counts = np.bincount(folds[codes == code], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_a_type_seen_once_is_in_one_fold() -> None:
    codes = np.array([0] * 20 + [1] + [2] * 2)
    folds = stratified_folds(codes, folds=5, seed=0)
    assert 0 <= folds[20] < 5
    assert folds[21] != folds[22]


def test_folds_depend_on_their_seed_only() -> None:
    codes = np.arange(200) % 7
    first = stratified_folds(codes, folds=4, seed=1)
    assert np.array_equal(first, stratified_folds(codes, folds=4, seed=1))
    assert not np.array_equal(first, stratified_folds(codes, folds=4, seed=2))
