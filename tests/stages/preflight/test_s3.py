"""Stores in S3 that this machine writes to itself, and DVC's remote."""

import json

import pytest

from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.preflight import before_stage
from tests.servers.object_store import ObjectStore
from tests.servers.process import free_port
from tests.stages.doctor.conftest import error_xml, mlflow_like, served, use_remote
from tests.stages.preflight.conftest import BUCKET, Warned, rakuten, refused


def use_s3_directly(monkeypatch: pytest.MonkeyPatch, store: ObjectStore, **changed: str) -> None:
    for name, value in {**store.environment, **changed}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("bucket", "changed", "said"),
    [
        ("absent", {}, "has no such bucket"),
        (BUCKET, {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "refuses the secret key"),
        (BUCKET, {"AWS_ACCESS_KEY_ID": "unknown"}, "does not know the access key id"),
        (BUCKET, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no S3 credentials"),
    ],
)
def test_store_that_refuses_stops_training_before_it_starts(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    store: ObjectStore,
    bucket: str,
    changed: dict[str, str],
    said: str,
) -> None:
    use_s3_directly(monkeypatch, store, **changed)
    with served(mlflow_like(f"s3://{bucket}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        told = refused(project)
    assert said in told
    assert "wrong-secret" not in told


@pytest.mark.servers
def test_store_that_takes_an_object_keeps_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    use_s3_directly(monkeypatch, store)
    before = store.objects(BUCKET)
    with served(mlflow_like(f"s3://{BUCKET}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
        seen = rakuten(project, "preflight", "--json")
    (found,) = [check for check in json.loads(seen.stdout) if check["name"] == "s3"]
    assert "takes objects" in found["detail"]
    assert store.objects(BUCKET) == before


@pytest.mark.servers
def test_store_that_is_away_is_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    warned: Warned,
    store: ObjectStore,
) -> None:
    use_s3_directly(monkeypatch, store, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    with served(mlflow_like(f"s3://{BUCKET}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
    (warning,) = warned()
    assert "rakuten runs resume" in warning


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ExpiredToken", 400, "session token has expired"),
        ("AccessDenied", 403, "refuses these credentials"),
        ("SlowDown", 503, None),
    ],
)
def test_answer_of_s3_is_a_refusal_or_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    status: int,
    said: str | None,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-value")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with served(error_xml(code, status)) as endpoint, served(mlflow_like("s3://box/1")) as uri:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        if said:
            assert said in refused(project)
        else:
            before_stage("train", project, load_settings())


@pytest.mark.servers
def test_remote_of_dvc_counts_only_where_it_will_be_pushed_to(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    (project.root / ".dvc").mkdir()
    use_remote(project, store.endpoint)
    use_s3_directly(monkeypatch, store)
    pulled = rakuten(project, "preflight", "--quiet")
    assert pulled.exit_code == 0
    assert "has no such bucket" in pulled.stdout
    assert rakuten(project, "preflight", "--quiet", "--push").exit_code == 1
    store.make_bucket("bucket")
    pushed = rakuten(project, "preflight", "--push")
    assert pushed.exit_code == 0, pushed.output
    assert "takes objects" in pushed.stdout
    assert store.objects("bucket") == {}
