"""A cache entry is whole or not there, whoever is killed, and nobody loses one that is in use."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.errors import ModelError, StorageError
from rakuten.models.model_directory import model_sha256
from rakuten.serving.model_cache import CONFIRMED, YOUNG_SECONDS, ModelCache, verify
from rakuten.serving.model_info import ModelInfo
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from tests.conftest import MountSmallDisk
from tests.serving.conftest import NAME, Shop, link_model, mark

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def model(trained_project: tuple[ProjectPaths, TrainOutcome]) -> Path:
    return trained_project[0].model


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache", NAME)


def copy_of(model: Path, staged: Path) -> Path:
    link_model(model, staged / "model")
    return staged / "model"


def info(sha256: str, version: int = 1) -> ModelInfo:
    return ModelInfo(NAME, version, sha256, "run", NOW, ("champion",), {"model_sha256": sha256})


def age(cache: ModelCache, *hashes: str) -> None:
    """Have entries be older than what another process may have just fetched."""
    old = time.time() - 2 * YOUNG_SECONDS
    for sha256 in hashes:
        os.utime(cache.path(sha256), (old, old))


def test_no_name_leads_out_of_the_folder(tmp_path: Path, cache: ModelCache) -> None:
    for name in ("..", ".", "a.b", "été"):
        folder = ModelCache(tmp_path, name).folder
        assert folder.parent == tmp_path
        assert folder.resolve().parent == tmp_path
    for sha256 in ("", "../../etc", "A" * 64, "a" * 63):
        with pytest.raises(ModelError):
            cache.path(sha256)


def test_an_entry_is_filled_once_by_many(cache: ModelCache, model: Path) -> None:
    sha256, calls = model_sha256(model), []

    def download(staged: Path) -> Path:
        calls.append(staged)
        time.sleep(0.2)
        return copy_of(model, staged)

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: cache.fill(sha256, download), range(4)))
    assert paths == {cache.path(sha256)}
    assert len(calls) == 1
    verify(cache.path(sha256), sha256)
    assert [path.name for path in cache.folder.iterdir() if "fetching" in path.name] == []


def test_what_is_not_the_model_never_becomes_an_entry(cache: ModelCache, model: Path) -> None:
    sha256 = model_sha256(model)

    def other(staged: Path) -> Path:
        found = copy_of(model, staged)
        mark(found, 9)
        return found

    def short(staged: Path) -> Path:
        found = copy_of(model, staged)
        (found / "text.npz").unlink()
        return found

    for download in (other, short):
        with pytest.raises(ModelError):
            cache.fill(sha256, download)
        assert not cache.holds(sha256)


def test_a_damaged_entry_is_replaced(cache: ModelCache, model: Path) -> None:
    sha256 = model_sha256(model)
    cache.fill(sha256, lambda staged: copy_of(model, staged))
    damaged = cache.path(sha256) / "fusion.npz"
    damaged.unlink()
    damaged.write_bytes(b"rotten")
    cache.fill(sha256, lambda staged: copy_of(model, staged))
    verify(cache.path(sha256), sha256)


def test_a_full_disk_is_an_error_and_leaves_no_entry(
    tmp_path: Path, model: Path, small_disk: MountSmallDisk
) -> None:
    small_disk(tmp_path / "small", "200k")
    cache, sha256 = ModelCache(tmp_path / "small", NAME), model_sha256(model)

    def download(staged: Path) -> Path:
        shutil.copytree(model, staged / "model", copy_function=shutil.copyfile)
        return staged / "model"

    with pytest.raises(StorageError):
        cache.fill(sha256, download)
    assert not cache.holds(sha256)
    assert list(cache.folder.glob(".*fetching")) == []


def test_pruning_keeps_champion_previous_current_and_what_is_read_or_young(
    cache: ModelCache, model: Path, tmp_path: Path
) -> None:
    hashes = []
    for number in range(6):
        made = tmp_path / f"made{number}"
        link_model(model, made)
        mark(made, number)
        hashes.append(model_sha256(made))
        cache.fill(hashes[-1], lambda staged, made=made: copy_of(made, staged))  # type: ignore[misc]
    previous, champion, current, read, young, unused = hashes
    cache.confirm(info(previous), NOW)
    cache.confirm(info(champion, 2), NOW + timedelta(seconds=1))
    age(cache, previous, champion, current, read, unused)
    with cache.reading(read):
        assert cache.prune({current}) == [unused]
        assert all(cache.holds(sha256) for sha256 in (previous, champion, current, read, young))
    assert cache.prune({current}) == [read]


def test_the_record_keeps_the_last_answer_of_the_registry(cache: ModelCache) -> None:
    one, two = "1" * 64, "2" * 64
    assert cache.confirmed() is None
    cache.confirm(info(one), NOW)
    cache.confirm(info(two, 2), NOW + timedelta(seconds=2))
    cache.confirm(info(one), NOW + timedelta(seconds=1))  # a slower process
    found = cache.confirmed()
    assert found is not None
    assert (found.info, found.previous) == (info(two, 2), one)
    cache.confirm(info(two, 2), NOW + timedelta(seconds=3))
    found = cache.confirmed()
    assert found is not None
    assert (found.at, found.previous) == (NOW + timedelta(seconds=3), one)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"model": {}}',
        b'{"model": 1, "confirmed_at": 2, "previous": 3}',
        b'{"model": {"name": "n", "version": 1, "sha256": "../..", "run_id": "", "registered": '
        b'"2026-11-26T00:00:00+00:00", "aliases": [], "tags": {}}, "previous": null, '
        b'"confirmed_at": "2026-11-26T00:00:00+00:00"}',
    ],
)
def test_a_damaged_record_is_ignored_with_a_line_in_the_log(
    cache: ModelCache, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    cache.folder.mkdir(parents=True)
    (cache.folder / CONFIRMED).write_bytes(content)
    with caplog.at_level(logging.WARNING, "rakuten"):
        assert cache.confirmed() is None
    assert "damaged and ignored" in caplog.text
    cache.confirm(info("1" * 64), NOW)
    assert cache.confirmed() is not None


def test_of_several_processes_that_fetch_at_once_each_finds_the_whole_model(shop: Shop) -> None:
    shop.empty_cache()
    sha256 = shop.version(1).model_sha256
    command = [sys.executable, "-m", "rakuten.serving.fetch", "--root", str(shop.root)]
    command += ["download", NAME, "1", sha256, str(shop.cache.folder.parent)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=120)[0] for process in running}
    assert answers == {'{"state": "done", "value": null}'}
    verify(shop.cache.path(sha256), sha256)
    assert [path.name for path in shop.cache.folder.iterdir() if path.is_dir()] == [sha256]


@pytest.mark.slow
def test_a_fetch_that_is_killed_anywhere_leaves_no_entry_that_is_not_whole(shop: Shop) -> None:
    shop.empty_cache()
    sha256 = shop.version(1).model_sha256
    command = [sys.executable, "-m", "rakuten.serving.fetch", "--root", str(shop.root)]
    command += ["download", NAME, "1", sha256, str(shop.cache.folder.parent)]
    half = 0
    for attempt in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (staged := list(shop.cache.folder.glob(".*fetching"))) and process.poll() is None:
            time.sleep(0.001)
        # Then at another moment each time, until it would have been done.
        threading.Event().wait(attempt * 0.4)
        process.kill()
        process.wait()
        half += any(path.exists() for path in staged)
        if shop.cache.holds(sha256):
            verify(shop.cache.path(sha256), sha256)
            break
    assert half >= 1
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == '{"state": "done", "value": null}', done.stderr
    verify(shop.cache.path(sha256), sha256)
    assert list(shop.cache.folder.glob(".*fetching")) == []


def test_a_fetch_ends_with_the_process_that_asked_for_it(shop: Shop) -> None:
    command = [sys.executable, "-m", "rakuten.serving.fetch", "--follow", "--root", str(shop.root)]
    command += ["download", NAME, "1", "0" * 64, str(shop.cache.folder.parent)]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=30) == 1
    assert time.monotonic() - begun < 30
