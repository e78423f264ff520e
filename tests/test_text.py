"""One normal form of text, whatever a seller's tool made of it."""

import random
import sys

import pytest

from rakuten.text import clean_text, clean_texts, guess_language

FRAGMENTS = (
    *"Table basse RONDE enfant œuvre Ærø straße İstanbul ﬁn Ⅷ ① ｆｕｌｌ".split(),
    *"<b> </p> <br/> <IMG/SRC='x'> <!--x--> <3 &amp; &lt;p&gt; &amp;eacute; &nbsp; &#233;".split(),
    *"10 cm CM 1,5 kg 2.5 3 l mAh 500 Go , . : ; ! ? ' \" / \\ % € $ @ # + = * - _ ( ) [ ]".split(),
    *"é e\u0301 ñ Å Å ç 日本語 が 한국어 Ω ж ש 👍🏽 👨\u200d👩\u200d👧 𝔘𝔫𝔦 𠜎".split(),
    *("\x00", "\x07", "\u200b", "\ufeff", "\xad", "\ud800", "\udfff", "\x85", "\u2028", "\u3000"),
    *(" ", "  ", "\t", "\n", "\r\n", " < ", " > ", "null", "NA"),
)


def random_texts(count: int) -> list[str]:
    draw = random.Random(20240229)
    return ["".join(draw.choices(FRAGMENTS, k=draw.randrange(1, 30))) for _ in range(count)]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("", ""),
        ("   \n\t ", ""),
        ("Fauteuil d&eacute;co", "fauteuil deco"),
        ("Fauteuil d&amp;eacute;co", "fauteuil deco"),
        ("Tom &amp;amp; Jerry", "tom & jerry"),
        ("L&#39;arbre &#x26; la for&ecirc;t", "l'arbre & la foret"),
        ("&lt;b&gt;Gras&lt;/b&gt;", "gras"),
        ("<p>Un</p><p>Deux</p>", "un deux"),
        ("<div class='a'\nid=\"b\">Texte<br/>suite</DIV>", "texte suite"),
        ("<!-- rien --><html><body></body></html>", ""),
        ("<b>", ""),
    ],
)
def test_entities_are_resolved_twice_and_tags_removed(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize("raw", ["i <3 you", "a < b", "5 < 6 > 4", "x <= y", "<", ">", "<>", "1<2"])
def test_less_than_signs_that_open_no_tag_survive(raw: str) -> None:
    assert clean_text(raw) == raw


@pytest.mark.parametrize("word", ["null", "NA", "nan", "None", "N/A", "0", "true"])
def test_words_that_tables_take_for_nothing_stay(word: str) -> None:
    assert clean_text(word) == word.lower()


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("ÉLÉPHANT à l'œil", "elephant a l'oeil"),
        ("e\u0301te\u0301", "ete"),
        ("Æther STRASSE straße", "aether strasse strasse"),
        ("ﬁn ﬂeur", "fin fleur"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("x² ½ Ⅷ ①", "x2 1⁄2 viii 1"),
        ("İSTANBUL", "istanbul"),
        ("𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🎁", "unicode 🎁"),
        ("日本 игра", "日本 игра"),
    ],
)
def test_accents_ligatures_and_compatibility_forms_fold(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize(
    "unseen", ["\x00", "\x01", "\x1f", "\x7f", "\xad", "\u200b", "\u200d", "\u2060", "\ufeff"]
)
def test_invisible_characters_go_without_splitting_a_word(unseen: str) -> None:
    assert clean_text(f"cha{unseen}ise") == "chaise"


@pytest.mark.parametrize(
    "unseen",
    [
        pytest.param("\x80\x92\x9f", id="c1-controls"),
        pytest.param("\u200e\u200f\u202a\u202e\u2066\u2069", id="direction-marks"),
        pytest.param("\ufe0e\ufe0f", id="variation-selectors"),
    ],
)
def test_control_direction_and_variation_characters_go_too(unseen: str) -> None:
    assert clean_text(f"cha{unseen}ise") == "chaise"


@pytest.mark.parametrize("space", ["\t", "\n", "\r\n", "\x0b", "\x0c", "\xa0", "\u2003", "\u3000"])
def test_any_white_space_folds_to_one_blank(space: str) -> None:
    assert clean_text(f"  a{space}{space}b ") == "a b"


def test_lone_surrogates_go_and_the_result_encodes() -> None:
    for raw in ("a\ud800b", "\udc00", "é\udfff", "\ud83d\ude00 ok"):
        clean_text(raw).encode("utf-8")
    assert clean_text("a\ud800b") == "ab"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("10 cm", "10cm"),
        ("10  CM", "10cm"),
        ("10cm", "10cm"),
        ("1,5 kg", "1.5kg"),
        ("120 x 60 cm", "120 x 60cm"),
        ("16 Go 2000 mAh", "16go 2000mah"),
        ("2 litres", "2 litres"),
        ("lot de 3 mugs", "lot de 3 mugs"),
        ("rouge, vert", "rouge, vert"),
        ("cm 10", "cm 10"),
    ],
)
def test_a_number_and_its_unit_are_joined(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


def test_cleaning_twice_is_cleaning_once_on_random_texts() -> None:
    for raw in random_texts(3000):
        once = clean_text(raw)
        assert clean_text(once) == once, ascii(raw)


def test_every_code_point_of_every_plane_is_accepted() -> None:
    for start in range(0, sys.maxunicode + 1, 256):
        text = "x".join(map(chr, range(start, start + 256)))
        cleaned = clean_text(text)
        cleaned.encode("utf-8")
        assert cleaned == cleaned.strip()
        assert "  " not in cleaned


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("GROẞE", id="capital-sharp-s"),
        pytest.param("<\x00b>gras", id="control-character-in-tag"),
        pytest.param("<\u200bb>gras", id="zero-width-space-in-tag"),
        pytest.param("<\ud800b>gras", id="surrogate-in-tag"),
        pytest.param("＜b＞gras", id="full-width-brackets"),
        pytest.param("≮b>gras", id="composed-less-than"),
        pytest.param("1 \u200bcm", id="zero-width-space-before-unit"),
    ],
)
def test_cleaning_twice_is_cleaning_once_on_crafted_texts(raw: str) -> None:
    once = clean_text(raw)
    assert clean_text(once) == once


def test_a_numeric_entity_of_thousands_of_digits_is_accepted() -> None:
    assert isinstance(clean_text("prix &#" + "9" * 5000 + "; euros"), str)


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "</", "&", "&#1", "&amp;lt;", " ", "1 ", "1,", "10 c", "é", "<b<", "a ", "\x00"],
)
def test_a_megabyte_of_anything_takes_linear_time(piece: str) -> None:
    raw = (piece * 1_000_000)[:1_000_000]
    clean_text(raw)
    clean_text(f"{raw}>")


def test_a_megabyte_of_spaces_between_number_and_word_takes_linear_time() -> None:
    assert clean_text("1" + " " * 1_000_000 + "z") == "1 z"


def test_markup_is_told_from_less_than_signs() -> None:
    found = clean_texts(["<p>x</p>", "a<BR/>b", "i <3 you, a < b", ""])
    assert [text.markup for text in found] == [True, True, False, False]


@pytest.mark.parametrize(
    ("cleaned", "language"),
    [
        ("table basse pour le salon avec des tiroirs", "fr"),
        ("the best toy for your children", "en"),
        ("das spiel fur die kinder mit der puppe", "de"),
        ("lego 75192", "unknown"),
        ("", "unknown"),
    ],
)
def test_language_is_guessed_by_stop_words(cleaned: str, language: str) -> None:
    assert guess_language(cleaned) == language
