"""Variables in a compose file: ``${NAME}``, with a default, an alternative or a requirement."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from rakuten.errors import ConfigurationError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REQUIRED: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*):?\?")


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Text with every variable replaced, as Docker Compose does it; ``$$`` is one ``$``.

    Raises:
        ConfigurationError: a required variable has no value, or the text cannot be read.
    """
    done, rest = _until(text, 0, variables, end="")
    if rest != len(text):
        raise _unreadable(text)
    return done


def interpolate_tree(value: Any, variables: Mapping[str, str]) -> Any:
    """Lists and mappings with the variables of every text replaced; keys stay."""
    if isinstance(value, str):
        return interpolate(value, variables)
    if isinstance(value, Mapping):
        return {key: interpolate_tree(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate_tree(item, variables) for item in value]
    return value


def required_names(text: str) -> set[str]:
    """Variables that must have a value: ``${NAME:?message}``."""
    return set(_REQUIRED.findall(text))


def _until(text: str, at: int, variables: Mapping[str, str], *, end: str) -> tuple[str, int]:
    """Interpolate from a place to the character ``end`` at this level; where that is."""
    done: list[str] = []
    while at < len(text) and text[at] != end:
        if text[at] != "$":
            done.append(text[at])
            at += 1
        elif text.startswith("$$", at):
            done.append("$")
            at += 2
        else:
            value, at = _variable(text, at + 1, variables)
            done.append(value)
    return "".join(done), at


def _variable(text: str, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Value of the variable whose name, or brace, begins at a place; where it ends."""
    braced = text.startswith("{", at)
    name = _NAME.match(text, at + braced)
    if name is None:
        raise _unreadable(text)
    value = variables.get(name.group())
    if not braced:
        return value or "", name.end()
    found = re.compile(r":?[-?+]").match(text, name.end())
    operator = found.group() if found else ""

    # The word after the operator is read only where it counts: it may require a variable itself.
    def word() -> str:
        return _until(text, name.end() + len(operator), variables, end="}")[0]

    end = _closing(text, name.end() + len(operator))
    present = bool(value) if operator.startswith(":") else value is not None
    return _OPERATORS[operator[-1:]](name.group(), value or "", present, word), end + 1


def _closing(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise _unreadable(text)


def _plain(_name: str, value: str, _present: bool, word: Callable[[], str]) -> str:
    if word():
        raise _unreadable(word())
    return value


def _default(_name: str, value: str, present: bool, word: Callable[[], str]) -> str:
    return value if present else word()


def _alternative(_name: str, _value: str, present: bool, word: Callable[[], str]) -> str:
    return word() if present else ""


def _require(name: str, value: str, present: bool, word: Callable[[], str]) -> str:
    if not present:
        raise ConfigurationError(f"{name} has no value.", hint=word() or f"set {name} in .env")
    return value


_OPERATORS: Final = {"": _plain, "-": _default, "+": _alternative, "?": _require}


def _unreadable(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"Not a variable of a compose file: {text!r}.", hint="write ${NAME}, and $$ for a dollar"
    )
