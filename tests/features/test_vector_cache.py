"""What was encoded once is read, never wrong; whatever happens to the file, work goes on."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rakuten.features.encoder import ImageEncoder, Picture, encode_each, encode_stream
from rakuten.features.vector_cache import KEPT, VectorCache, encoder_identity, open_cache
from rakuten.imaging import content_hash
from tests.features.photos import photo

LENGTH = 6


class CountingEncoder(ImageEncoder):
    """Colour means, and a count of what it was asked to do."""

    name, version, input_size, dimension = "counting", "1", 16, LENGTH

    def __init__(self) -> None:
        self.decoded = self.encoded = 0

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        self.decoded += 1
        return super().decode(data)

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.encoded += len(pixels)
        halves = pixels.reshape(len(pixels), 2, -1, 3).mean(axis=2, dtype=np.float32)
        return np.asarray(halves.reshape(len(pixels), LENGTH))

    @property
    def work(self) -> tuple[int, int]:
        return self.decoded, self.encoded


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="rakuten")
    return caplog


@pytest.fixture(autouse=True)
def _propagating() -> Iterator[None]:
    """Let the log of the project reach pytest, whatever a command set up before."""
    root = logging.getLogger("rakuten")
    before, root.propagate = root.propagate, True
    yield
    root.propagate = before


def run(
    encoder: ImageEncoder, folder: Path | None, pictures: Sequence[Picture], *, threads: int = 2
) -> tuple[NDArray[np.float32], list[str]]:
    with open_cache(folder, encoder) as cache:
        parts = list(encode_stream(encoder, pictures, threads=threads, cache=cache))
    vectors = np.concatenate([part.vectors for part in parts])
    return vectors, [state for part in parts for state in part.status]


def photos(count: int, start: int = 0) -> list[bytes]:
    return [photo(start + number, side=24) for number in range(count)]


def vector(number: int) -> NDArray[np.float32]:
    return np.arange(number, number + LENGTH, dtype=np.float32)


def knows(cache: VectorCache, number: int) -> bool:
    """Whether a vector is there; it is never a wrong one."""
    found = cache.get(key(number))
    assert found is None or np.array_equal(found, vector(number))
    return found is not None


def key(number: int) -> str:
    return content_hash(str(number).encode())


@contextmanager
def cache_in(folder: Path, identity: str = "one") -> Iterator[VectorCache]:
    with closing(VectorCache(folder, identity, LENGTH)) as cache:
        yield cache


def test_a_second_run_decodes_and_encodes_nothing(encoder: CountingEncoder, tmp_path: Path) -> None:
    pictures = [*photos(150), None, b"broken"]
    first, status = run(encoder, tmp_path, pictures)
    assert encoder.work == (151, 150)
    second, again = run(encoder, tmp_path, photos(150))
    assert encoder.work == (151, 150)
    assert np.array_equal(second, first[:150])
    assert status == again + ["missing", "unreadable"]


def test_the_cache_changes_no_vector(encoder: CountingEncoder, tmp_path: Path) -> None:
    pictures = [*photos(70), None, b"broken", *photos(20)]
    plain, status = run(encoder, None, pictures)
    for _ in range(2):
        cached, states = run(encoder, tmp_path, pictures)
        assert np.array_equal(cached, plain)
        assert cached.dtype == plain.dtype
        assert states == status


def test_statistics_come_from_the_cache_with_the_vectors(
    encoder: CountingEncoder, tmp_path: Path
) -> None:
    expected = encode_each(encoder, photos(9)).statistics
    for _ in range(2):
        with open_cache(tmp_path, encoder) as cache:
            found = encode_each(encoder, photos(9), cache=cache).statistics
        assert np.array_equal(found, expected)
    assert expected.any()
    assert encoder.work == (18, 18)


def test_only_new_photos_are_encoded(encoder: CountingEncoder, tmp_path: Path) -> None:
    run(encoder, tmp_path, photos(20))
    vectors, _ = run(encoder, tmp_path, [*photos(5, start=100), *photos(20)])
    assert encoder.work == (25, 25)
    assert np.array_equal(vectors, encoder.encode([*photos(5, start=100), *photos(20)]))


def test_bytes_and_paths_share_vectors_by_content(encoder: CountingEncoder, tmp_path: Path) -> None:
    first, _ = run(encoder, tmp_path / "cache", photos(1))
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_bytes(photo(0, side=24))
        assert np.array_equal(run(encoder, tmp_path / "cache", [tmp_path / name])[0], first)
    assert encoder.work == (1, 1)
    (tmp_path / "a.jpg").write_bytes(photo(1, side=24))
    changed, _ = run(encoder, tmp_path / "cache", [tmp_path / "a.jpg"])
    assert encoder.work == (2, 2)
    assert not np.array_equal(changed, first)


@pytest.mark.parametrize(
    ("name", "value"), [("version", "2"), ("name", "other"), ("libraries", ("numpy", "scipy"))]
)
def test_another_encoder_has_vectors_of_its_own(
    encoder: CountingEncoder, tmp_path: Path, name: str, value: object
) -> None:
    run(encoder, tmp_path, photos(3))
    other = CountingEncoder()
    setattr(other, name, value)
    run(other, tmp_path, photos(3))
    assert other.work == (3, 3)
    run(encoder, tmp_path, photos(3))
    assert encoder.work == (3, 3)


def test_another_decoder_has_vectors_of_its_own(encoder: CountingEncoder, tmp_path: Path) -> None:
    here, there = encoder_identity(encoder), encoder_identity(encoder, decoder="pillow-0")
    with cache_in(tmp_path, here) as cache:
        cache.put({key(1): vector(1)})
    with cache_in(tmp_path, there) as cache:
        assert not knows(cache, 1)
    with cache_in(tmp_path, here) as cache:
        assert knows(cache, 1)


def test_old_encoders_are_removed_and_recent_ones_stay(tmp_path: Path) -> None:
    names = [f"encoder {number}" for number in range(KEPT + 2)]
    paths = []
    for age, name in enumerate(names):
        with cache_in(tmp_path, name) as cache:
            cache.put({key(1): vector(1)})
        paths.append(cache.path)
        os.utime(cache.path, (age, age))
    with cache_in(tmp_path, names[0]) as cache:
        assert cache.path == paths[0]
    left = sorted(tmp_path.glob("vectors-*.sqlite"))
    assert left == sorted([paths[0], *paths[-KEPT + 1 :]])


def test_nothing_is_removed_while_another_run_uses_the_cache(tmp_path: Path) -> None:
    with cache_in(tmp_path, "in use") as busy:
        os.utime(busy.path, (0, 0))
        for number in range(KEPT + 1):
            with cache_in(tmp_path, str(number)):
                pass
        assert busy.path.exists()
        busy.put({key(1): vector(1)})
        assert knows(busy, 1)


def fill(folder: Path, count: int) -> Path:
    with cache_in(folder) as cache:
        cache.put({key(number): vector(number) for number in range(count)})
    return cache.path


def damage_middle(path: Path) -> None:
    with path.open("rb+") as handle:
        handle.seek(path.stat().st_size // 2)
        handle.write(os.urandom(3000))


def flip_a_number(path: Path) -> None:
    """Change one stored vector and leave the database sound."""
    with closing(sqlite3.connect(path)) as connection, connection:
        changed = vector(99).tobytes()
        connection.execute("UPDATE vectors SET vector = ?", (changed,))


def swap_vectors(path: Path) -> None:
    """Give every photo the vector and checksum of another one."""
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute("SELECT photo, vector, checksum FROM vectors").fetchall()
        for (name, _, _), (_, content, checksum) in zip(rows, [*rows[1:], rows[0]], strict=True):
            connection.execute(
                "UPDATE vectors SET vector = ?, checksum = ? WHERE photo = ?",
                (content, checksum, name),
            )


def shorten_vectors(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = substr(vector, 1, 8)")


def store_other_types(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = 'text', checksum = 5")


def store_no_text(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE about SET identity = CAST(x'ff00ff' AS TEXT)")


def rename_owner(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE about SET identity = 'another'")


def drop_columns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE vectors")
        connection.execute("CREATE TABLE vectors (photo BLOB PRIMARY KEY)")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a database at all" * 1000),
        lambda path: os.truncate(path, path.stat().st_size // 3),
        lambda path: os.truncate(path, 50),
        damage_middle,
        flip_a_number,
        swap_vectors,
        shorten_vectors,
        store_other_types,
        store_no_text,
        rename_owner,
        drop_columns,
    ],
    ids="garbage third stub middle number swapped short types text owner columns".split(),
)
def test_a_spoilt_file_gives_no_wrong_vector_and_is_made_anew(
    tmp_path: Path,
    warnings: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
) -> None:
    spoil(fill(tmp_path, 400))
    with cache_in(tmp_path) as cache:
        known = [knows(cache, number) for number in range(400)]
        assert not all(known)
        cache.put({key(number): vector(number) for number in range(400)})
        assert all(knows(cache, number) for number in range(400))
    assert [entry.getMessage() for entry in warnings.records] == [
        "vector cache: a corrupt file is made anew"
    ]
    with cache_in(tmp_path) as cache:
        assert all(knows(cache, number) for number in range(400))
    assert len(warnings.records) == 1


def test_an_empty_file_is_an_empty_cache(tmp_path: Path) -> None:
    path = fill(tmp_path, 5)
    os.truncate(path, 0)
    with cache_in(tmp_path) as cache:
        assert not knows(cache, 1)
        cache.put({key(1): vector(1)})
        assert knows(cache, 1)


def test_a_corrupt_file_that_another_run_uses_is_left_to_it(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    with cache_in(tmp_path) as busy:
        busy.put({key(1): vector(1)})
        rename_owner(busy.path)
        with cache_in(tmp_path) as cache:
            assert not knows(cache, 1)
            cache.put({key(2): vector(2)})
            assert not knows(cache, 2)
        assert [entry.getMessage() for entry in warnings.records] == [
            "vector cache: going on without it"
        ]
        assert knows(busy, 1)


_WRITER = """
import sys
import numpy as np
from pathlib import Path
from rakuten.features.vector_cache import VectorCache
from rakuten.imaging import content_hash
cache = VectorCache(Path(sys.argv[1]), "one", 6)
print("open", flush=True)
for number in range(int(sys.argv[2]), int(sys.argv[3]), 10):
    cache.put({
        content_hash(str(n).encode()): np.arange(n, n + 6, dtype=np.float32)
        for n in range(number, number + 10)
    })
