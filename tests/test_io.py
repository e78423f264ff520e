"""Files appear whole or not at all, and a cell comes back as it was written."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from rakuten import io
from rakuten.errors import ContractError, DataNotFoundError, StorageError
from rakuten.io import (
    atomic_path,
    count_rows,
    place_file,
    read_csv,
    read_csv_chunks,
    read_json,
    recover_directory,
    sha256_file,
    swap_directory,
    write_csv,
    write_csv_chunks,
    write_json,
    write_text,
)

CELLS = [
    "plain",
    "with, comma",
    'with "quotes"',
    '"',
    '""',
    "with\nnewline",
    "with\rreturn",
    "with\r\nboth",
    "\n",
    "\r",
    "\r\n",
    'a"\n"b,c',
    "back\\slash",
    '\\"',
    "",
    "   ",
    " leading and trailing ",
    "\t",
    "NA",
    "N/A",
    "null",
    "NaN",
    "None",
    "True",
    "007",
    "1e5",
    "-0",
    "3.10",
    "18446744073709551616",
    "😀 été 日本",
    "\u2028\x85",
    "\ufeffmark",
    "'; DROP TABLE",
    "=1+1",
    "#comment",
]


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every rename onto the final name fail with an error number."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- atomic files --------------------------------------------------------------------------


def test_a_written_file_is_whole_and_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "deep" / "a.txt", "été\r\nx\n")
    assert (tmp_path / "new" / "deep" / "a.txt").read_bytes() == "été\r\nx\n".encode()
    assert names(tmp_path / "new" / "deep") == ["a.txt"]


def write_half_and_fail(path: Path, error: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")], ids=repr
)
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises((type(error), StorageError)):
        write_half_and_fail(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_target_is_untouched_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "disk space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "write permission"),
        (errno.EPERM, "write permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_a_refusing_file_system_is_a_storage_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    fail_with(number, monkeypatch)
    with pytest.raises(StorageError) as caught:
        write_text(path, "new")
    assert str(path) in caught.value.message
    assert advice in (caught.value.hint or "")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("below", ["a.txt", "folder/a.txt"])
def test_a_file_where_a_folder_should_be_is_a_storage_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        write_text(tmp_path / "file" / below, "x")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_where_the_file_should_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StorageError):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_names_with_pattern_characters_are_only_names(tmp_path: Path) -> None:
    write_text(tmp_path / "a[1]*.txt", "x")
    write_text(tmp_path / "a[1]*.txt", "y")
    assert names(tmp_path) == ["a[1]*.txt"]


def test_json_comes_back_and_is_stable(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": "été 😀\n"}
    write_json(tmp_path / "a.json", value)
    first = (tmp_path / "a.json").read_bytes()
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"{", b"nope", b"\xff\xfe"])
def test_a_file_that_is_not_json_breaks_the_contract(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="not valid JSON"):
        read_json(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"absent\.json"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(DataNotFoundError, match=r"absent\.csv"):
        read_csv(tmp_path / "absent.csv")


def test_file_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == digest


# --- the CSV dialect -----------------------------------------------------------------------


def test_every_cell_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": CELLS, "other": CELLS[::-1]})
    write_csv(tmp_path / "a.csv", frame)
    back = read_csv(tmp_path / "a.csv")
    assert back.columns.tolist() == ["text", "other"]
    assert back["text"].tolist() == CELLS
    assert back["other"].tolist() == CELLS[::-1]


def test_a_table_of_one_column_keeps_its_empty_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": CELLS})
    write_csv(tmp_path / "a.csv", frame)
    assert read_csv(tmp_path / "a.csv")["text"].tolist() == CELLS


@pytest.mark.parametrize("cell", ["a\0b", "\0", "a\0", "\0b"], ids=ascii)
def test_a_cell_with_a_nul_byte_comes_back_whole(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"text": [cell, "next"], "more": ["x", "y"]}))
    back = read_csv(tmp_path / "a.csv")
    assert back["text"].tolist() == [cell, "next"]
    assert back["more"].tolist() == ["x", "y"]


def test_a_cell_of_a_megabyte_comes_back_whole(tmp_path: Path) -> None:
    cell = 'é,"\n' * 250_000
    write_csv(tmp_path / "a.csv", pd.DataFrame({"text": [cell]}))
    assert read_csv(tmp_path / "a.csv")["text"].tolist() == [cell]


def test_numbers_come_back_as_their_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"count": [1, 2], "share": [0.25, 1.0]})
    write_csv(tmp_path / "a.csv", frame)
    back = read_csv(tmp_path / "a.csv")
    assert back["count"].tolist() == ["1", "2"]
    assert back["share"].tolist() == ["0.25", "1.0"]


@pytest.mark.parametrize("rows", [1, 2, 7, 100])
def test_a_table_in_chunks_is_the_same_table(tmp_path: Path, rows: int) -> None:
    frame = pd.DataFrame({"index": [str(n) for n in range(len(CELLS))], "text": CELLS})
    write_csv(tmp_path / "whole.csv", frame)
    chunks = list(read_csv_chunks(tmp_path / "whole.csv", rows=rows))
    assert all(0 < len(chunk) <= rows for chunk in chunks)
    assert pd.concat(chunks, ignore_index=True).equals(frame)
    write_csv_chunks(tmp_path / "parts.csv", chunks)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert count_rows(tmp_path / "parts.csv") == len(CELLS)


def test_chunks_that_fail_half_way_keep_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_text(path, '"a"\n"1"\n')

    def frames() -> Iterator[pd.DataFrame]:
        yield pd.DataFrame({"a": ["2"]})
        raise ContractError("the second one is torn")

    with pytest.raises(ContractError, match="torn"):
        write_csv_chunks(path, frames())
    assert path.read_text() == '"a"\n"1"\n'
    assert names(tmp_path) == ["a.csv"]


def test_a_table_without_rows_is_one_empty_chunk(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"a": []}))
    (chunk,) = read_csv_chunks(tmp_path / "a.csv", rows=10)
    assert chunk.empty
    assert chunk.columns.tolist() == ["a"]


def test_a_bad_line_in_a_later_chunk_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "a,b\n1,2\n3,4\n5,6,7\n")
    chunks = read_csv_chunks(tmp_path / "a.csv", rows=1)
    assert len(next(chunks)) == 1
    with pytest.raises(ContractError, match="line 4"):
        list(chunks)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": CELLS})
    write_csv(tmp_path / "a.csv", frame)
    write_csv(tmp_path / "b.csv", read_csv(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_table_without_rows_keeps_its_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"a": [], "b": []}))
    back = read_csv(tmp_path / "a.csv")
    assert back.columns.tolist() == ["a", "b"]
    assert len(back) == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b",text\n0,a\n1,b\n", id="unix"),
        pytest.param(b",text\r\n0,a\r\n1,b\r\n", id="windows"),
        pytest.param(b"\xef\xbb\xbf,text\n0,a\n1,b\n", id="byte-order-mark"),
        pytest.param(b'"","text"\n"0","a"\n"1","b"\n', id="quoted"),
        pytest.param(b",text\n0,a\n\n1,b\n\n", id="blank-lines"),
        pytest.param(b",text\n0,a\n1,b", id="no-last-newline"),
        pytest.param(b"number,text\n0,a\n1,b\n", id="named-index"),
    ],
)
def test_the_first_column_becomes_the_index(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    frame = read_csv(tmp_path / "a.csv", index=True)
    assert frame.columns.tolist() == ["index", "text"]
    assert frame["index"].tolist() == ["0", "1"]
    assert frame["text"].tolist() == ["a", "b"]


def test_another_encoding_names_byte_and_line_and_how_to_convert(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a,b\n1,x\n2,été\n".encode("cp1252"))
    with pytest.raises(ContractError) as caught:
        read_csv(path)
    assert "0xe9" in caught.value.message
    assert "line 3" in caught.value.message
    assert "iconv" in (caught.value.hint or "")
    assert str(path) in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_header_is_called_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ContractError, match="empty"):
        read_csv(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a,b\n1,2\n1,2,3\n", id="one-longer-row"),
        pytest.param(b'a,b\n1,"2\n', id="open-quote"),
        pytest.param(b"a,b\n1,2,3\n4,5,6\n", id="every-row-longer"),
        pytest.param(b"a,b\n1,2,\n4,5,\n", id="every-row-ends-in-a-comma"),
    ],
)
def test_rows_that_do_not_fit_the_header_break_the_contract(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ContractError, match="not a CSV table"):
        read_csv(tmp_path / "a.csv")


def test_a_short_row_is_filled_with_empty_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b,c\n1\n4,5,6\n")
    assert read_csv(tmp_path / "a.csv").to_numpy().tolist() == [["1", "", ""], ["4", "5", "6"]]


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_csv(tmp_path)


# --- placing files and folders -------------------------------------------------------------


def test_a_file_is_placed_by_hard_link_where_possible(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert place_file(tmp_path / "a", tmp_path / "b") == "link"
    assert (tmp_path / "a").stat().st_ino == (tmp_path / "b").stat().st_ino


def test_a_file_is_copied_across_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("x")
    assert place_file(tmp_path / "a", tmp_path / "b") == "copy"
    assert (tmp_path / "b").read_text() == "x"
    assert (tmp_path / "a").stat().st_ino != (tmp_path / "b").stat().st_ino


def test_a_symbolic_link_is_placed_as_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "real").write_text("x")
    (tmp_path / "from" / "link").symlink_to("real")
    place_file(tmp_path / "from" / "link", tmp_path / "to" / "file")
    assert not (tmp_path / "to" / "file").is_symlink()
    assert (tmp_path / "to" / "file").read_text() == "x"


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_a_folder_is_swapped_in_as_a_whole(tmp_path: Path) -> None:
    target = folder(tmp_path / "model", "old")
    (target / "stale").write_text("gone afterwards")
    swap_directory(folder(tmp_path / "staged", "new"), target)
    assert names(tmp_path) == ["model"]
    assert names(target) == ["file"]
    assert (target / "file").read_text() == "new"


def test_a_folder_is_swapped_in_where_there_was_none(tmp_path: Path) -> None:
    swap_directory(folder(tmp_path / "staged", "new"), tmp_path / "model")
    assert (tmp_path / "model" / "file").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_a_failed_swap_puts_the_old_folder_back(tmp_path: Path) -> None:
    target = folder(tmp_path / "model", "old")
    with pytest.raises(StorageError):
        swap_directory(tmp_path / "never-made", target)
    assert (target / "file").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_an_exchange_leaves_nothing_beside_the_new_folder(tmp_path: Path) -> None:
    target = folder(tmp_path / "model", "old")
    swap_directory(folder(tmp_path / "staged", "new"), target)
    assert (target / "file").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_without_an_exchange_two_renames_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io, "_exchange", lambda *_: False)
    target = folder(tmp_path / "model", "old")
    swap_directory(folder(tmp_path / "staged", "new"), target)
    assert (target / "file").read_text() == "new"
    assert names(tmp_path) == ["model"]


def kill_between_renames(staged: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a swap as if the process had been killed after its first rename."""
    rename = Path.rename

    def killed(self: Path, to: Path) -> Path:
        if self == staged:
            raise SystemExit("killed")
        return rename(self, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        patch.setattr(io, "_exchange", lambda *_: False)
        # What a signal handler or a finally block might do is not done after a kill -9.
        patch.setattr(io, "recover_directory", lambda _: False)
        with pytest.raises(SystemExit):
            swap_directory(staged, target)


def test_a_swap_that_was_killed_half_way_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder(tmp_path / "model", "old")
    kill_between_renames(folder(tmp_path / "staged", "new"), target, monkeypatch)
    assert not target.exists()
    assert recover_directory(target)
    assert (target / "file").read_text() == "old"
    assert not recover_directory(target)


def test_after_a_kill_the_next_swap_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder(tmp_path / "model", "old")
    staged = folder(tmp_path / "staged", "new")
    kill_between_renames(staged, target, monkeypatch)
    swap_directory(staged, target)
    assert (target / "file").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_after_a_kill_a_failing_swap_does_not_lose_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder(tmp_path / "model", "old")
    staged = folder(tmp_path / "staged", "new")
    kill_between_renames(staged, target, monkeypatch)
    shutil.rmtree(staged)
    with pytest.raises(StorageError):
        swap_directory(staged, target)
    assert (target / "file").read_text() == "old"
