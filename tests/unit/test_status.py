"""What `churn status` and `churn history` show."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace

import mlflow
import pytest
from rich.console import Console

from churn.core.errors import RegistryError
from churn.deploy import promotion, status
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long


def shown(what: object, candidates: Candidates) -> str:
    text = io.StringIO()
    what(candidates.registry, Console(file=text, width=200))  # type: ignore[operator]
    return text.getvalue()


def test_where_nothing_is_registered_it_says_how_to(candidates: Candidates) -> None:
    assert "churn release" in shown(status.show, candidates)
    with pytest.raises(RegistryError, match="churn release"):
        status.history(candidates.registry, Console())


def test_production_is_shown_with_its_lineage(released: Candidates) -> None:
    version = released.release(2).version
    text = shown(status.show, released)
    [production] = [line for line in text.splitlines() if line.strip().startswith("Production")]
    assert production.split()[1:4] == ["2", version.digest[:12], version.tags["commit"][:12]]
    assert version.digest in text
    assert version.tags["data_md5"] in text
    assert "commit, run https://github.com/octo/shop/actions/runs/77" in text
    assert "number 12" in text
    assert "16 integration tests passed" in text


def summary(candidates: Candidates, title: str = "done") -> str:
    versions = candidates.registry.versions()
    metrics = {version.number: candidates.registry.metrics(version) for version in versions}
    return status.markdown(versions, True, title, metrics)


def test_a_summary_is_about_the_version_that_came_into_production(released: Candidates) -> None:
    version = released.release(2).version
    text = summary(released, "version 2 is in Production @octocat")
    assert text.startswith("## version 2 is in Production @\u200boctocat\n")
    assert "Version 2 replaced version 1, by " in text
    assert "| held-out customers | version 2 | version 1 |" in text
    assert f"| Production | `2` | `{version.digest[:12]}` |" in text
    assert "### Lineage of version 2" in text
    assert f"- commit: `{version.tags['commit']}`" in text


def test_who_approves_sees_the_version_that_waits(released: Candidates) -> None:
    waiting = released.release(2, until="integration").version
    text = summary(released)
    assert "Version 2 is in Staging. In Production it would replace version 1." in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ROC AUC")]
    [[_, of_waiting, of_production]] = rows
    metrics = released.registry.metrics(waiting)
    assert of_waiting == f"{metrics['test_roc_auc']:.3f}"
    assert of_production.rstrip(" |").replace(".", "").isdigit()
    assert "### Lineage of version 2" in text


def test_the_first_version_that_waits_replaces_nothing(candidates: Candidates) -> None:
    candidates.release(1, until="staging")
    text = summary(candidates)
    assert "Version 1 is in Staging. Nothing is in Production yet." in text
    assert "| held-out customers | version 1 |\n" in text


def test_the_first_version_in_production_has_replaced_none(released: Candidates) -> None:
    assert "Version 1 is the first in Production, by " in summary(released)


def test_a_rollback_says_why_and_from_what(released: Candidates) -> None:
    released.release(2)
    promotion.rollback(released.registry, None, "night shift", "twice the *complaints*")
    text = summary(released)
    assert "Version 1 was put back in place of version 2, by night shift: twice the" in text
    assert "*complaints*" not in text
    assert "| held-out customers | version 1 | version 2 |" in text


def test_metrics_of_a_run_that_is_gone_are_unknown(candidates: Candidates) -> None:
    version = candidates.release(1).version
    assert candidates.registry.metrics(replace(version, run_id="0" * 32)) == {}
    text = status.markdown(candidates.registry.versions(), True, "done", {})
    assert "| all metrics | unknown |" in text


def test_the_audit_trail_is_in_the_order_of_time(released: Candidates) -> None:
    released.release(2)
    promotion.rollback(released.registry, None, "night shift", "it was [bold]slow[/]")
    lines = shown(status.history, released).splitlines()
    told = [line.split()[2:4] for line in lines if line.strip().startswith("20")]
    assert told == [
        ["1", "registered"], ["1", "staging"], ["1", "tested"], ["1", "production"],
        ["2", "registered"], ["2", "staging"], ["2", "tested"], ["2", "production"],
        ["1", "rollback"],
    ]  # fmt: skip
    assert "it was [bold]slow[/]" in lines[-2]
    assert "night shift" in lines[-2]


def test_a_hand_on_the_stages_is_warned_of(released: Candidates) -> None:
    released.release(2)
    assert "the alias counts" not in shown(status.show, released)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        mlflow.MlflowClient().transition_model_version_stage(
            released.registry.name, "1", "Production"
        )
    assert "version 1 is in stage Production, but its alias says neither" in shown(
        status.show, released
    )


def test_a_move_that_has_begun_and_not_ended_is_warned_of(candidates: Candidates) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"pending": "{}"})
    assert "a move is incomplete" in shown(status.show, candidates)
