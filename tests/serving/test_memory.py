"""Threads of the service share their memory."""

import os
import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from rakuten.serving.memory import share_arena
if sys.argv[1] == "shared":
    print(share_arena())
libc, done = ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
def take():
    libc.malloc(1000)
    done.wait()
    done.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
done.wait()
libc.malloc_stats()
done.wait()
"""


def count_arenas(how: str, **environment: str) -> tuple[int, str]:
    """Arenas of a process with eight threads, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS, how],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.count("Arena "), done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_threads_share_one_arena_unless_told_otherwise() -> None:
    assert count_arenas("own")[0] > 2
    assert count_arenas("shared") == (1, "True")
    assert count_arenas("shared", MALLOC_ARENA_MAX="5") == (5, "False")
