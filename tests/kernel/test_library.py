"""A kernel that is absent or of other sources is refused with what to do, never half used."""

import re
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError, ContractError
from rakuten.kernel import library
from rakuten.kernel.text import clean_texts

HEADER = Path(library.__file__).with_name("source") / "kernel.h"


def test_an_absent_kernel_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "_kernel.so")
    with pytest.raises(ConfigurationError, match="does not load") as caught:
        library.library.__wrapped__()
    assert "make setup" in (caught.value.hint or "")


def test_a_file_that_is_no_library_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_kernel.so").write_bytes(b"not a library")
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "_kernel.so")
    with pytest.raises(ConfigurationError, match="does not load"):
        library.library.__wrapped__()


def test_a_kernel_of_other_sources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ABI", library.ABI + 1)
    with pytest.raises(ConfigurationError, match="other sources"):
        library.library.__wrapped__()


def test_the_kernel_and_its_python_agree_on_numbers() -> None:
    header = HEADER.read_text()
    assert f"#define RK_ABI {library.ABI}\n" in header
    counts = re.search(r"enum \{ (.*), RK_COUNTS \};", header)
    assert counts is not None
    assert [name.lower() for name in re.findall(r"RK_(\w+)", counts[1])] == list(library.COUNTS)
    source = HEADER.with_name("linear.c").read_text()
    assert f"#define LANES {library.LANES}\n" in source


def test_a_text_beyond_the_limit_is_refused_and_one_below_is_not() -> None:
    limit = 1 << 26
    with pytest.raises(ContractError, match="64 MiB"):
        clean_texts(["a", "b" * (limit + 1)])
    cleaned, _ = clean_texts(["b " * (limit // 2 - 1)])
    assert len(cleaned[0]) == limit - 3
