"""Seconds to keep photos in DVC and in an S3 store: as single files, and packed into shards.

    python benchmarks/remotes.py                      20,000 photos of 25 kB
    python benchmarks/remotes.py --photos 84916       the challenge's number of training photos
    python benchmarks/remotes.py --delay 20           each answer of the store 20 ms late
    python benchmarks/remotes.py --output FILE        also append the table as Markdown

The store is rclone on loopback (`make servers`). One of three stages depends on the photo folder,
as in dvc.yaml. Packed photos lie in uncompressed tar shards of about 8 MB beside a manifest of
hashes; the hash of a photo's name decides its shard. Everything is in the page cache.
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import platform
import random
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from asyncio import Event
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.servers.object_store import ObjectStore, object_store  # noqa: E402

RAW = Path("data/raw")
PHOTOS = RAW / "images/image_train"
SHARDS = Path("data/shards")
SHARD_BYTES = 8_000_000
STAGES = """stages:
  a: {cmd: echo a > a, deps: [data/raw/images/image_train], outs: [a]}
  b: {cmd: echo b > b, deps: [a], outs: [b]}
  c: {cmd: echo c > c, deps: [b], outs: [c]}
"""


def make_photos(folder: Path, count: int, size: int) -> None:
    """Write files that, like JPEGs, have a short head and no compressible rest."""
    folder.mkdir(parents=True)
    chance = random.Random(7)  # noqa: S311
    noise = chance.randbytes(1 << 24)
    for number in range(count):
        length = chance.randrange(size // 2, size * 3 // 2)
        start = chance.randrange(len(noise) - length)
        content = b"\xff\xd8\xff\xe0%012d" % number + noise[start : start + length]
        (folder / f"image_{number}_product_{number}.jpg").write_bytes(content)


def shard_of(name: str, shards: int) -> int:
    """Shard of a photo, by its name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % shards


def pack(photos: Path, target: Path, shards: int) -> None:
    """Write the shards whose content changed, and the manifest."""
    target.mkdir(exist_ok=True)
    names: dict[int, list[str]] = {number: [] for number in range(shards)}
    for name in sorted(os.listdir(photos)):
        names[shard_of(name, shards)].append(name)
    manifest = {}
    for number, members in names.items():
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as shard:
            for name in members:
                content = (photos / name).read_bytes()
                manifest[name] = hashlib.sha256(content).hexdigest()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
        path, content = target / f"{number:05d}.tar", buffer.getvalue()
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    (target / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))


def unpack(source: Path, photos: Path) -> None:
    """Write the photos of all shards that differ from what is there, checked by the manifest."""
    photos.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((source / "manifest.json").read_text())
    for path in sorted(source.glob("*.tar")):
        with tarfile.open(path) as shard:
            for member in shard:
                handle = shard.extractfile(member)
                content = handle.read() if handle else b""
                if hashlib.sha256(content).hexdigest() != manifest[member.name]:
                    raise SystemExit(f"{path}: {member.name} is not what was packed")
                place = photos / member.name
                if not place.exists() or place.read_bytes() != content:
                    place.write_bytes(content)


@contextmanager
def delayed(endpoint: str, seconds: float) -> Iterator[str]:
    """An address whose answers are those of ``endpoint``, each ``seconds`` late."""
    if not seconds:
        yield endpoint
        return
    target, loop = urlsplit(endpoint), asyncio.new_event_loop()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Event) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                asked.set()
                writer.write(block)
                await writer.drain()
        writer.close()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Event
    ) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                if asked.is_set():  # the first block of an answer; the rest follows it at once
                    asked.clear()
                    await asyncio.sleep(seconds)
                writer.write(block)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(target.hostname, target.port)
        asked = Event()
        await asyncio.gather(ask(reader, forth, asked), answer(back, writer, asked))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)


