"""Limits that suit a table: found on a first model, and by what the table is like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.core import params
from churn.core.paths import Workspace
from churn.core.progress import silent
from churn.init import check_limits, choices, trial
from churn.init.asking import Asker
from churn.init.decisions import Decision, written
from churn.init.reading import read
from churn.init.table import Wishes, describe
from churn.init.trial import Trial
from churn.model import artifact
from churn.stages import evaluate, prepare, train, validate
from churn.validation import program
from tests import warm
from tests.conftest import PARAMS
from tests.unit.init.tables import shop

SHIPPED = PARAMS.read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def warm_checks() -> Iterator[None]:
    """Let the checks' program start at once."""
    with pytest.MonkeyPatch.context() as patch:
        if warm.is_possible():
            python = warm.checks_python(program.checks_python())
            patch.setenv(program.PYTHON_VARIABLE, str(python))
        yield


def tried(frame: pd.DataFrame, folder: Path, text: str = SHIPPED) -> Trial:
    file = folder / "shop.csv"
    frame.to_csv(file, index=False)
    table = describe(read(file), Wishes(), Asker("shop.csv", True, False))
    decided = [
        *choices.decide(table, "data/shop.csv"),
    ]
    return trial.run(text, decided, file, silent)


def by_key(found: Trial, key: str) -> list[Decision]:
    return [decision for decision in found.decisions if decision.path[-1] == key]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Return what is chosen for 500 customers; tests do not change it."""
    folder = tmp_path_factory.mktemp("small")
    found = tried(shop(500), folder)
    # All of it was done in a temporary folder.
    assert [path.name for path in folder.iterdir()] == ["shop.csv"]
    return found


@pytest.mark.long
def test_a_small_table_gets_wider_margins_and_keeps_the_limits_of_drift(small: Trial) -> None:
    found = small
    assert found.guessing == ()
    margins = {d.path[-1]: d.value for d in found.decisions if d.path[:2] == ("gates", "margins")}
    assert margins["roc_auc"] > 0.01  # which suits 10,000 customers
    assert set(margins) == {"roc_auc", "average_precision", "cost", "brier"}
    minima = {d.path[-1]: d.value for d in found.decisions if d.path[:2] == ("gates", "minima")}
    assert 0.5 < minima["roc_auc"] < 0.8
    # The checks take off what chance does themselves.
    assert not [d for d in found.decisions if "drift" in str(d.path)]
    assert all(decision.why for decision in found.decisions)


@pytest.mark.long
def test_properties_of_the_table_raise_the_limits_that_they_would_exceed(tmp_path: Path) -> None:
    frame = shop(500)
    frame.loc[::3, "spent"] = np.nan
    frame.loc[::2, "country"] = frame["country"].str.lower()
    frame = pd.concat([frame, frame.iloc[:100].assign(client=[f"D{i}" for i in range(100)])])
    found = tried(frame, tmp_path)
    [nulls] = by_key(found, "percent_of_nulls_not_greater_than")
    assert nulls.value == pytest.approx(np.ceil(100 * 1.25 * frame["spent"].isna().mean()) / 100)
    assert "missing cells" in nulls.why[0]
    [twice] = [d for d in by_key(found, "ratio_less_or_equal") if "data_integrity" in d.path]
    share = frame.drop(columns="client").duplicated().mean()
    assert twice.value == pytest.approx(np.ceil(125 * share) / 100)
    [variants] = [d for d in found.decisions if isinstance(d.value, dict)]
    assert variants.value == {"number_variants_less_or_equal": 2}
    # What looks for a copy of the target stays.
    assert by_key(found, "feature_pps_less_than") == []


@pytest.mark.long
def test_a_model_that_only_guesses_is_told_and_its_minimum_is_above_it(tmp_path: Path) -> None:
    frame = shop(500)
    frame["left"] = np.random.default_rng(5).permutation(frame["left"])
    found = tried(frame, tmp_path)
    assert found.guessing
    minima = {d.path[-1]: d.value for d in found.decisions if d.path[:2] == ("gates", "minima")}
    assert minima["roc_auc"] > 0.52


@pytest.mark.long
def test_a_table_on_which_a_simple_tree_is_as_good_needs_no_gain(tmp_path: Path) -> None:
    """Who leaves depends on one column only."""
    [gain] = by_key(tried(shop(3000), tmp_path), "gain_greater_than")
    assert gain.value == 0
    assert "a simple tree is about as good" in gain.why[0]


@pytest.mark.long
def test_the_limits_of_a_small_table_block_a_drift_and_not_chance(tmp_path: Path) -> None:
    file, text = tmp_path / "shop.csv", SHIPPED
    shop(500).to_csv(file, index=False)
    table = describe(read(file), Wishes(), Asker("shop.csv", True, False))
    decided = choices.decide(table, "data/shop.csv")
    workspace = Workspace(tmp_path)
    workspace.params.write_text(
        written(text, [*decided, *trial.run(text, decided, file, silent).decisions])
    )
    settings = params.load(workspace.params)
    prepare.write(workspace, settings, file)
    train.write(workspace, settings)
    evaluate.write(workspace, settings, artifact.load(workspace.model))
    drift = tuple(one for one in settings.checks.train_test if one.check == "FeatureDrift")
    only = settings.checks.model_copy(
        update={"data_integrity": (), "train_test": drift, "model": ()}
    )

    [healthy] = validate.check(workspace, settings, only).checks
    assert healthy.status == "passed"
    held_out = pd.read_parquet(workspace.split("test"))
    moved = held_out.assign(days_since_last=held_out["days_since_last"] + 120)
    moved.to_parquet(workspace.split("test"), index=False)
    [drifted] = validate.check(workspace, settings, only).checks
    assert drifted.status == "failed"
    assert "days_since_last" in str(drifted.details)


def test_the_limits_that_a_table_starts_from_are_those_that_are_shipped() -> None:
    shipped = {}
    for listed in yaml.safe_load(SHIPPED)["checks"].values():
        for check in listed if isinstance(listed, list) else ():
            for condition, value in check["conditions"].items():
                parts = value if isinstance(value, dict) else {condition: value}
                shipped |= {(check["check"], key): limit for key, limit in parts.items()}
    assert shipped | check_limits.SHIPPED == shipped


@pytest.mark.long
def test_what_was_raised_for_another_table_is_lowered_again(small: Trial, tmp_path: Path) -> None:
    frame = shop(500)
    frame.loc[::3, "spent"] = np.nan
    frame.loc[::2, "country"] = frame["country"].str.lower()
    raised = written(SHIPPED, tried(frame, tmp_path).decisions)
    again = tried(shop(500), tmp_path, raised)
    # Beside what needs no reason, because it is as it was shipped.
    assert [decision for decision in again.decisions if decision.why] == list(small.decisions)
    assert written(raised, again.decisions) == written(SHIPPED, small.decisions)
