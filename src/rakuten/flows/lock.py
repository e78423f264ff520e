"""One piece of work at a time in a project: a lock that the kernel releases with its holder."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rakuten.errors import BusyError
from rakuten.io import storage_error

_PAUSE_SECONDS: Final = 0.5
_LONGEST_HOLDER: Final = 4096


@contextmanager
def hold(
    path: Path,
    what: str,
    who: str,
    *,
    wait_seconds: float = 0,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[int]:
    """Hold a lock file alone and yield its descriptor.

    A process that inherits the descriptor holds the lock, too: whoever comes next waits for
    what a killed holder had begun.

    Args:
        path: the lock file; it stays where it is.
        what: the work, for messages.
        who: the holder, for those that come meanwhile.
        wait_seconds: how long another holder is waited for.
        note: told once that there is one, and who.

    Raises:
        BusyError: somebody else still holds it; the message says who.
        StorageError: the file cannot be written.
    """
    handle = _open(path)
    try:
        _acquire(handle, path, what, wait_seconds, note)
        _write(handle, {"by": who, "pid": os.getpid(), "since": _now()})
        try:
            yield handle
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise storage_error(error, path) from error


def _acquire(
    handle: int, path: Path, what: str, wait_seconds: float, note: Callable[[str], None]
) -> None:
    deadline, told = time.monotonic() + wait_seconds, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise BusyError(
                f"{what[:1].upper()}{what[1:]} of this project is under way already, "
                f"{_holder(handle)}; it was waited for {wait_seconds:g} s.",
                hint=f"try again when it is over; fuser -v '{path}' shows whose processes they are",
            )
        if not told:
            note(f"waiting up to {wait_seconds:g} s: {what} is under way, {_holder(handle)}")
            told = True
        time.sleep(min(_PAUSE_SECONDS, left))


def _holder(handle: int) -> str:
    try:
        found = json.loads(os.pread(handle, _LONGEST_HOLDER, 0))
        by, pid, since = found["by"], int(found["pid"]), found["since"]
    except (ValueError, KeyError, TypeError):  # it is about to say who it is
        return "by a process that has not said who it is"
    gone = "" if _is_running(pid) else "; that was killed, what it began still runs"
    return f"by {by} (process {pid}) since {since}{gone}"


def _is_running(pid: int) -> bool:
    """Whether a process lives; one that is dead and that nobody asked after yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no /proc here
        return True
    return state.rpartition(")")[2].split()[0] != "Z"


def _write(handle: int, holder: dict[str, str | int]) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(holder).encode(), 0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
