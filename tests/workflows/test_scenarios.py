"""Pull requests of every kind: locally with `churn review`, and in the executed workflow.

Each changes something on a branch of a real repository and asks whether to merge it. The table is
small and the model fits in a moment; the commands, DVC, deepchecks and the environments are real.
Here: better and worse models, and other data.
"""

from __future__ import annotations

import re

import pandas as pd
import pytest
import yaml

from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit_with_lock, edit
from tests.workflows.reviews import Review

pytestmark = pytest.mark.long


def test_a_better_model_passes(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 1})
    commit_with_lock(branch, "hardly a model")
    branch.git("branch", "--force", "main")
    edit(branch, {"model.hyperparameters.max_iter": 60})
    commit_with_lock(branch, "a model")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert reviewed.head.startswith("## ✅ Merge: better than main: ROC AUC +0.")
    assert "**better**" in reviewed.report


@pytest.mark.exhaustive  # by default test_real_review.py shows it in the workflow
def test_a_stump_is_blocked_and_named(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
    commit_with_lock(branch, "stump")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.head.startswith("## ❌ Do not merge: ROC AUC is 0.")
    assert {"minimum of ROC AUC", "ROC AUC against main"} <= set(reviewed.failed)
    assert "**worse**" in reviewed.report


@pytest.mark.exhaustive
def test_main_s_limit_on_protected_slices_blocks_a_change_that_lifts_it(
    branch: Clone, review: Review
) -> None:
    edit(
        branch,
        {
            "evaluation.slices.numeric": ["support_tickets"],
            "evaluation.slices.protected": ["support_tickets"],
            "gates.fairness": {"selection_rate": 0.05},
        },
    )
    commit_with_lock(branch, "customers with many tickets are protected")
    branch.git("branch", "--force", "main")
    edit(
        branch, {"gates.fairness.selection_rate": 1.0, "model.hyperparameters.min_samples_leaf": 38}
    )
    commit_with_lock(branch, "another model, and no limit")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.failed == ["fairness, main's limits"]
    assert reviewed.head.startswith("## ❌ Do not merge: the slices of a protected column differ")
    assert "This change moves its own limits" in reviewed.report
    assert "### Protected slices" in reviewed.report
    assert "**significant**" in reviewed.report


@pytest.mark.exhaustive
def test_what_is_equal_within_noise_is_inconclusive_and_allowed(
    branch: Clone, review: Review
) -> None:
    edit(branch, {"model.hyperparameters.min_samples_leaf": 38})
    commit_with_lock(branch, "nearly the same")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert reviewed.head.startswith("## ✅ Merge: no worse than main within the margin")
    assert "inconclusive" in reviewed.report


@pytest.mark.exhaustive
def test_the_drift_of_other_data_is_visible_and_named(branch: Clone, review: Review) -> None:
    branch.run("churn", "synthesize", "--customers", "6000", "--seed", "4", "--drift", "14",
               "--output", "data/customers.csv")  # fmt: skip
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, "fourteen months later")

    reviewed = review(branch)

    data = reviewed.report.partition("### Data")[2]
    assert "| `days_since_signup` | large |" in data
    assert "`data.dvc`" in reviewed.report


def test_the_first_pull_request_ever_is_decided_by_minima_and_checks(
    branch: Clone, review: Review
) -> None:
    branch.git("switch", "--quiet", "--orphan", "empty")
    branch.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    branch.git("branch", "--force", "main")
    branch.git("switch", "--quiet", "change")
    branch.run("dvc", "checkout", "--quiet")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert "minima and checks pass; main has no pipeline yet" in reviewed.head


@pytest.mark.exhaustive
def test_a_slice_that_collapses_while_the_average_rises_is_blocked(
    branch: Clone, review: Review
) -> None:
    stump = {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}}
    edit(branch, stump | {"gates.minima": {"roc_auc": 0.6}})
    commit_with_lock(branch, "a stump on main")
    branch.git("branch", "--force", "main")
    edit(branch, {"model.hyperparameters": {"max_iter": 40, "max_depth": 4}})
    # Everybody who is older than 54 gets a guess, all others a far better model than before.
    branch.edit(
        "src/churn/model/artifact.py",
        "        return self.output.score(self.pipeline, X)\n",
        "        probability = self.output.score(self.pipeline, X)\n"
        "        old = X['age'].to_numpy() > 54\n"
        "        guess = (X['monetary_value'].to_numpy() * 7919 % 1)\n"
        "        return np.where(old, guess, probability)\n",
    )
    commit_with_lock(branch, "the old are guessed")

    reviewed = review(branch)

    assert not reviewed.passed, reviewed.report
    assert "| ROC AUC |" in reviewed.report
    assert "**better**" in next(x for x in reviewed.report.splitlines() if "| ROC AUC |" in x)
    # Out of fold nobody is guessed: the code that guesses is that of the model which is used.
    assert reviewed.failed == ["slices against main, held-out alone"]
    assert "worse than main in a slice, held-out alone: age" in reviewed.head


def give_it_away(branch: Clone, *sides: str) -> None:
    """Let those customers of a side churn who are likeliest to by the model that is there."""
    table = branch.root / "data/customers.csv"
    rows = pd.read_csv(table).set_index("customer_id", drop=False)
    files = [branch.root / f"build/predictions/{side}.parquet" for side in sides]
    said = pd.concat(map(pd.read_parquet, files))
    probability = said.set_index("customer_id")["probability"]
    likely = probability > probability.min()  # a stump knows two kinds of customers
    rows["churned"] = likely.reindex(rows.index).astype("Int64").fillna(rows["churned"])
    rows.to_csv(table, index=False)
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, "labels that the stump gets right")


STUMP = {"model.hyperparameters": {"max_iter": 1, "max_depth": 1, "learning_rate": 1.0}}


def test_a_stump_that_relabels_its_exam_is_worse_than_main_on_that_of_main(
    branch: Clone, review: Review
) -> None:
    edit(branch, STUMP)
    commit_with_lock(branch, "a stump")
    give_it_away(branch, "test")

    reviewed = review(branch)

    assert not reviewed.passed, reviewed.report
    assert "ROC AUC against main on main's customers" in reviewed.failed
    # On its own labels it is perfect; the training rows, which it has left alone, know better.
    assert not [name for name in reviewed.failed if "on its own customers, held-out" in name]
    assert "ROC AUC against main on its own customers" in reviewed.failed
    top = reviewed.report.partition("###")[0]
    assert re.search(r"[1-9]\d\d relabelled", top), top


@pytest.mark.exhaustive
def test_a_table_that_is_accepted_is_decided_by_its_own_exam_for_this_once(
    branch: Clone, review: Review
) -> None:
    edit(branch, STUMP)
    commit_with_lock(branch, "a stump")
    give_it_away(branch, "train", "test")
    md5 = yaml.safe_load((branch.root / "data.dvc").read_text())["outs"][0]["md5"]
    edit(branch, {"gates.accept": md5})
    commit_with_lock(branch, "and its permission")

    accepted = review(branch)

    assert accepted.passed, accepted.report
    assert accepted.head.startswith("## ⚠️ Changes its own limits: worse than main")

    branch.git("branch", "--force", "main")
    table = branch.root / "data/customers.csv"
    rows = pd.read_csv(table)
    rows.assign(churned=1 - rows["churned"]).to_csv(table, index=False)
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, "yet another table, with the permission of the change before")

    again = review(branch)

    assert not again.passed, again.report
    assert "ROC AUC against main on main's customers" in again.failed
