"""Things break, and who has to know is told; they mend, and that is told too.

The service, PostgreSQL, an MLflow server on PostgreSQL and S3, flows with a Prefect server, the
exporter, Prometheus and Alertmanager are real processes. The test plays the shop, breaks things,
and takes the messages.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.observability.evaluate import table, table_text
from rakuten.params import Params
from tests.integration.test_loop import environment, make_project, rakuten
from tests.integration.watched_shop import STORE, Shop, watched_shop
from tests.observability.catalogue import RECORDED
from tests.servers.mlflow_server import TrackingServer
from tests.servers.postgres import postgres
from tests.servers.prefect_server import PrefectServer
from tests.servers.prometheus import eventually
from tests.store.conftest import postgres_url

pytestmark = pytest.mark.servers


@pytest.fixture
def shop(
    server: TrackingServer, prefect: PrefectServer, quick_params: Params, tmp_path: Path
) -> Iterator[Shop]:
    root = tmp_path / "project"
    make_project(root, quick_params)
    with postgres() as store:
        store.make_database(STORE)
        variables = environment(root, server, prefect, postgres_url(store, STORE))
        names = {"MLFLOW_MODEL_NAME": STORE, "MLFLOW_EXPERIMENT_NAME": STORE}
        with watched_shop(tmp_path, root, {**variables, **names}, store) as running:
            yield running


def test_what_breaks_and_mends_is_told_and_every_panel_shows_something(shop: Shop) -> None:
    began = time.time()
    shop.told("RakutenNoModel", severity="page", scope="service")
    assert "version 1 is champion now" in rakuten(
        shop.root, shop.variables, "flow", "run", "pipeline"
    )
    shop.mended("RakutenNoModel", scope="service")

    shop.sell(seed=1, labels=0.6)
    shop.check()
    eventually(lambda: shop.prometheus.value('rakuten_drift_state{state="none"}') == 1)
    assert [one for one in shop.prometheus.alerts() if one["state"] == "firing"] == []

    with shop.visitors():
        shop.store.process.stop()
        shop.told("RakutenStoreAway", severity="page")
        shop.told("RakutenSpoolNearlyFull", severity="page")
        shop.told("RakutenAvailabilityBurn", severity="page")
        shop.store.process.start()
        shop.mended("RakutenStoreAway")
        shop.mended("RakutenSpoolNearlyFull")
    assert not shop.pager.told("RakutenExporterBlind")  # muted: it follows from the store

    shop.sell("missing-photos", seed=2, labels=0.6)
    shop.check()
    shop.told("RakutenDrift", severity="ticket", drift="critical")
    eventually(lambda: "RakutenPhotosMissing" in shop.pager.checks)
    shop.sell(seed=3, labels=0.6)
    shop.check()
    shop.mended("RakutenDrift", drift="critical")

    with shop.visitors():
        eventually(lambda: [name for name in RECORDED if not shop.prometheus.query(name)] == [])
        rows = table(shop.prometheus.url, shop.span(began))
    sys.stdout.write(table_text(rows))
    assert [row for row in rows if row.state not in ("ok", "quiet")] == []
    assert [rule for rule in shop.prometheus.rules() if rule["health"] != "ok"] == []
