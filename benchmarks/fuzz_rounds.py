"""Rounds of generated requests: each operation in its turn, every answer held to the document."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import requests
import schemathesis
from fuzz_cases import FORM, PICTURES, Material, has_inputs, tell
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving_shop import run, service

Operation = APIOperation[Any, Any, Any, Any]
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROUNDS: Final = 4
KNOWN: Final = 12
PREDICT: Final = "POST /v1/predict"
SECRET: Final = "a secret of this run alone"  # noqa: S105 - of a service that lives a minute
_ANSWERED: Final = re.compile(r'rakuten_requests_total\{route="(.+)",status="(\d+)"\} (.+)')


@dataclass
class Found:
    """What the run brought: operation → status → requests, and what went wrong, once each."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, operation: str, title: str, curl: str) -> None:
        """Remember a failure with the shortest line that shows it."""
        known = self.failures.get((operation, title))
        if known is None or len(curl) < len(known):
            self.failures[operation, title] = curl

    @property
    def total(self) -> int:
        """Requests."""
        return sum(counts.total() for counts in self.statuses.values())


@dataclass(frozen=True)
class Target:
    """The service, and how to talk to it."""

    url: str
    key: str
    session: requests.Session

    def answered(self) -> Counter[tuple[str, str]]:
        """Requests by route and status, as the service counts them."""
        text = self.session.get(f"{self.url}/metrics", timeout=10).text
        return Counter({(m[1], m[2]): int(float(m[3])) for m in _ANSWERED.finditer(text)})

    def predict(self, title: str, text: str) -> str:
        """The id of an answer for a product with a picture."""
        answer = self.session.post(
            f"{self.url}/v1/predict",
            data={"designation": title, "description": text},
            files={"image": PICTURES[0]},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=10,
        )
        return str(answer.json()["prediction_id"])


@dataclass(frozen=True)
class Run:
    """One round: whom to ask, with what, and where to write down what happens."""

    target: Target
    material: Material
    random: Random
    found: Found


def send(case: Case[Any], run: Run) -> None:
    """One request, and everything that is to be said of its answer."""
    tell(case, run.material, run.random)
    label = case.operation.label
    answer = case.call(session=run.target.session, timeout=30)
    run.found.statuses.setdefault(label, Counter())[answer.status_code] += 1
    titles = []
    # In a form everything is text: a number in place of one is none on the wire.
    checks = [*CHECKS] if case.media_type == FORM else [*CHECKS, negative_data_rejection]
    try:
        case.validate_response(answer, checks=checks)
    except FailureGroup as group:
        titles = [f"{failure.title}: {failure.message}" for failure in group.exceptions]
    has_key = case.headers.get("Authorization") == f"Bearer {run.target.key}"
    if "security" in case.operation.definition.raw and not has_key and answer.status_code != 401:
        titles.append("Opened without a key")
    for title in titles:
        curl = case.as_curl_command().replace("[Filtered]", "Bearer $KEY")
        run.found.add(label, f"{answer.status_code}, {' '.join(title.split())}", curl)


def fuzz(operation: Operation, count: int, mode: GenerationMode, run: Run, first: int) -> None:
    """Send ``count`` requests; where there are fewer different ones, some are repeated."""
    sent, number = 0, first

    def send_one(case: Case[Any]) -> None:
        nonlocal sent
        sent += 1
        send(case, run)

    while sent < count:
        quiet = settings(
            max_examples=count - sent,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        made = operation.as_strategy(mode)
        seed(number)(quiet(given(case=made)(send_one)))()
        number += 1


def run_rounds(target: Target, products: list[tuple[str, str]], total: int, start: int) -> Found:
    """All operations in turns, deletions last, each round with new answers to ask for."""
    document = f"{target.url}/openapi.json"
    schema = schemathesis.openapi.from_url(document, config=schemathesis.Config())
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    random, found = Random(start), Found()  # noqa: S311 - the same turn every time
    each = -(-total // 32 // ROUNDS)
    most = total // ROUNDS - each * (len(operations) - 1)
    for number in range(ROUNDS):
        ids = [target.predict(*product) for product in random.sample(products, KNOWN)]
        run = Run(target, Material(ids, products, SECRET, target.key), random, found)
        random.shuffle(operations)
        operations.sort(key=lambda operation: operation.method == "delete")
        for operation in operations:
            count = most if operation.label == PREDICT else each
            against = count // 5 if has_inputs(operation) else 0
            first = start + 1000 * number
            fuzz(operation, count - against, GenerationMode.POSITIVE, run, first)
            fuzz(operation, against, GenerationMode.NEGATIVE, run, first)
        print(f"round {number + 1} of {ROUNDS}: {found.total:,} requests", flush=True)
    return found


@contextmanager
def target_of(project: Path, root: Path) -> Iterator[Target]:
    """The service around a project's champion, with a key that has every scope."""
    root.mkdir()
    environment = {"RAKUTEN_SERVE_WEBHOOK_SECRET": SECRET}
    scopes = [word for scope in ("predict", "review", "admin") for word in ("--scope", scope)]
    key = run("keys", "create", "fuzz", *scopes, folder=root, environment=environment).strip()
    with service(project, root, environment) as contender, requests.Session() as session:
        yield Target(contender.url.removesuffix("/v1/predict"), key, session)
