"""Variables are replaced as Docker Compose replaces them."""

import pytest

from rakuten.errors import ConfigurationError
from rakuten.stack.interpolation import interpolate, interpolate_tree, required_names

VALUES = {"SET": "value", "EMPTY": "", "OTHER": "o"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET and ${SET}", "value and value"),
        ("${ABSENT}", ""),
        ("${ABSENT:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${ABSENT-default}", "default"),
        ("${SET:-default}", "value"),
        ("${SET:+there}/${EMPTY:+there}/${EMPTY+there}", "there//there"),
        ("${ABSENT:-${EMPTY:-${OTHER}}}", "o"),
        ("a:${ABSENT:-x:${OTHER}},b", "a:x:o,b"),
        ("${SET:?needed}", "value"),
        ("${EMPTY?needed}", ""),
        ("$$HOME costs $$5", "$HOME costs $5"),
        ("${SET:-${ABSENT:?never asked}}", "value"),
    ],
)
def test_every_form_has_its_value(text: str, expected: str) -> None:
    assert interpolate(text, VALUES) == expected


@pytest.mark.parametrize(
    "text", ["${ABSENT:?make one}", "${EMPTY:?make one}", "${ABSENT?make one}"]
)
def test_a_required_variable_without_a_value_is_named_with_its_message(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"(ABSENT|EMPTY) has no value") as caught:
        interpolate(text, VALUES)
    assert caught.value.hint == "make one"


@pytest.mark.parametrize("text", ["${", "${SET", "${SET:-x", "$ 5", "${SET!x}", "${9}"])
def test_what_is_no_variable_is_refused_and_not_passed_on(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Not a variable"):
        interpolate(text, VALUES)


def test_texts_inside_lists_and_mappings_are_replaced_and_keys_and_numbers_stay() -> None:
    tree = {"$SET": ["$SET", {"n": 3, "t": True}]}
    assert interpolate_tree(tree, VALUES) == {"$SET": ["value", {"n": 3, "t": True}]}


def test_required_names_are_those_with_a_question_mark() -> None:
    text = "${A:?x} ${B?y} ${C:-z} $${D:?w} ${E:-${F:?v}}"
    assert required_names(text) == {"A", "B", "F"}