class Project:
    """A DVC project, its second clone, and what each step took."""

    def __init__(self, folder: Path, store: ObjectStore, endpoint: str, bucket: str) -> None:
        self.one, self.two = folder / "one", folder / "two"
        self.store, self.bucket = store, bucket
        self.seconds: dict[str, float] = {}
        self._environment = {**os.environ, **store.environment, "AWS_ENDPOINT_URL": endpoint}
        store.make_bucket(bucket)
        self.one.mkdir()
        (self.one / "dvc.yaml").write_text(STAGES)
        self.run("git init -q")
        self.run("dvc init -q")
        self.run(f"dvc remote add -q -d store s3://{bucket}/dvc")
        self.run(f"dvc remote modify -q store endpointurl {endpoint}")

    @property
    def packed(self) -> tuple[Path, Path]:
        """Shards and photos of the clone."""
        return self.two / SHARDS, self.two / PHOTOS

    def run(self, command: str, *, clone: bool = False) -> None:
        """Run a command in the project or in its clone."""
        done = subprocess.run(
            command.split(),
            cwd=self.two if clone else self.one,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{command}:\n{done.stdout}{done.stderr}")

    def measure(self, step: str, action: str | Callable[[], None], *, clone: bool = False) -> None:
        """Take the time of a command or a function."""
        start = time.perf_counter()
        if isinstance(action, str):
            self.run(action, clone=clone)
        else:
            action()
        self.seconds[step] = time.perf_counter() - start
        print(f"  {step}: {self.seconds[step]:.1f} s", flush=True)

    def commit(self) -> None:
        """Keep DVC's files in git."""
        self.run("git add -A")
        self.run("git -c user.name=a -c user.email=a commit -q -m a")


def mebibytes(*places: Path) -> float:
    """Size of the files below some folders."""
    files = (path for place in places for path in place.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / (1 << 20)


def first_push(project: Project, photos: int, size: int, shards: int) -> None:
    """Put photos under DVC and push them; ``shards`` is 0 for single files."""
    one = project.one
    (one / ".gitignore").write_text(f"/{RAW}\n")
    make_photos(one / PHOTOS, photos, size)
    if shards:
        project.measure("pack", lambda: pack(one / PHOTOS, one / SHARDS, shards))
    project.measure("dvc add", f"dvc add -q {SHARDS if shards else RAW}")
    project.measure("dvc repro, first", "dvc repro -q")
    project.commit()
    project.measure("dvc status, nothing changed", "dvc status -q")
    project.measure("dvc repro, nothing changed", "dvc repro -q")
    project.measure("dvc push", "dvc push -q")
    project.measure("dvc push, nothing changed", "dvc push -q")


def second_clone(project: Project, *, packed: bool) -> None:
    """Clone the project and bring its photos."""
    subprocess.run(["git", "clone", "-q", str(project.one), str(project.two)], check=True)
    project.measure("second clone: dvc pull", "dvc pull -q", clone=True)
    if packed:
        project.measure("second clone: unpack", lambda: unpack(*project.packed))
    project.measure("second clone: dvc repro", "dvc repro -q", clone=True)


def change_one_photo(project: Project, shards: int) -> None:
    """Push another version of one photo and bring it into the second clone."""
    one, two = project.one, project.two
    tracked = SHARDS if shards else RAW
    changed = one / PHOTOS / "image_1_product_1.jpg"
    changed.write_bytes(changed.read_bytes()[::-1])
    if shards:
        project.measure("one photo: pack", lambda: pack(one / PHOTOS, one / SHARDS, shards))
    project.measure("one photo: dvc add", f"dvc add -q {tracked}")
    project.commit()
    project.measure("one photo: dvc push", "dvc push -q")
    project.run("git pull -q", clone=True)
    project.measure("one photo: dvc pull in the clone", f"dvc pull -q {tracked}.dvc", clone=True)
    if shards:
        project.measure("one photo: unpack", lambda: unpack(*project.packed))
    if (two / PHOTOS / changed.name).read_bytes() != changed.read_bytes():
        raise SystemExit("the second clone has another photo")


def run_steps(project: Project, photos: int, size: int, *, packed: bool) -> dict[str, str]:
    """Everything that a first and a second person do, once; sizes at the end."""
    shards = max(1, photos * size // SHARD_BYTES) if packed else 0
    first_push(project, photos, size, shards)
    second_clone(project, packed=packed)
    bucket = project.store.folder / project.bucket  # listing it by requests takes minutes
    before = {path for path in bucket.rglob("*") if path.is_file()}
    change_one_photo(project, shards)
    after = {path for path in bucket.rglob("*") if path.is_file()}
    new = sum(path.stat().st_size for path in after - before)
    disk = mebibytes(project.one / "data", project.one / ".dvc/cache")
    return {
        "objects in the store": f"{len(before):,}",
        "MiB that one photo adds to the store": f"{new / (1 << 20):,.1f}",
        "MiB on disk at the end, cache included": f"{disk:,.0f}",
    }


def table(found: dict[str, Project], facts: dict[str, dict[str, str]]) -> str:
    """Both ways beside each other, as Markdown."""
    steps = list(dict.fromkeys(step for way in found.values() for step in way.seconds))
    order = list(found["packed"].seconds)
    steps.sort(key=lambda step: order.index(step) if step in order else -1)
    lines = ["| seconds | single files | packed shards |", "|---|---:|---:|"]
    for step in steps:
        cells = [
            f"{way.seconds[step]:.1f}" if step in way.seconds else "–" for way in found.values()
        ]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    for fact in facts["packed"]:
        lines.append(f"| {fact} | {' | '.join(way[fact] for way in facts.values())} |")
    return "\n".join(lines)


def main() -> None:
    """Run both ways and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=25_000, help="mean size of a photo")
    parser.add_argument("--delay", type=int, default=0, help="milliseconds each answer is late")
    parser.add_argument("--output", type=Path, help="Markdown file to append to")
    arguments = parser.parse_args()
    found, facts = {}, {}
    for packed in (False, True):
        name = "packed" if packed else "single"
        print(f"{name}:", flush=True)
        with (
            tempfile.TemporaryDirectory(prefix="rakuten-bench-") as folder,
            object_store(Path(folder) / "store") as store,
            delayed(store.endpoint, arguments.delay / 1000) as endpoint,
        ):
            found[name] = Project(Path(folder), store, endpoint, name)
            facts[name] = run_steps(found[name], arguments.photos, arguments.bytes, packed=packed)
    command = f"python benchmarks/remotes.py --photos {arguments.photos} --bytes {arguments.bytes}"
    command += f" --delay {arguments.delay}" if arguments.delay else ""
    text = (
        f"`{command}` on {os.cpu_count()} processors, {platform.machine()}, "
        f"load {os.getloadavg()[2]:.1f} over the last 15 minutes\n\n{table(found, facts)}\n"
    )
    print(f"\n{text}")
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as handle:
            handle.write(f"\n{text}")


if __name__ == "__main__":
    main()
