"""Stores in S3 say what they have against the credentials; secrets stay out of it."""

import os

import pytest

from rakuten.settings import ProjectPaths
from tests.stages.doctor.conftest import (
    Respond,
    at,
    error_xml,
    examine,
    hang,
    mlflow_like,
    only,
    served,
    use_remote,
)


@pytest.mark.parametrize(
    ("respond", "state", "said"),
    [
        (lambda _: (200, ""), "ok", "credentials from env"),
        (error_xml("SignatureDoesNotMatch", 403), "failed", "refuses the secret key"),
        (error_xml("InvalidAccessKeyId", 403), "failed", "access key id"),
        (error_xml("AccessDenied", 403), "failed", "refuses these credentials"),
        (error_xml("NoSuchBucket", 404), "failed", "no such bucket"),
        (error_xml("ExpiredToken", 400), "failed", "has expired"),
        (error_xml("Strange", 400), "failed", "Strange"),
        (hang, "failed", "Read timeout"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_s3_store_says_what_it_has_against_the_credentials(
    paths: ProjectPaths, respond: Respond, state: str, said: str
) -> None:
    with served(respond) as endpoint:
        use_remote(paths, endpoint)
        found = only(examine(paths)["s3"], state)
    assert said in found.detail
    assert "s3://bucket" in found.detail
    assert "very-secret-value" not in f"{found}"


@pytest.mark.usefixtures("keys")
def test_absent_s3_store_fails_soon(paths: ProjectPaths) -> None:
    use_remote(paths, "http://127.0.0.1:9")
    found = only(examine(paths)["s3"], "failed")
    assert "http://127.0.0.1:9" in found.detail
    assert "start it" in found.hint


def test_absent_credentials_fail_where_a_remote_needs_them(paths: ProjectPaths) -> None:
    use_remote(paths, "http://127.0.0.1:9")
    found = only(examine(paths)["s3"], "failed")
    assert "no S3 credentials" in found.detail
    assert "source .env" in found.hint
    assert "AWS_EC2_METADATA_DISABLED" not in os.environ


@pytest.mark.usefixtures("keys")
def test_half_a_key_pair_fails(paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "Partial credentials" in only(examine(paths)["s3"], "failed").detail


@pytest.mark.usefixtures("keys")
def test_credentials_that_only_env_file_has_are_pointed_out(paths: ProjectPaths) -> None:
    with served(lambda _: (200, "")) as endpoint:
        use_remote(paths, endpoint)
        found = examine(paths, shell={})["s3"]
        sourced = {**os.environ, "AWS_PROFILE": ""}
        empty = examine(paths, shell=sourced)["s3"]
    assert "`dvc push` does not" in only(found, "warning").detail
    assert only(empty, "warning").hint.startswith("unset AWS_PROFILE")


@pytest.mark.usefixtures("keys")
def test_artifact_root_in_s3_is_asked_too(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(error_xml("NoSuchBucket", 404)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with served(mlflow_like("s3://runs/1")) as uri:
            found = examine(paths, settings=at(uri))["s3"]
    assert "s3://runs" in only(found, "failed").detail
