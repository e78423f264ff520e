"""Alertmanager's configuration: nothing is dropped, no secret is in it."""

import re

from rakuten.flows.webhook import CHECK, TELL
from rakuten.observability.alertmanager import (
    CHECK_PATH,
    TELL_PATH,
    Receivers,
    alertmanager_config,
)
from rakuten.observability.alerts import all_alerts
from rakuten.observability.timescale import TimeScale
from tests.conftest import REPOSITORY

SCALE = TimeScale()


def test_the_webhook_hears_the_paths_that_are_configured() -> None:
    assert (TELL_PATH, CHECK_PATH) == (TELL, CHECK)


def test_every_severity_reaches_people_without_a_secret() -> None:
    config = alertmanager_config(SCALE, Receivers())
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    assert set(receivers) == {alert.severity for alert in all_alerts(SCALE)}
    for receiver in receivers.values():
        first = receiver["webhook_configs"][0]
        assert first == {"url": "http://127.0.0.1:9110/alerts", "send_resolved": True}
    assert config["route"]["receiver"] == "ticket"  # of whatever has no severity, too


def test_a_check_is_asked_for_with_a_token_from_a_file_and_not_when_it_is_over() -> None:
    receivers = Receivers(token_file="/run/secrets/other")
    (check,) = [
        r for r in alertmanager_config(SCALE, receivers)["receivers"] if r["name"] == "check"
    ]
    hook = check["webhook_configs"][1]
    assert hook["http_config"] == {"authorization": {"credentials_file": "/run/secrets/other"}}
    assert hook["send_resolved"] is False


def test_the_committed_file_holds_no_secret() -> None:
    text = (REPOSITORY / "deploy/alertmanager/alertmanager.yml").read_text()
    keys = set(re.findall(r"^\s*(?:- )?(\w+):", text, re.MULTILINE))
    secret = {"credentials", "api_url", "routing_key", "service_key", "password", "bearer_token"}
    assert not keys & secret


def test_names_that_mute_and_are_muted_exist() -> None:
    names = {alert.name for alert in all_alerts(SCALE)}
    for rule in alertmanager_config(SCALE, Receivers())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            assert set(re.findall(r"Rakuten\w+", matcher)) <= names
