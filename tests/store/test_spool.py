"""The spool: on disk before it returns, in order, whole, and never stopped by what is damaged."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rakuten.errors import DatabaseAwayError, RecordRefusedError, StoreFullError
from rakuten.store.records import PredictionRecord, Record, from_plain, to_plain
from rakuten.store.segment import encode_line
from rakuten.store.spool import Spool
from tests.conftest import MountSmallDisk
from tests.store.material import make_feedback, make_record

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from rakuten.store.spool import Spool
from tests.store.material import make_record
spool = Spool(Path(sys.argv[1]), segment_bytes=20_000)
while True:
    records = [make_record() for _ in range(3)]
    spool.append(records)
    for record in records:
        print(record.prediction_id, flush=True)
"""


class Applied:
    """Takes what is replayed; fails at the call that it is told to fail at."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.records: list[Record] = []
        self.calls = 0
        self._fail_at = fail_at

    def __call__(self, records: list[Record]) -> None:
        self.calls += 1
        if self.calls == self._fail_at:
            raise DatabaseAwayError("gone")
        self.records += records

    @property
    def ids(self) -> list[str]:
        return [record.prediction_id for record in self.records]


def replay_all(spool: Spool) -> Applied:
    """Replay everything that a spool holds."""
    applied = Applied()
    spool.rotate()
    spool.replay(applied)
    return applied


def fill(spool: Spool, kept: list[Record], count: int = 1) -> None:
    """Append until the spool refuses; ``kept`` is what it took."""
    while True:
        batch = [make_record() for _ in range(count)]
        spool.append(batch)
        kept += batch


def test_records_come_back_in_order_and_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=5_000)
    records: list[Record] = []
    for _ in range(40):
        prediction = make_record()
        records += [prediction, make_feedback(prediction.prediction_id)]
        spool.append(records[-2:])
    assert len(list(tmp_path.glob("*.spool"))) > 3
    assert spool.waiting == 80
    assert replay_all(spool).records == records
    assert replay_all(spool).records == []
    assert spool.is_empty()
    assert spool.waiting == 0
    assert list(tmp_path.iterdir()) == []


def test_next_process_replays_what_the_former_left(tmp_path: Path) -> None:
    records = [make_record(), make_record()]
    before = Spool(tmp_path)
    before.append(records)
    before.rotate()
    after = Spool(tmp_path)
    assert after.waiting == 2
    assert replay_all(after).records == records


def test_segment_that_a_process_appends_to_is_left_to_it(tmp_path: Path) -> None:
    one, other = Spool(tmp_path), Spool(tmp_path)
    record = make_record()
    one.append([record])
    assert replay_all(other).records == []
    assert other.is_empty()
    one.rotate()
    assert not other.is_empty()
    assert replay_all(other).records == [record]
    assert replay_all(one).records == []


def test_what_was_not_committed_is_replayed_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=1)
    records = [make_record() for _ in range(3)]
    for record in records:
        spool.append([record])
    first = Applied(fail_at=2)
    spool.rotate()
    with pytest.raises(DatabaseAwayError):
        spool.replay(first)
    second = replay_all(spool)
    assert first.records + second.records == records


def test_record_that_is_refused_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    records = [make_record() for _ in range(20)]
    bad = records[13].prediction_id
    kept: list[Record] = []

    def apply(batch: list[Record]) -> None:
        if bad in [record.prediction_id for record in batch]:
            raise RecordRefusedError("no")
        kept.extend(batch)

    spool.append(records)
    spool.rotate()
    with caplog.at_level(logging.WARNING, "rakuten"):
        spool.replay(apply)
    assert kept == records[:13] + records[14:]
    assert bad in next(tmp_path.glob("*.refused")).read_text()
    assert any("refuses a record" in message for message in caplog.messages)
    assert spool.is_empty()


@pytest.mark.parametrize("torn", [1, 50, -1])
def test_torn_last_line_is_set_aside(
    tmp_path: Path, torn: int, caplog: pytest.LogCaptureFixture
) -> None:
    records = [make_record() for _ in range(3)]
    lines = [encode_line(record) for record in records]
    segment = tmp_path / f"{1:020d}.spool"
    segment.write_bytes(lines[0] + lines[1] + lines[2][:torn])
    with caplog.at_level(logging.WARNING, "rakuten"):
        assert replay_all(Spool(tmp_path)).records == records[:2]
    assert any("set aside" in message for message in caplog.messages)
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


@pytest.mark.parametrize(
    "damage",
    [b"\n", b"x" * 5000 + b"\n", b"\x00" * 700 + b"\n", b"00000000 {}\n", b"\xff\xfe\n"],
)
def test_damaged_line_never_stops_those_behind_it(tmp_path: Path, damage: bytes) -> None:
    records = [make_record() for _ in range(2)]
    lines = [encode_line(record) for record in records]
    (tmp_path / f"{1:020d}.spool").write_bytes(lines[0] + damage + lines[1])
    assert replay_all(Spool(tmp_path)).records == records
    assert next(tmp_path.glob("*.damaged")).read_bytes() == damage


@pytest.mark.parametrize("position", [3, 12, 40, 300])
def test_one_wrong_bit_is_seen(tmp_path: Path, position: int) -> None:
    line = bytearray(encode_line(make_record()))
    line[position] ^= 1
    (tmp_path / f"{1:020d}.spool").write_bytes(bytes(line))
    assert replay_all(Spool(tmp_path)).records == []


def test_line_of_a_later_version_with_more_fields_is_read() -> None:
    record = make_record()
    assert from_plain({**to_plain(record), "new": 1}) == record


def test_full_spool_refuses_and_takes_again_once_it_is_replayed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=4_000)
    kept: list[Record] = []
    with pytest.raises(StoreFullError, match="4000 bytes"):
        fill(spool, kept)
    assert replay_all(spool).records == kept
    spool.append([make_record()])


def test_full_disk_refuses_at_once_loses_nothing_and_recovers(
    tmp_path: Path, small_disk: MountSmallDisk
) -> None:
    disk = tmp_path / "disk"
    small_disk(disk, "256k")
    spool = Spool(disk / "spool")
    kept: list[Record] = []
    with pytest.raises(StoreFullError, match="No space left"):
        fill(spool, kept, 7)
    assert kept
    begun = time.monotonic()
    with pytest.raises(StoreFullError):
        spool.append([make_record() for _ in range(7)])
    assert time.monotonic() - begun < 1
    # The replay needs no room; it makes some.
    assert replay_all(spool).records == kept
    spool.append([make_record()])
    assert len(replay_all(spool).records) == 1


def test_damaged_line_on_a_full_disk_keeps_its_file(
    tmp_path: Path, small_disk: MountSmallDisk
) -> None:
    disk = tmp_path / "disk"
    small_disk(disk, "256k")
    record = make_record()
    content = encode_line(record) + b"damage" * 2000 + b"\n"
    (disk / f"{1:020d}.spool").write_bytes(content)
    with pytest.raises(OSError, match="No space"):
        (disk / "ballast").write_bytes(b"x" * 1_000_000)
    spool = Spool(disk)
    assert replay_all(spool).records == [record]
    assert next(disk.glob("*.damaged")).read_bytes() == content
    assert spool.is_empty()


def test_killed_process_leaves_every_record_that_it_acknowledged(tmp_path: Path) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(300)]
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.read().split()
        child.wait()
        # The last word may be cut: what a reader did not get in full was not acknowledged.
        whole = [one for one in acknowledged if len(one) == 36]
        applied = replay_all(Spool(tmp_path))
        assert [one for one in applied.ids if one in set(whole)] == whole
        assert len(set(applied.ids)) == len(applied.ids)


def test_clock_that_went_back_does_not_change_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, segment_bytes=1)
    records = [make_record() for _ in range(3)]
    times = iter([9_000, 5_000, 1_000])
    monkeypatch.setattr("rakuten.store.spool.time.time_ns", lambda: next(times))
    for record in records:
        spool.append([record])
    assert replay_all(spool).records == records


def test_record_can_be_found_and_rewritten_while_it_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    wanted, other = make_record(image_sha256="c" * 64), make_record()
    note = make_feedback(other.prediction_id, note=f"see {wanted.prediction_id}")
    spool.append([other, wanted, note])
    assert spool.find(wanted.prediction_id) == wanted
    assert spool.find("0" * 36) is None
    assert spool.refers_to("c" * 64)
    assert not spool.refers_to("c" * 64, besides=wanted.prediction_id)
    changed = make_record(prediction_id=wanted.prediction_id, designation=None)
    assert spool.rewrite(wanted.prediction_id, lambda _: changed) == 1
    found = spool.find(wanted.prediction_id)
    assert isinstance(found, PredictionRecord)
    assert found.designation is None
    assert replay_all(spool).records == [other, changed, note]


def test_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreFullError, match="spool"):
        Spool(tmp_path / "file" / "spool")


def test_segments_are_for_their_owner_alone(tmp_path: Path) -> None:
    Spool(tmp_path).append([make_record()])
    modes = {os.stat(path).st_mode & 0o777 for path in tmp_path.glob("*.spool")}
    assert modes == {0o600}


def test_its_size_is_that_of_all_files_and_what_another_replayed_is_gone(tmp_path: Path) -> None:
    one, other = Spool(tmp_path, 5_000_000), Spool(tmp_path, 5_000_000)
    assert (one.size, one.max_bytes) == (0, 5_000_000)
    one.append([make_record(), make_record()])
    late = Spool(tmp_path)
    files = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert one.size == other.size == late.size == files > 0
    assert (one.waiting, late.waiting) == (2, 2)
    one.rotate()
    assert len(replay_all(other).ids) == 2
    assert (one.size, late.size, one.waiting, late.waiting) == (0, 0, 0, 0)
