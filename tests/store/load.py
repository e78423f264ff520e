"""A process that keeps records from many threads and prints the id of each once it is kept.

python -m tests.store.load URL SPOOL [THREADS]
"""

import sys
import threading
from pathlib import Path

from rakuten.store.database import Database
from rakuten.store.spool import Spool
from rakuten.store.writer import Writer
from tests.store.material import make_feedback, make_record


def main(url: str, spool: str, threads: str = "8") -> None:
    """Submit until the end of the process."""
    writer = Writer(Database(url), Spool(Path(spool), segment_bytes=100_000))
    writer.start()
    lock = threading.Lock()

    def submit() -> None:
        while True:
            record = make_record()
            kept = writer.submit(record).result()
            said = make_feedback(record.prediction_id)
            writer.submit(said).result()
            with lock:
                sys.stdout.write(f"{record.prediction_id} {kept}\n")
                sys.stdout.flush()

    for _ in range(int(threads)):
        threading.Thread(target=submit, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
