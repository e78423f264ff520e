"""PromQL as text: the metrics it names, what is wrong with it, its variables filled in."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rakuten.errors import ConfigurationError

_TOKEN: Final = re.compile(
    r"""
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
  | (?P<variable>\$\{\w+\}|\$\w+)
  | (?P<number>(?:\d+(?:ms|[smhdwy]))+|0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<space>\s+)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LABELS_FOLLOW: Final = frozenset("by without on ignoring group_left group_right".split())
_NO_METRIC: Final = _LABELS_FOLLOW | frozenset("and or unless bool offset inf nan atan2".split())
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_OF_COUNTERS: Final = frozenset(("rate", "irate", "increase"))
_COUNTERS: Final = ("_total", "_bucket", "_count", "_sum")
_FIXED: Final = re.compile(r"(?<=\[)(\d\w*)(:\d\w*)?(?=\])|(?<=\boffset )(\d\w*)")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def metric_names(query: str) -> set[str]:
    """Every metric and recorded series that a query reads.

    Functions, operators, labels of groupings and of matchers, and ranges are none; a name that
    stands in a matcher (``{__name__="up"}``) is one.
    """
    tokens = _tokens(query)
    names: set[str] = set()
    position = 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1].text if position + 1 < len(tokens) else ""
        if token.text == "{":
            end = _closing(tokens, position)
            names |= set(_matched_names(tokens[position:end]))
            position = end
        elif token.text == "[":
            position = _closing(tokens, position)
        elif token.text in _LABELS_FOLLOW and following == "(":
            position = _closing(tokens, position + 1)
        elif token.kind == "name" and _is_metric(token.text, following):
            names.add(token.text)
        position += 1
    return names


def faults(query: str) -> list[str]:
    """What is wrong with a query by its text alone, as sentences; none is no promise."""
    tokens = _tokens(query)
    if not tokens:
        return ["It is empty."]
    unbalanced = _unbalanced(tokens)
    return [unbalanced] if unbalanced else list(_wrong_rates(tokens))


def concrete(
    query: str,
    *,
    instance: str = ".*",
    rate_interval: str = "1m",
    interval: str = "15s",
    window: str = "1h",
    scaled: Callable[[str], str] = str,
) -> str:
    """The query as Grafana would send it to Prometheus.

    Args:
        query: PromQL with Grafana's variables.
        instance: regular expression in place of ``$instance``.
        rate_interval: in place of ``$__rate_interval``.
        interval: in place of ``$__interval``.
        window: in place of ``$__range``.
        scaled: turns each range and offset that is written out into the one to ask for.

    Raises:
        ConfigurationError: it has a variable that nobody fills in.
    """
    known = {
        "instance": instance,
        "__rate_interval": rate_interval,
        "__interval": interval,
        "__range": window,
    }
    return _filled(_FIXED.sub(lambda found: _rescaled(found, scaled), query), known)


def _filled(query: str, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in known:
            raise ConfigurationError(
                f"Nobody fills in ${name} of the query {query}.",
                hint=f"use one of {', '.join(f'${name}' for name in known)}",
            )
        return known[name]

    # A number in braces is a group of label_replace, and no variable.
    return re.sub(r"\$\{([a-zA-Z_]\w*)\}|\$([a-zA-Z_]\w*)", value, query)


def _rescaled(found: re.Match[str], scaled: Callable[[str], str]) -> str:
    length, step, offset = found.groups()
    if offset:
        return scaled(offset)
    return scaled(length) + (f":{scaled(step[1:])}" if step else "")


def _tokens(query: str) -> Sequence[_Token]:
    found = (_Token(str(part.lastgroup), part[0]) for part in _TOKEN.finditer(query))
    return [token for token in found if token.kind != "space"]


def _is_metric(name: str, following: str) -> bool:
    """Whether a name is neither a function, an aggregation nor a word of the language."""
    called = following == "(" or following in ("by", "without")
    return not called and name.lower() not in _NO_METRIC


def _closing(tokens: Sequence[_Token], start: int) -> int:
    """Where the bracket that opens at ``start`` closes; the end where it never does."""
    depth = 0
    for position in range(start, len(tokens)):
        if tokens[position].text in _PAIRS.values():
            depth += 1
        elif tokens[position].text in _PAIRS:
            depth -= 1
            if not depth:
                return position
    return len(tokens)


def _matched_names(tokens: Sequence[_Token]) -> Iterator[str]:
    for name, sign, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (name.text, sign.text) == ("__name__", "=") and value.kind == "string":
            yield value.text[1:-1]


def _unbalanced(tokens: Sequence[_Token]) -> str:
    opened: list[str] = []
    for token in tokens:
        if token.text in ('"', "'", "`"):
            return "A text in it does not end."
        if token.text in _PAIRS.values():
            opened.append(token.text)
        elif token.text in _PAIRS and (not opened or opened.pop() != _PAIRS[token.text]):
            return f"A {token.text} closes what was not opened."
    return f"A {opened[-1]} is not closed." if opened else ""


def _wrong_rates(tokens: Sequence[_Token]) -> Iterator[str]:
    """Rates of what is no counter, or over no range."""
    for position, token in enumerate(tokens[:-1]):
        if token.text not in _OF_COUNTERS or tokens[position + 1].text != "(":
            continue
        inside = tokens[position + 2 : _closing(tokens, position + 1)]
        if not any(part.text == "[" for part in inside):
            yield f"{token.text}() has no range."
        name = inside[0].text if inside else ""
        if not name.endswith(_COUNTERS):
            yield f"{token.text}() is taken of {name or 'nothing'}, which is no counter."
