"""A server follows the registry: new versions, rollbacks, canaries; and goes on without it.

What one server does from version to version is one story, told in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from churn.deploy import canary, canary_release, promotion
from churn.deploy.canary_release import Ending
from churn.provenance.candidate import model_digest
from churn.registry import Canary, Registry, Version
from churn.serve import log_reading
from tests.unit.conftest import copied, working_in
from tests.unit.releases import Candidates
from tests.unit.serve.running import Record, Running, eventually, serving

pytestmark = pytest.mark.long

COLUMNS = (
    "recency_days",
    "frequency",
    "monetary_value",
    "avg_order_value",
    "days_since_signup",
    "total_orders",
    "support_tickets",
    "age",
)


@pytest.fixture
def records(customers: pd.DataFrame) -> list[Record]:
    """Return customers with their ids, as a caller sends them."""
    chosen = customers[["customer_id", *COLUMNS]].head(200)
    found: list[Record] = json.loads(chosen.to_json(orient="records"))
    return found


def looking_often(released: Candidates, folder: Path) -> Path:
    """Make the folder of a server that looks at the registry often."""
    document = yaml.safe_load((released.roots[0] / "params.yaml").read_text())
    document["serve"] = {"poll_s": 0.5, "flush_s": 0.5, "log": "log", "drain_s": 5}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    return folder


@dataclass(frozen=True)
class Story:
    """A registry in which version 1 is in Production and version 2 is tested; and its server."""

    released: Candidates
    root: Path
    running: Running


@pytest.fixture(scope="module")
def _story(_second_tested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    with pytest.MonkeyPatch.context() as patch, copied(_second_tested, folder, patch) as found:
        root = looking_often(found, folder / "server")
        with serving(root) as running:
            yield Story(found, root, running)


@pytest.fixture
def story(_story: Story, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    with working_in(_story.root.parent, monkeypatch):
        yield _story


def offline(released: Candidates, number: int, records: list[Record]) -> list[float]:
    from churn.model import artifact

    model = artifact.load(released.roots[number - 1] / "build" / "candidate" / "model")
    return list(model.scores(pd.DataFrame(records)))


def answered(running: Running, records: list[Record]) -> list[float]:
    found = running.ask(records)
    assert found.status_code == 200, found.text
    return [one["probability"] for one in found.json()["predictions"]]


def test_a_challenger_in_the_shadow_predicts_and_does_not_answer(
    story: Story, records: list[Record]
) -> None:
    released, running = story.released, story.running
    canary.start(released.roots[1], released.registry, 2, Canary(1, shadow=True), "me", "look")
    eventually(lambda: running.number("churn_canary_share") == 1)
    assert answered(running, records) == offline(released, 1, records)
    since = datetime.now(UTC) - timedelta(minutes=1)
    eventually(lambda: len(log_reading.read(str(story.root / "log"), since)) == 2 * len(records))
    log = log_reading.read(str(story.root / "log"), since)
    shadow = log[log["role"] == "shadow"]
    assert list(shadow["probability"]) == offline(released, 2, records)
    assert list(shadow["customer_id"]) == [record["customer_id"] for record in records]
    canary.stop(released.registry, "me", "seen enough")
    eventually(lambda: running.number("churn_canary_share") == 0)
    assert [event.what for event in released.registry.version(2).events][-2:] == [
        "canary",
        "canary_stopped",
    ]


def test_a_challenger_answers_always_the_same_customers_until_it_is_promoted(
    story: Story, records: list[Record]
) -> None:
    released, running = story.released, story.running
    root = released.roots[1]
    canary.start(root, released.registry, 2, Canary(0.3, shadow=False), "me", "try it")
    eventually(lambda: running.number("churn_canary_share") == 0.3)
    alone = [running.version(record) for record in records]
    assert 0.15 < alone.count("2") / len(alone) < 0.45
    assert [running.version(record) for record in records[:40]] == alone[:40]
    expected = {str(number): offline(released, number, records) for number in (1, 2)}
    together = running.ask(records)
    assert together.headers["X-Model-Version"] == "1,2"
    found = [one["probability"] for one in together.json()["predictions"]]
    assert found == [expected[version][i] for i, version in enumerate(alone)]
    ending = Ending("me", "it is better")
    canary_release.promote(root, released.registry, ending, lambda step: None)
    eventually(lambda: {running.version(record) for record in records[:40]} == {"2"})
    eventually(lambda: running.number("churn_canary_share") == 0)
    assert released.registry.production() == released.registry.version(2)


def test_it_goes_on_without_the_registry_and_starts_without_it(
    story: Story, records: list[Record]
) -> None:
    running = story.running
    expected = answered(running, records)
    assert running.stop() == 0
    gone = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    with serving(story.root, environment=gone) as again:
        assert "begins with version 2 of the local copy" in again.text
        assert answered(again, records) == expected
        eventually(lambda: again.number("churn_registry_failures_total") >= 1)
        assert answered(again, records) == expected
        assert "what is served goes on" in again.text


def test_callers_get_each_version_and_its_very_bits(
    released: Candidates, records: list[Record], tmp_path: Path
) -> None:
    with serving(looking_often(released, tmp_path / "server")) as running:
        assert running.version(records[0]) == "1"
        assert answered(running, records) == offline(released, 1, records)
        released.release(2)
        eventually(lambda: running.version(records[0]) == "2")
        assert answered(running, records) == offline(released, 2, records)
        promotion.rollback(released.registry, None, "me", "it was not better")
        eventually(lambda: running.version(records[0]) == "1", 5)
        assert answered(running, records) == offline(released, 1, records)
        assert running.number("churn_model_served", version="1", scorer="compiled") == 1
        assert running.number("churn_model_served", version="2") == 0


def test_a_version_whose_files_were_changed_stays_out(
    released: Candidates, records: list[Record], tmp_path: Path
) -> None:
    with serving(looking_often(released, tmp_path / "server")) as running:
        made = released.release(2, until="integration").version
        for stored in tmp_path.glob("mlruns/**/artifacts/model"):
            if model_digest(stored) == made.digest:
                card = json.loads((stored / "model.json").read_text())
                (stored / "model.json").write_text(json.dumps({**card, "threshold": 0.9}))
        move_by_hand(released.registry, made)
        eventually(lambda: "its files were changed" in running.text)
        assert "version 1 goes on" in running.text
        assert running.version(records[0]) == "1"


def move_by_hand(registry: Registry, version: Version) -> None:
    with registry.locked("me"):
        registry.move(version, "production", "me", "without a check")


def test_a_server_for_which_nothing_is_in_production_says_what_to_do(
    candidates: Candidates, tmp_path: Path
) -> None:
    with serving(candidates.roots[0], wait=False) as found:
        assert found.process.wait(60) == 2
    assert "nothing is in Production" in found.text
    assert "churn release" in found.text