print(cache._may_write and cache._connection is not None, flush=True)
"""


def writer(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(start), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    ranges = [(0, 1000), (500, 1500), (1000, 2000), (0, 2000)]
    processes = [writer(tmp_path, *span) for span in ranges]
    for process in processes:
        out, error = process.communicate(timeout=120)
        assert (process.returncode, error) == (0, "")
        assert out.split() == ["open", "True"]
    with cache_in(tmp_path) as cache:
        assert all(knows(cache, number) for number in range(2000))


def test_a_writer_killed_half_way_leaves_sound_vectors(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    process = writer(tmp_path, 0, 10_000_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with cache_in(tmp_path) as cache:
        assert sum(knows(cache, number) for number in range(2000)) >= 10
        cache.put({key(-1): vector(-1)})
        assert knows(cache, -1)
    assert warnings.records == []


_FULL = """
import logging, resource, sys
from pathlib import Path
import numpy as np
from rakuten.features.vector_cache import VectorCache
from rakuten.imaging import content_hash
logging.basicConfig(format="%(message)s", level=logging.WARNING)
cache = VectorCache(Path(sys.argv[1]), "one", 6)
cache.put({content_hash(b"0"): np.arange(6, dtype=np.float32)})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for start in range(0, 20_000, 100):
    cache.put({
        content_hash(str(n).encode()): np.arange(n, n + 6, dtype=np.float32)
        for n in range(start, start + 100)
    })
