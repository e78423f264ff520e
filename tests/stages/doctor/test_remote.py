"""HTTP remotes of DVC say whether they let this user in, soon, and without showing passwords."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths
from tests.servers.http_store import HttpStore, http_store
from tests.stages.doctor.conftest import Respond, examine, hang, only, served


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HttpStore]:
    with http_store(tmp_path / "store") as running:
        yield running


def use(paths: ProjectPaths, url: str, **options: str) -> None:
    lines = [f"    {name} = {value}" for name, value in {"url": url, **options}.items()]
    (paths.root / ".dvc/config.local").write_text("\n".join(["['remote \"origin\"']", *lines]))


@pytest.mark.parametrize(
    ("options", "state", "said"),
    [
        ({"auth": "basic", "user": "{user}", "password": "{password}"}, "ok", "with credentials"),
        ({"auth": "basic", "user": "{user}", "password": "wrong"}, "failed", "refuses user"),
        ({"auth": "basic", "user": "nobody", "password": "{password}"}, "failed", "refuses user"),
        ({"auth": "basic", "user": "{user}"}, "failed", "no password"),
        ({"auth": "basic", "password": "{password}"}, "failed", "no user"),
        ({"auth": "basic", "user": "{user}", "ask_password": "true"}, "skipped", "at each push"),
        ({}, "failed", "asks for credentials (401)"),
    ],
)
def test_http_remote_says_whether_it_lets_this_user_in(
    paths: ProjectPaths, store: HttpStore, options: dict[str, str], state: str, said: str
) -> None:
    known = {"user": store.user, "password": store.password}
    use(paths, store.url, **{name: value.format(**known) for name, value in options.items()})
    found = only(examine(paths)["remote"], state)
    assert said in found.detail
    assert store.url in found.detail
    assert store.password not in f"{found}"
    assert store.objects == {}


def test_address_that_is_not_there_is_a_warning(paths: ProjectPaths, store: HttpStore) -> None:
    other = store.url.replace("products", "another")
    use(paths, other, auth="basic", user=store.user, password=store.password)
    found = only(examine(paths)["remote"], "warning")
    assert "is not there (404)" in found.detail
    assert "dvc remote modify origin url" in found.hint


@pytest.mark.parametrize(
    ("respond", "state", "said"),
    [
        (lambda _: (200, ""), "ok", "answers without credentials"),
        (lambda _: (302, ""), "failed", "sends elsewhere (302)"),
        (lambda _: (503, ""), "failed", "error 503"),
        (hang, "failed", "did not answer in time"),
    ],
)
def test_http_remote_that_is_no_store_is_named(
    paths: ProjectPaths, respond: Respond, state: str, said: str
) -> None:
    with served(respond) as url:
        use(paths, url)
        assert said in only(examine(paths)["remote"], state).detail


def test_absent_http_remote_fails_soon(paths: ProjectPaths) -> None:
    use(paths, "http://someone:very-secret@127.0.0.1:9/x")
    found = only(examine(paths)["remote"], "failed")
    assert "refuses connections" in found.detail
    assert "very-secret" not in f"{found}"


def test_project_without_a_remote_is_shown_the_page(paths: ProjectPaths) -> None:
    assert "docs/remotes.md" in only(examine(paths)["remote"], "skipped").detail


def test_remote_that_is_not_the_default_is_not_asked(paths: ProjectPaths) -> None:
    use(paths, "http://127.0.0.1:9/x")
    with (paths.root / ".dvc/config").open("a") as handle:
        handle.write("    remote = here\n['remote \"here\"']\n    url = /tmp/nowhere\n")
    assert "of a kind that is not asked" in only(examine(paths)["remote"], "skipped").detail
