"""Photos come back by their hash, from a folder and from S3."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError, StorageError, StoreError
from rakuten.store.media import FolderMedia, Media, S3Media, open_media
from tests.conftest import MountSmallDisk
from tests.servers.object_store import ObjectStore, object_store

PHOTO = b"\xff\xd8 a photo"
SHA = hashlib.sha256(PHOTO).hexdigest()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A store with one bucket."""
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        running.make_bucket("photos")
        yield running


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.servers)])
def media(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Media:
    """Either place."""
    if request.param == "folder":
        return open_media(str(tmp_path / "photos"))
    store: ObjectStore = request.getfixturevalue("s3")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return open_media(f"s3://photos/{tmp_path.name}")


def test_photo_comes_back_by_its_hash(media: Media) -> None:
    assert media.get(SHA) is None
    assert media.put(PHOTO) == SHA
    assert media.put(PHOTO) == SHA
    assert media.get(SHA) == PHOTO


def test_deleted_photo_is_gone_and_can_be_put_again(media: Media) -> None:
    media.put(PHOTO)
    media.delete(SHA)
    media.delete(SHA)
    assert media.get(SHA) is None
    assert media.ensure(PHOTO) == SHA
    assert media.ensure(PHOTO) == SHA
    assert media.get(SHA) == PHOTO


@pytest.mark.parametrize("name", ["", "../secret", "/etc/passwd", SHA.upper(), SHA + "\n", "*"])
def test_name_that_is_no_hash_leads_nowhere(media: Media, name: str) -> None:
    assert media.get(name) is None
    media.delete(name)


def test_folder_holds_whole_photos_only(tmp_path: Path, small_disk: MountSmallDisk) -> None:
    small_disk(tmp_path / "disk", "64k")
    media = FolderMedia(tmp_path / "disk" / "photos")
    with pytest.raises(StorageError, match="No space"):
        media.put(b"x" * 200_000)
    assert [path for path in (tmp_path / "disk").rglob("*") if path.is_file()] == []
    media.put(PHOTO)


@pytest.mark.servers
def test_refusal_and_silence_of_s3_are_not_absence(
    s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="no-such-bucket"):
        S3Media("s3://no-such-bucket").put(PHOTO)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError):
        S3Media("s3://photos").get(SHA)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="connect"):
        S3Media("s3://photos").get(SHA)


def test_place_without_a_bucket_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no place"):
        open_media("s3://")
