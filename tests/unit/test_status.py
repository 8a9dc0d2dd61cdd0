"""What `churn status` and `churn history` show."""

from __future__ import annotations

import io
import warnings

import mlflow
import pytest
from rich.console import Console

from churn.core.errors import RegistryError
from churn.deploy import promotion, status
from tests.unit.releases import Candidates


def shown(what: object, candidates: Candidates) -> str:
    text = io.StringIO()
    what(candidates.registry, Console(file=text, width=200))  # type: ignore[operator]
    return text.getvalue()


def test_where_nothing_is_registered_it_says_how_to(candidates: Candidates) -> None:
    assert "churn release" in shown(status.show, candidates)
    with pytest.raises(RegistryError, match="churn release"):
        status.history(candidates.registry, Console())


def test_production_is_shown_with_its_lineage(candidates: Candidates) -> None:
    candidates.release(1)
    version = candidates.release(2).version
    text = shown(status.show, candidates)
    [production] = [line for line in text.splitlines() if line.strip().startswith("Production")]
    assert production.split()[1:4] == ["2", version.digest[:12], version.tags["commit"][:12]]
    assert version.digest in text
    assert version.tags["data_md5"] in text
    assert "main, run https://github.com/octo/shop/actions/runs/77" in text
    assert "number 12" in text
    assert "16 integration tests passed" in text


def test_the_same_as_markdown(candidates: Candidates) -> None:
    version = candidates.release(1).version
    versions = candidates.registry.versions()
    text = status.markdown(versions, True, "version 1 is in Production @octocat")
    assert text.startswith("## version 1 is in Production @\u200boctocat\n")
    assert f"| Production | `1` | `{version.digest[:12]}` |" in text
    assert f"- commit: `{version.tags['commit']}`" in text


def test_the_audit_trail_is_in_the_order_of_time(candidates: Candidates) -> None:
    candidates.release(1)
    candidates.release(2)
    promotion.rollback(candidates.registry, None, "night shift", "it was [bold]slow[/]")
    lines = shown(status.history, candidates).splitlines()
    told = [line.split()[2:4] for line in lines if line.strip().startswith("20")]
    assert told == [
        ["1", "registered"], ["1", "staging"], ["1", "tested"], ["1", "production"],
        ["2", "registered"], ["2", "staging"], ["2", "tested"], ["2", "production"],
        ["1", "rollback"],
    ]  # fmt: skip
    assert "it was [bold]slow[/]" in lines[-2]
    assert "night shift" in lines[-2]


def test_a_hand_on_the_stages_is_warned_of(candidates: Candidates) -> None:
    candidates.release(1)
    candidates.release(2)
    assert "the alias counts" not in shown(status.show, candidates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        mlflow.MlflowClient().transition_model_version_stage(
            candidates.registry.name, "1", "Production"
        )
    assert "version 1 is in stage Production, and its alias says neither" in shown(
        status.show, candidates
    )


def test_a_move_that_has_begun_and_not_ended_is_warned_of(candidates: Candidates) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"pending": "{}"})
    assert "a move was begun and not completed" in shown(status.show, candidates)
