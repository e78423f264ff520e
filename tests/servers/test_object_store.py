"""The store refuses as S3 does, and keeps what it holds while it is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.servers.object_store import ObjectStore, object_store

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running:
        running.make_bucket("box")
        yield running


@pytest.mark.parametrize(
    ("bucket", "keys", "code"),
    [
        ("absent", {}, "NoSuchBucket"),
        ("box", {"key": "unknown"}, "InvalidAccessKeyId"),
        ("box", {"secret": "wrong"}, "SignatureDoesNotMatch"),
    ],
)
def test_store_refuses_as_s3_does(
    store: ObjectStore, bucket: str, keys: dict[str, str], code: str
) -> None:
    client = store.client(**keys)
    with pytest.raises(ClientError) as put:
        client.put_object(Bucket=bucket, Key="a", Body=b"1")
    with pytest.raises(ClientError) as listed:
        client.list_objects_v2(Bucket=bucket)
    assert {error.value.response["Error"]["Code"] for error in (put, listed)} == {code}
    assert store.objects("box") == {}


def test_store_that_comes_back_holds_what_it_held(tmp_path: Path) -> None:
    with object_store(tmp_path) as store:
        store.make_bucket("box")
        store.client().put_object(Bucket="box", Key="a/b", Body=b"123")
        store.process.stop()
        with pytest.raises(EndpointConnectionError):
            store.objects("box")
        store.process.start()
        assert store.objects("box") == {"a/b": 3}
