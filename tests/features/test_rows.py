"""The feature row is the cleaned text and numbers that a person can check by hand."""

import pytest

from rakuten.features.rows import TextRow, text_rows
from rakuten.text import clean_text


def text_row(designation: str, description: str) -> TextRow:
    return text_rows([(designation, description)])[0]


def test_a_row_measures_the_cleaned_text() -> None:
    row = text_row("<b>TABLE</b> 120 cm", "Une table pour le salon &amp; la cuisine")
    assert row.clean_designation == "table 120cm"
    assert row.clean_description == "une table pour le salon & la cuisine"
    assert row.designation_length == 11
    assert row.description_length == len(row.clean_description)
    assert row.designation_words == 2
    assert row.description_words == 8
    assert row.digit_share == pytest.approx(3 / 11, abs=1e-4)
    assert row.upper_share == pytest.approx(5 / 19, abs=1e-4)
    assert row.has_description == 1
    assert row.has_markup == 1
    assert row.language == "fr"


def test_a_row_of_nothing_is_all_zeros() -> None:
    row = text_row("", "")
    assert not row.has_text
    assert row.to_dict() == {
        "clean_designation": "",
        "clean_description": "",
        "designation_length": 0,
        "description_length": 0,
        "designation_words": 0,
        "description_words": 0,
        "digit_share": 0.0,
        "upper_share": 0.0,
        "has_description": 0,
        "has_markup": 0,
        "language": "unknown",
    }


def test_a_batch_has_the_rows_of_its_products_in_order() -> None:
    pairs = [("Table", ""), ("", "une chaise"), ("<b>LAMPE</b> 10 cm", "x" * 500), ("", "")]
    assert text_rows(iter(pairs)) == [text_row(*pair) for pair in pairs]
    assert text_rows([]) == []


@pytest.mark.parametrize("markup", ["<p></p>", "&nbsp;", "\u200b", "<br/>\n"])
def test_markup_alone_is_no_text(markup: str) -> None:
    row = text_row(markup, markup)
    assert not row.has_text
    assert row.has_description == 0


def test_a_description_alone_is_text() -> None:
    assert text_row("", "du texte").has_text
    assert text_row("un titre", "").has_text


def test_text_is_cleaned_by_the_one_normaliser() -> None:
    raw = "Œuvre d&#39;ART <i>15 CM</i>"
    row = text_row(raw, raw)
    assert row.clean_designation == row.clean_description == clean_text(raw)


def test_shares_stay_between_zero_and_one() -> None:
    for title in ("0123", "ABC", "Ⅷ²½", "𝔘𝔫𝔦", "ẞẞ", "日本"):
        row = text_row(title, "")
        assert 0 <= row.digit_share <= 1
        assert 0 <= row.upper_share <= 1
