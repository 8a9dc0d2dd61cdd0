"""Pull requests of every kind: at the desk with `churn review`, and in the executed workflow.

Each changes something on a branch of a real repository and asks whether to merge it. The table is
small and the model fits in a moment; the commands, DVC, deepchecks and the environments are real.
Here: better and worse models, and other data.
"""

from __future__ import annotations

from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit_with_lock, edit
from tests.workflows.reviews import Review


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


def test_a_stump_is_blocked_and_named(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
    commit_with_lock(branch, "stump")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.head.startswith("## ❌ Do not merge: ROC AUC is 0.")
    assert {"minimum of ROC AUC", "ROC AUC against main"} <= set(reviewed.failed)
    assert "**worse**" in reviewed.report


def test_what_is_equal_within_noise_is_inconclusive_and_allowed(
    branch: Clone, review: Review
) -> None:
    edit(branch, {"model.hyperparameters.min_samples_leaf": 38})
    commit_with_lock(branch, "nearly the same")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert reviewed.head.startswith("## ✅ Merge: no worse than main within the margin")
    assert "inconclusive" in reviewed.report


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
    assert "minima and checks are kept; main has no pipeline yet" in reviewed.head


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
        "        return probability\n",
        "        old = X['age'].to_numpy() > 54\n"
        "        guess = (X['monetary_value'].to_numpy() * 7919 % 1)\n"
        "        return np.where(old, guess, probability)\n",
    )
    commit_with_lock(branch, "the old are guessed")

    reviewed = review(branch)

    assert not reviewed.passed, reviewed.report
    assert "| ROC AUC |" in reviewed.report
    assert "**better**" in next(x for x in reviewed.report.splitlines() if "| ROC AUC |" in x)
    assert reviewed.failed == ["slices against main"]
    assert "worse than main in a slice: age" in reviewed.head