assert cache.get(content_hash(b"0")) is not None, "what was kept before is lost"
cache.close()
print("went on")
"""


def test_a_full_disk_is_one_warning_and_what_was_kept_stays(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    assert done.stderr.splitlines() == ["vector cache: no more is kept"]
    with cache_in(tmp_path) as cache:
        assert 100 <= sum(knows(cache, number) for number in range(20_000)) < 20_000


def test_a_folder_that_cannot_be_made_is_a_warning(
    encoder: CountingEncoder, tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    vectors, _ = run(encoder, tmp_path / "file" / "cache", photos(3))
    assert np.array_equal(vectors, run(encoder, None, photos(3))[0])
    assert [entry.getMessage() for entry in warnings.records] == [
        "vector cache: going on without it"
    ]


def test_a_cache_that_is_switched_off_writes_nothing(
    encoder: CountingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(encoder, None, photos(3))
    assert list(tmp_path.iterdir()) == []


def test_encoding_without_a_cache_never_makes_one(
    encoder: CountingEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encode_each(encoder, photos(3))
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_photos(
    encoder: CountingEncoder, tmp_path: Path
) -> None:
    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        files: list[Picture] = []
        for number in range(count):
            # Other bytes after the end of a JPEG: another photo, as quick to make.
            path = tmp_path / f"{number}.jpg"
            path.write_bytes(photo(0, side=200) + str(number).encode())
            files.append(path)
        for _ in range(2):
            tracemalloc.start()
            with open_cache(folder, encoder) as cache:
                for _ in encode_stream(encoder, files, threads=2, cache=cache):
                    pass
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return used

    small, large = peak(300), peak(1500)
    assert large < 1.3 * small + 100_000
