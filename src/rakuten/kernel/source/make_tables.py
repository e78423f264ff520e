"""Writes ``unicode_tables.h`` from Python's own Unicode and HTML tables; run when building."""

import html
import html.entities
import sys
import unicodedata
from pathlib import Path

SHIFT = 7
SIZE = 1 << SHIFT
DROPPED = 0x7FFFFFFF
SEQUENCE = 0x40000000
WHITE = "\t\n\v\f\r\x85"
LIGATURES = {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ẞ": "ss", "ς": "σ"}


def fold(text: str) -> str:
    """Fold each character: compatibility forms resolved, accents and unseen characters dropped."""
    kept = "".join(map(_fold_character, unicodedata.normalize("NFKD", text)))
    return unicodedata.normalize("NFC", kept)


def properties(character: str) -> int:
    """What the kernel asks of a character, as the bits of kernel.h."""
    return (
        1 * (character.isalnum() or character == "_")
        | 2 * (unicodedata.category(character) == "Nd")
        | 4 * (character in WHITE or unicodedata.category(character).startswith("Z"))
        | 8 * character.isupper()
        | 16 * character.isdigit()
        | 32 * (character in _SECONDS)
    )


def header() -> str:
    """The tables as C source."""
    sequences: list[int] = []
    points = [chr(code) for code in range(sys.maxunicode + 1)]
    fold_steps = [_step(c, fold(c), sequences) for c in points]
    lower_steps = [_step(c, fold(c.lower()), sequences) for c in points]
    names = sorted(html.entities.html5, key=lambda name: name.encode())
    starts = [0]
    for name in names:
        starts.append(starts[-1] + len(name))
    replaced = html._invalid_charrefs.items()  # type: ignore[attr-defined]
    pairs = [[ord(first), ord(second), ord(c)] for c, (first, second) in _COMPOSED.items()]
    longest = max(sequences[at] for at in _sequence_starts(sequences))
    parts = [
        "/* Written by make_tables.py; Unicode " + unicodedata.unidata_version + ". */",
        f"#define TABLE_SHIFT {SHIFT}\n#define TABLE_MASK {SIZE - 1}",
        f"#define LONGEST_SEQUENCE {longest}",
        _two_stage("fold", "int32_t", fold_steps),
        _two_stage("lower", "int32_t", lower_steps),
        _two_stage("property", "uint8_t", [properties(c) for c in points]),
        _array("sequences", "uint32_t", sequences),
        f"#define COMPOSITIONS {len(pairs)}",
        _matrix("compositions", "uint32_t", pairs),
        f"#define ENTITIES {len(names)}",
        f'static const char entity_names[] = "{"".join(names)}";',
        _array("entity_starts", "int32_t", starts),
        _matrix("entity_points", "uint32_t", [_two(html.entities.html5[name]) for name in names]),
        f"#define REPLACED_REFERENCES {len(replaced)}",
        _matrix("replaced_references", "int64_t", [[code, ord(c)] for code, c in replaced]),
    ]
    return "\n".join(parts) + "\n"


def _fold_character(character: str) -> str:
    if character in LIGATURES:
        return LIGATURES[character]
    category = unicodedata.category(character)
    if character in WHITE or category.startswith("Z"):
        return character
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    unseen = selector or category in ("Cc", "Cf", "Cs")
    return "" if unseen or unicodedata.combining(character) else character


def _compositions() -> dict[str, tuple[str, str]]:
    """Characters that two others, neither of them an accent, compose to; Hangul is computed."""
    found = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        pair = unicodedata.normalize("NFD", character)
        together = len(pair) == 2 and unicodedata.normalize("NFC", pair) == character
        if together and not any(map(unicodedata.combining, pair)) and not 0xAC00 <= code <= 0xD7A3:
            found[character] = (pair[0], pair[1])
    return found


def _step(character: str, folded: str, sequences: list[int]) -> int:
    if not folded:
        return DROPPED
    if len(folded) == 1:
        return ord(folded) - ord(character)
    start = len(sequences)
    sequences.append(len(folded))
    sequences.extend(map(ord, folded))
    return SEQUENCE + start


def _sequence_starts(sequences: list[int]) -> list[int]:
    starts, at = [], 0
    while at < len(sequences):
        starts.append(at)
        at += sequences[at] + 1
    return starts


def _two(text: str) -> list[int]:
    return [*map(ord, text), 0][:2]


def _array(name: str, kind: str, values: list[int]) -> str:
    return f"static const {kind} {name}[] = {{{','.join(map(str, values))}}};"


def _matrix(name: str, kind: str, rows: list[list[int]]) -> str:
    body = ",".join("{" + ",".join(map(str, row)) + "}" for row in rows)
    return f"static const {kind} {name}[][{len(rows[0])}] = {{{body}}};"


def _two_stage(name: str, kind: str, values: list[int]) -> str:
    blocks: dict[tuple[int, ...], int] = {}
    index = [
        blocks.setdefault(tuple(values[start : start + SIZE]), len(blocks))
        for start in range(0, len(values), SIZE)
    ]
    return "\n".join(
        (
            _array(f"{name}_index", "uint16_t", index),
            _matrix(f"{name}_blocks", kind, [list(block) for block in blocks]),
        )
    )


_COMPOSED = _compositions()
_JAMO = [chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
_SECONDS = frozenset(second for _, second in _COMPOSED.values()) | frozenset(_JAMO)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(header(), encoding="ascii")
