"""Both ways of serving read one file, and a file that says nothing usable is named."""

from pathlib import Path

import pytest

from rakuten.errors import ConfigurationError
from rakuten.flows.serving import read_deployments, serve_flows
from tests.conftest import REPOSITORY


def test_the_committed_file_names_both_flows_with_their_schedules() -> None:
    found = {one["name"]: one for one in read_deployments(REPOSITORY)}
    assert set(found) == {"pipeline", "monitor"}
    for name, function in (("pipeline", "rakuten_pipeline"), ("monitor", "monitor")):
        assert found[name]["entrypoint"] == f"rakuten.flows.{name}.{function}"
        assert len(found[name]["schedules"]) == 1


@pytest.mark.parametrize("text", [None, "", "deployments:", "deployments: 7", "a: [", "- a"])
def test_a_file_without_deployments_is_an_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="names no deployments"):
        read_deployments(tmp_path)


def test_serving_needs_a_server(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings(restore_defaults=[PREFECT_API_URL]),
        pytest.raises(ConfigurationError, match="need a Prefect server"),
    ):
        serve_flows(tmp_path)
