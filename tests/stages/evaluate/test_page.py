"""The page for people: whole, escaped, self-contained, and readable without seeing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from rakuten.errors import StorageError
from rakuten.models.evaluate import Answers, evaluate_answers
from rakuten.models.evaluate.report import Source
from rakuten.stages.evaluate import evaluation_json, write_evaluation
from rakuten.stages.evaluate.page import render_page
from tests.models.evaluate.conftest import make_answers, noisy_answers
from tests.models.evaluate.test_report import ODD

HELD_OUT = Source(
    kind="held_out",
    model_sha256="a" * 64,
    split_fingerprint="b" * 64,
    threshold=0.8,
    target_precision=0.97,
)
HOSTILE = "<script>alert(1)</script>\"'&amp;{{ 7 * 7 }}"
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Collects tags and attributes and checks that elements nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _page(answers: Answers, source: Source = HELD_OUT, names: dict[int, str] | None = None) -> str:
    return render_page(evaluate_answers(answers, names or {}, source))


def _outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


@pytest.fixture(scope="module")
def page() -> str:
    return _page(noisy_answers(1500), names={10: "livres d'occasion", 20: HOSTILE})


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    found = _outline(page)
    tags = {tag for tag, _ in found.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use", "base"}
    for _, attributes in found.tags:
        assert not {"src", "srcset", "data", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", page)
    policies = [a["content"] for _, a in found.tags if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_what_sellers_and_catalogues_write_stays_text() -> None:
    answers = make_answers(
        [10] * 120, [20] * 120, designation=[HOSTILE] * 120, index=[HOSTILE] * 120
    )
    source = Source(kind="labels", predictions=HOSTILE, labels=HOSTILE)
    page = _page(answers, source, {10: HOSTILE, 20: HOSTILE})
    assert "script" not in {tag for tag, _ in _outline(page).tags}
    assert "".join(_outline(page).text).count(HOSTILE) >= 8
    assert "49" not in re.findall(r"&amp;amp;(\d+)", page)


def test_every_chart_has_a_title_and_a_description(page: str) -> None:
    described = 0
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        found = _outline(chart)
        attributes = found.tags[0][1]
        if attributes.get("aria-hidden") == "true":
            continue
        assert attributes["role"] == "img"
        for name in str(attributes["aria-labelledby"]).split():
            assert re.search(rf'<(title|desc) id="{name}">[^<]{{20,}}</\1>', chart)
        described += 1
    assert described == 3


def test_every_table_has_headers_with_a_scope(page: str) -> None:
    found = _outline(page)
    headers = [attributes for tag, attributes in found.tags if tag == "th"]
    assert {attributes.get("scope") for attributes in headers} == {"col", "row", "rowgroup"}
    rows = sum(tag == "tr" for tag, _ in found.tags)
    heads = sum(tag == "thead" for tag, _ in found.tags)
    assert rows - heads == sum(a["scope"] in ("row", "rowgroup") for a in headers)
    identifiers = [a["id"] for _, a in found.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    targets = {str(a["href"])[1:] for _, a in found.tags if "href" in a}
    assert targets <= set(identifiers)


@pytest.mark.parametrize("case", ODD)
def test_odd_answers_have_a_page(case: str) -> None:
    page = _page(ODD[case])
    _outline(page)
    assert not re.search(r"\b(nan|None|Undefined)\b", page)


def test_numbers_on_the_page_are_those_of_the_evaluation() -> None:
    found = evaluate_answers(noisy_answers(1500), {}, HELD_OUT)
    text = " ".join("".join(_outline(render_page(found)).text).split())
    assert f"Weighted F1{found.scores['weighted_f1']:.3f}" in text
    assert f"{found.automatic.count} of 1,500 products are answered without a person" in text
    assert "target 97.0" in text
    assert "a" * 64 in text


def test_few_automatic_answers_show_counts_and_a_dash() -> None:
    automatic = np.arange(300) < 99
    text = "".join(_outline(_page(make_answers([10] * 300, [10] * 300, automatic=automatic))).text)
    assert "Right among these–99 of 99" in text
    assert "Right among these100" not in text


def test_fewer_than_a_hundred_products_come_with_a_warning() -> None:
    assert "take these figures as a first hint" in _page(noisy_answers(99))
    assert "take these figures as a first hint" not in _page(noisy_answers(100))


def test_nearly_all_is_not_rounded_to_all() -> None:
    answers = make_answers([10] * 9999 + [20], [10] * 10000)
    text = "".join(_outline(_page(answers)).text)
    assert "Right answers99.9\u202f%" in text


def test_more_types_than_a_heat_map_holds_are_counted() -> None:
    page = _page(make_answers([*range(60), *range(50)], [*range(60), *range(50)]))
    assert "The 40 most frequent types are shown, 20 are not." in page
    assert page.count('class="hit"') == 40


def test_the_same_answers_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        page = write_evaluation(evaluate_answers(noisy_answers(300), {}, HELD_OUT), tmp_path / name)
        assert page == tmp_path / name / "evaluation.html"
    for name in ("evaluation.html", "evaluation.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "evaluation.html",
        "evaluation.json",
    ]


def test_json_never_holds_nan() -> None:
    broken = evaluate_answers(noisy_answers(120, confidence=np.full(120, np.nan)), {}, HELD_OUT)
    with pytest.raises(ValueError, match="JSON compliant"):
        evaluation_json(broken)


def test_a_folder_that_refuses_writing_is_named() -> None:
    # /sys refuses new files to everybody, root included.
    with pytest.raises(StorageError, match="Cannot write /sys/"):
        write_evaluation(evaluate_answers(noisy_answers(5), {}, HELD_OUT), Path("/sys"))
