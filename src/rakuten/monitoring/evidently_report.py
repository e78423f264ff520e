"""What Evidently makes of a window beside its reference: charts and tests, as HTML and JSON."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from rakuten.models.feature_row import FeatureRow
from rakuten.monitoring.drift import FLOORS, MIN_ROWS, DriftCheck
from rakuten.monitoring.features import WATCHED, watched_columns

if TYPE_CHECKING:
    import pandas as pd
    from evidently import Dataset
    from evidently.core.report import Snapshot

MOST_ROWS: Final = 5_000
"""Rows of each side that are looked at, a seeded sample of more."""
MOST_EMBEDDINGS: Final = 400
"""Evidently draws embeddings by t-SNE, which takes seconds for a few hundred rows."""

MAX_DUPLICATES: Final = 0.1
"""Share of a window that may be exact copies of other rows."""
MAX_MORE_MISSING: Final = 0.1
"""How much larger than in the reference the share of rows without a value may be."""

_LANGUAGES: Final = ["fr", "en", "de", "unknown"]
_SEED: Final = 0


@dataclass(frozen=True)
class Described:
    """A page of Evidently's, complete and self-contained, and the numbers in it."""

    html: str
    values: dict[str, Any]


def describe(
    window: Sequence[FeatureRow],
    reference: Sequence[FeatureRow],
    drift: DriftCheck,
    codes: Sequence[int],
) -> Described:
    """Let Evidently compare and test a window; it opens no connection.

    Columns that the drift check could not test are left out. Evidently calls a column drifted by
    the size of the difference alone, with the floors of the drift check and without its tests.

    Args:
        window: whole rows of the window.
        reference: rows of the model's reference.
        drift: what the drift check says of them.
        codes: product types that the model knows.
    """
    tested = {column.name for column in drift.columns if column.p_value is not None}
    # Of several threads t-SNE makes many short turns, which wait for each other on a busy machine.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports and its charts warn of what others deprecate
        here, there = _some(window, MOST_ROWS), _some(reference, MOST_ROWS)
        frames = _frame(here, tested), _frame(there, tested)
        embeddings = [w.name for w in WATCHED if w.kind == "embedding" and w.name in tested]
        whole = _joined(
            [
                _compare(*frames),
                *(_compare_embedding(here, there, name) for name in embeddings),
                _test_quality(*frames, codes),
            ]
        )
        return Described(whole.get_html_str(as_iframe=False), _plain(json.loads(whole.json())))


def _compare(window: "pd.DataFrame", reference: "pd.DataFrame") -> "Snapshot":
    from evidently import Report
    from evidently.presets import DataDriftPreset

    preset = DataDriftPreset(
        columns=list(window.columns),
        num_method="wasserstein",
        num_threshold=FLOORS["numeric"],
        cat_method="jensenshannon",
        cat_threshold=FLOORS["categorical"],
    )
    return Report([preset]).run(_dataset(window), _dataset(reference))


def _test_quality(
    window: "pd.DataFrame", reference: "pd.DataFrame", codes: Sequence[int]
) -> "Snapshot":
    from evidently import Report, metrics
    from evidently.tests import Reference, eq, gte, lte

    made: list[Any] = [
        metrics.RowCount(tests=[gte(MIN_ROWS)]),
        metrics.DuplicatedRowCount(tests=[lte(int(MAX_DUPLICATES * len(window)))]),
        metrics.EmptyColumnsCount(tests=[eq(0)]),
    ]
    for name in window.columns.intersection(["designation_length", "image_brightness"]):
        more = lte(Reference(absolute=MAX_MORE_MISSING))
        made.append(metrics.MissingValueCount(column=name, share_tests=[more]))
    for name in window.columns.intersection(["confidence", "image_brightness"]):
        made.append(metrics.OutRangeValueCount(column=name, left=0, right=1, tests=[eq(0)]))
    known = {"language": _LANGUAGES, "prdtypecode": [str(code) for code in codes]}
    for name in window.columns.intersection(list(known)):
        made.append(metrics.OutListValueCount(column=name, values=known[name], tests=[eq(0)]))
    return Report(made).run(_dataset(window), _dataset(reference))


def _compare_embedding(
    window: Sequence[FeatureRow], reference: Sequence[FeatureRow], name: str
) -> "Snapshot":
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics.embeddings import EmbeddingsDrift, ModelDriftMethod

    frames = [_embedding_frame(rows, name) for rows in (window, reference)]
    definition = DataDefinition(embeddings={name: list(frames[0].columns)})
    current, earlier = (Dataset.from_pandas(frame, definition) for frame in frames)
    method = ModelDriftMethod(bootstrap=True, quantile_probability=0.99)
    report = Report([EmbeddingsDrift(embeddings_name=name, drift_method=method)])
    return report.run(current, earlier)


def _joined(parts: Sequence["Snapshot"]) -> "Snapshot":
    """One report of several, which each have rows of their own."""
    from evidently.core.report import Snapshot

    first, *others = (part.to_snapshot_model() for part in parts)
    for other in others:
        first.widgets += other.widgets
        first.tests_widgets += other.tests_widgets
        first.metric_results.update(other.metric_results)
        first.top_level_metrics += other.top_level_metrics
    return Snapshot.load_model(first)


def _frame(rows: Sequence[FeatureRow], tested: set[str]) -> "pd.DataFrame":
    """Columns that were tested, but for embeddings: numbers as they are, the rest as words."""
    import pandas as pd

    columns = watched_columns(rows)
    made = {}
    for name in (w.name for w in WATCHED if w.kind != "embedding" and w.name in tested):
        values = columns[name]
        if values.dtype == np.bool_:
            values = np.where(values, "yes", "no")
        elif name == "language":  # a word of the log, on a page that people open
            values = np.where(np.isin(values, _LANGUAGES), values, "other")
        made[name] = values
    return pd.DataFrame(made)


def _dataset(frame: "pd.DataFrame") -> "Dataset":
    from evidently import DataDefinition, Dataset

    kinds = {watched.name: watched.kind for watched in WATCHED}
    numbers = [name for name in frame.columns if kinds[name] == "numeric"]
    others = [name for name in frame.columns if kinds[name] != "numeric"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    return Dataset.from_pandas(frame, definition)


def _embedding_frame(rows: Sequence[FeatureRow], name: str) -> "pd.DataFrame":
    import pandas as pd

    values = watched_columns(rows)[name]
    values = _some(values[~np.isnan(values).any(axis=1)], MOST_EMBEDDINGS)
    return pd.DataFrame(np.asarray(values), columns=[f"{name}_{n}" for n in range(values.shape[1])])


def _some(rows: Any, most: int) -> Any:
    if len(rows) <= most:
        return rows
    chosen = np.sort(np.random.default_rng(_SEED).permutation(len(rows))[:most])
    return [rows[row] for row in chosen] if isinstance(rows, list) else rows[chosen]


def _plain(value: Any) -> Any:
    """JSON values with None for numbers that JSON has no word for."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
