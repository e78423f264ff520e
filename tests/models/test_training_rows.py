"""The training side: the split, and how corrections of people join it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from rakuten.data import schema
from rakuten.data.split import published_split
from rakuten.errors import ContractError
from rakuten.models.training_rows import MOST_ANSWERS, choose_rows, split_rows
from rakuten.params import FeedbackParams, SplitParams
from rakuten.settings import ProjectPaths
from rakuten.stages.features import read_features
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]
ONCE = FeedbackParams(weight=1.0)

# --- the split -----------------------------------------------------------------------------


def labels_of(codes: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"index": [str(n) for n in range(len(codes))], "prdtypecode": codes})


def rows_of(labels: pd.DataFrame, keep: Callable[[int], bool] = lambda _: True) -> pd.DataFrame:
    """Feature rows of the accepted labels: each text and photo its own."""
    kept = labels[[keep(n) for n in range(len(labels))]].reset_index(drop=True)
    return kept.assign(
        clean_designation="titre " + kept["index"],
        clean_description="",
        image_sha256="photo" + kept["index"],
    )


def test_the_split_of_the_sample_is_scikit_learns_over_all_labels(trained_project: Project) -> None:
    paths, outcome = trained_project
    features, _, _ = read_features(paths)
    labels = schema.unique_labels(schema.read_labels(paths.raw / "Y_train.csv"))
    split = split_rows(features, labels, SplitParams())
    _, expected = train_test_split(
        labels["index"].to_numpy(),
        test_size=0.2,
        random_state=42,
        stratify=labels["prdtypecode"],
    )
    held_out = set(features.loc[split.held_out, "index"])
    assert held_out == set(expected) & set(features["index"])
    assert split.rejected_held_out == len(set(expected) - set(features["index"]))
    assert split.fingerprint == outcome.split_fingerprint


def test_rejected_rows_are_removed_after_the_split() -> None:
    labels = labels_of([("10", "40")[n % 2] for n in range(100)])
    everything = split_rows(rows_of(labels), labels, SplitParams())
    kept = rows_of(labels, lambda n: n % 5 != 0)
    split = split_rows(kept, labels, SplitParams())
    mask = published_split(labels["prdtypecode"].tolist(), test_size=0.2, seed=42)
    assert np.array_equal(everything.held_out, mask)
    assert set(kept.loc[split.held_out, "index"]) == {
        str(n) for n in np.flatnonzero(mask) if n % 5 != 0
    }
    assert split.rejected_held_out == sum(1 for n in np.flatnonzero(mask) if n % 5 == 0)
    assert split.fingerprint != everything.fingerprint


def test_the_split_does_not_depend_on_the_order_of_the_feature_table() -> None:
    labels = labels_of([("10", "40")[n % 2] for n in range(100)])
    rows = rows_of(labels)
    shuffled = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    first, second = (split_rows(table, labels, SplitParams()) for table in (rows, shuffled))
    assert first.fingerprint == second.fingerprint
    assert set(rows.loc[first.held_out, "index"]) == set(shuffled.loc[second.held_out, "index"])


def test_the_grouped_split_keeps_copies_on_one_side() -> None:
    labels = labels_of([("10", "40")[n % 2] for n in range(300)])
    rows = rows_of(labels)
    rows.loc[:79, "clean_designation"] = [f"copie {n % 8}" for n in range(80)]
    rows.loc[100:159, "image_sha256"] = [f"meme photo {n % 10}" for n in range(60)]
    split = split_rows(rows, labels, SplitParams(scheme="grouped"))
    for n in range(8):
        assert len(set(split.held_out[n:80:8].tolist())) == 1
    for n in range(10):
        assert len(set(split.held_out[100 + n : 160 : 10].tolist())) == 1
    assert abs(split.held_out.mean() - 0.2) < 0.05


def test_products_without_text_are_no_copies_of_each_other() -> None:
    labels = labels_of([("10", "40")[n % 2] for n in range(100)])
    rows = rows_of(labels).assign(clean_designation="")
    split = split_rows(rows, labels, SplitParams(scheme="grouped"))
    assert abs(split.held_out.mean() - 0.2) < 0.05


# --- corrections ---------------------------------------------------------------------------

LABELS = labels_of([("10", "40")[n % 2] for n in range(100)])


def said(number: int, **changes: Any) -> dict[str, Any]:
    """A correction of a product that the catalogue does not have."""
    return {
        "index": f"correction {number}",
        "prdtypecode": "10",
        "clean_designation": f"nouveau {number}",
        "clean_description": "",
        "image_sha256": f"neuve{number}",
        "source": "corrections.csv",
        "answers": "1",
        **changes,
    }


def joined(*corrections: dict[str, Any]) -> pd.DataFrame:
    """The catalogue of 100 rows and corrections behind it."""
    rows = rows_of(LABELS).assign(source="X_train.csv", answers="1")
    return pd.concat([rows, pd.DataFrame(corrections, columns=rows.columns)], ignore_index=True)


def held_out_of(table: pd.DataFrame) -> Any:
    return split_rows(table, LABELS, SplitParams()).held_out


def copy_row(table: pd.DataFrame, row: int) -> dict[str, Any]:
    """Text and photo of a row of the catalogue."""
    names = ("clean_designation", "clean_description", "image_sha256")
    return {name: table.loc[row, name] for name in names}


def test_without_corrections_the_training_side_is_the_catalogues() -> None:
    table = joined()
    held_out = held_out_of(table)
    chosen = choose_rows(table, held_out, ONCE)
    assert chosen.rows.tolist() == np.flatnonzero(~held_out).tolist()
    assert set(chosen.weights) == set(chosen.repeats) == {1.0}
    assert chosen.copy_of.tolist() == list(range(len(chosen.rows)))
    assert chosen.feedback == {}


@pytest.mark.parametrize("scheme", ["published", "grouped"])
def test_the_held_out_rows_are_the_same_whatever_people_say(scheme: Any) -> None:
    plain = split_rows(joined(), LABELS, SplitParams(scheme=scheme))
    copies = [said(n, **copy_row(joined(), n), prdtypecode="40") for n in range(100)]
    found = split_rows(joined(*copies, said(100)), LABELS, SplitParams(scheme=scheme))
    assert found.fingerprint == plain.fingerprint
    assert found.held_out[:100].tolist() == plain.held_out.tolist()
    assert not found.held_out[100:].any()
    assert found.rejected_held_out == 0


def test_what_is_held_out_by_text_or_photo_is_not_learned() -> None:
    table = joined()
    held_out = held_out_of(table)
    exam = copy_row(table, int(np.flatnonzero(held_out)[0]))
    text = {name: exam[name] for name in ("clean_designation", "clean_description")}
    table = joined(
        said(0),
        said(1, **text),
        said(2, image_sha256=exam["image_sha256"]),
        said(3, **text, image_sha256=""),
        said(4, clean_designation=""),  # no text: nobody's copy
        said(5, image_sha256=""),
        said(6, clean_designation=text["clean_designation"], clean_description="et plus"),
    )
    table.loc[int(np.flatnonzero(held_out)[1]), ["clean_designation", "image_sha256"]] = ""
    held_out = held_out_of(table)
    chosen = choose_rows(table, held_out, ONCE)
    used = [int(row) - 100 for row in chosen.rows if row >= 100]
    assert used == [0, 4, 5, 6]
    assert chosen.feedback == {
        "rows": 7,
        "used": 4,
        "dropped": {"held_out": 3, "unknown_type": 0, "weight_zero": 0},
        "replaced": 0,
        "weight": 1.0,
    }


def test_a_type_that_the_catalogue_does_not_train_is_not_learned() -> None:
    table = joined(said(0, prdtypecode="9999"), said(1, prdtypecode="9999"), said(2))
    chosen = choose_rows(table, held_out_of(table), ONCE)
    assert chosen.feedback["dropped"]["unknown_type"] == 2
    assert chosen.rows[-1] == 102
    assert 100 not in chosen.rows


def test_a_correction_takes_the_place_of_the_row_that_it_repeats() -> None:
    table = joined()
    row, other = np.flatnonzero(~held_out_of(table))[:2].tolist()
    again, near = copy_row(table, row), {**copy_row(table, other), "image_sha256": "une autre"}
    table = joined(said(0, **again, prdtypecode="40"), said(1, **near))
    chosen = choose_rows(table, held_out_of(table), ONCE)
    assert row not in chosen.rows
    assert other in chosen.rows
    assert chosen.feedback["replaced"] == 1


def test_weight_zero_is_as_without_corrections() -> None:
    plain = joined()
    row = int(np.flatnonzero(~held_out_of(plain))[0])
    table = joined(said(0, **copy_row(plain, row)), said(1, prdtypecode="9999"))
    chosen = choose_rows(table, held_out_of(table), FeedbackParams(weight=0))
    expected = choose_rows(plain, held_out_of(plain), ONCE)
    for name in ("rows", "weights", "repeats", "copy_of"):
        assert np.array_equal(getattr(chosen, name), getattr(expected, name))
    assert chosen.feedback["used"] == chosen.feedback["replaced"] == 0
    assert sum(chosen.feedback["dropped"].values()) == chosen.feedback["rows"] == 2


def test_corrections_count_by_weight_and_where_they_are_learned_by_answers() -> None:
    table = joined(said(0, answers="3"), said(1, answers="500"))
    chosen = choose_rows(table, held_out_of(table), FeedbackParams(weight=2.5))
    assert chosen.weights[-2:].tolist() == [2.5, 2.5]
    assert chosen.repeats[-2:].tolist() == [3.0, MOST_ANSWERS]
    assert set(chosen.weights[:-2]) == set(chosen.repeats[:-2]) == {1.0}


def test_copies_of_a_correction_stand_together() -> None:
    plain = joined()
    first, second = np.flatnonzero(~held_out_of(plain))[:2].tolist()
    text = {"clean_designation": plain.loc[first, "clean_designation"]}
    table = joined(
        said(0, **text, image_sha256=plain.loc[second, "image_sha256"]),
        said(1, **text),
        said(2),
    )
    chosen = choose_rows(table, held_out_of(table), ONCE)
    stands = dict(zip(chosen.rows.tolist(), chosen.copy_of.tolist(), strict=True))
    assert len({stands[row] for row in (first, second, 100, 101)}) == 1
    apart = [row for row in stands if row not in (first, second, 100, 101)]
    places = {row: place for place, row in enumerate(chosen.rows.tolist())}
    assert all(stands[row] == places[row] for row in apart)


def test_a_table_of_an_earlier_version_is_refused() -> None:
    table = joined().drop(columns="source")
    with pytest.raises(ContractError, match="earlier version"):
        choose_rows(table, np.zeros(len(table), dtype=bool), ONCE)
