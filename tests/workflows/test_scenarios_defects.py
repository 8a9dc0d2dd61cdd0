"""Pull requests of every kind: locally with `churn review`, and in the executed workflow.

Each changes something on a branch of a real repository and asks whether to merge it. The table is
small and the model fits in a moment; the commands, DVC, deepchecks and the environments are real.
Here: what is not as it should be, and what changes no model.
"""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.exhaustive import rest_by_night
from tests.pipeline.conftest import Clone
from tests.pipeline.small import CHECKS, commit, commit_with_lock, edit
from tests.workflows.reviews import Review

pytestmark = pytest.mark.long


# Locally the command trusts what was computed before, and the workflow does not.
@pytest.mark.parametrize("review", ["local", "workflow"], indirect=True)
def test_documents_alone_train_nothing(branch: Clone, review: Review) -> None:
    (branch.root / "README.md").write_text("# Other words\n")
    commit(branch, "words")
    shutil.rmtree(branch.root / "build")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert not reviewed.trained
    assert "No change to the model" in reviewed.head
    assert reviewed.manifest["model_digest"] is None


@pytest.mark.parametrize(
    "review", rest_by_night(["local", "workflow"], ["workflow"]), indirect=True
)
def test_a_stale_lock_is_blocked_with_the_way_to_mend_it(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 41})
    commit(branch, "and no dvc repro")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.trained
    assert reviewed.failed == ["dvc.lock"]
    assert "run dvc repro and dvc push, and commit dvc.lock" in reviewed.head


@pytest.mark.parametrize(
    "review",
    ["local", pytest.param("workflow", marks=pytest.mark.exhaustive)],
    indirect=True,
)
@pytest.mark.exhaustive
def test_a_changed_helper_module_is_retrained(branch: Clone, review: Review) -> None:
    with (branch.root / "src/churn/model/threshold.py").open("a") as file:
        file.write("\n# changed\n")
    commit(branch, "a helper")

    reviewed = review(branch)

    assert reviewed.trained
    assert reviewed.manifest["model_digest"] is not None
    assert "identical" in reviewed.report


@pytest.mark.exhaustive
def test_a_check_that_crashes_is_blocked(branch: Clone, review: Review) -> None:
    crashing = {
        "check": "TrainTestPerformance",
        "arguments": {"scorers": ["no such scorer"]},
        "conditions": {"train_test_relative_degradation_less_than": 0.9},
    }
    edit(branch, {"checks.model": [*CHECKS["model"], crashing]})
    commit_with_lock(branch, "a check that cannot run")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.failed == ["deepchecks, its own limits"]
    assert "TrainTestPerformance crashed" in reviewed.head
    assert "This change moves its own limits" in reviewed.report


def test_a_metric_that_is_no_number_is_blocked(branch: Clone, review: Review) -> None:
    branch.edit(
        "src/churn/model/artifact.py",
        "        return self.output.score(self.pipeline, X)\n",
        "        return self.output.score(self.pipeline, X) * float('nan')\n",
    )
    commit(branch, "nan")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.verdict["outcome"] == "stopped"
    assert "not a number from 0 to 1" in reviewed.head


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("model", marks=[pytest.mark.both_ways, pytest.mark.exhaustive]),
        pytest.param("metrics", marks=pytest.mark.exhaustive),
        "rows",
    ],
)
def test_results_that_the_inputs_do_not_give_are_blocked(
    forged: str, branch: Clone, review: Review
) -> None:
    # What main's dvc.lock names is what later pull requests are compared with, and what a
    # teammate's next `dvc repro` goes on from.
    if forged == "metrics":
        said = json.loads((branch.root / "reports/metrics.json").read_text())["test"]["roc_auc"]
        branch.edit("reports/metrics.json", f'"roc_auc": {said}', '"roc_auc": 0.999')
    elif forged == "rows":
        file = branch.root / "build/train.parquet"
        true, right = output_md5(branch, "build/train.parquet"), file.read_bytes()
        rows = pd.read_parquet(file)
        rows.assign(churned=1 - rows["churned"]).to_parquet(file, index=False)
        branch.run("dvc", "commit", "--quiet", "--force", "prepare")
        branch.run("dvc", "push", "--quiet")
        wrong = output_md5(branch, "build/train.parquet")
        branch.git("checkout", "--quiet", "--", "dvc.lock")
        branch.edit("dvc.lock", true, wrong)
        file.write_bytes(right)
    else:
        true, params = output_md5(branch), (branch.root / "params.yaml").read_text()
        edit(branch, {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
        branch.run("dvc", "repro", "--quiet", "validate")
        branch.run("dvc", "push", "--quiet")
        stump = output_md5(branch)
        branch.git("checkout", "--quiet", "--", "dvc.lock", "reports")
        (branch.root / "params.yaml").write_text(params)
        branch.edit("dvc.lock", true, stump)
    commit(branch, "innocent")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.failed == ["committed results"]
    paths = {"metrics": "reports/metrics.json", "rows": "build/train.parquet"}
    assert paths.get(forged, "build/model") in reviewed.head


def output_md5(clone: Clone, path: str = "build/model") -> str:
    lock = yaml.safe_load((clone.root / "dvc.lock").read_text())
    outs = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
    [md5] = [out["md5"] for out in outs if out["path"] == path]
    return md5


LOWER = {"gates.minima": {"roc_auc": 0.5}, "gates.margins": {"roc_auc": 0.5},
         "gates.slice_margins": {}}  # fmt: skip


def test_a_change_that_brings_its_own_limits_is_judged_by_those_of_main(
    branch: Clone, review: Review
) -> None:
    edit(branch, LOWER | {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
    commit_with_lock(branch, "a stump, and limits that it keeps")

    reviewed = review(branch)

    assert not reviewed.passed
    assert {"minimum of ROC AUC, main's limits", "ROC AUC against main, main's limits"} <= set(
        reviewed.failed
    )
    assert not any("its own limits" in name for name in reviewed.failed)
    assert reviewed.head.startswith("## ❌ Do not merge: ROC AUC is 0.")


@pytest.mark.exhaustive
def test_a_change_of_limits_alone_is_for_a_person_to_decide(branch: Clone, review: Review) -> None:
    edit(branch, LOWER)
    commit_with_lock(branch, "looser")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert reviewed.head.startswith("## ⚠️ Changes its own limits: ")
    assert "byte for byte" in reviewed.head
    assert "`gates.minima.roc_auc`" in reviewed.report


@pytest.mark.exhaustive
def test_checks_that_a_change_takes_out_are_run_all_the_same(branch: Clone, review: Review) -> None:
    strict = {"check": "RocReport", "conditions": {"auc_greater_than": 0.99}}
    edit(branch, {"checks.model": [strict]})
    commit_with_lock(branch, "main has a check that nothing passes")
    branch.git("branch", "--force", "main")
    edit(branch, {"checks.model": CHECKS["model"]})
    commit_with_lock(branch, "and the change another")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.failed == ["deepchecks, main's limits"]


def test_a_table_that_dvcignore_hides_is_refused(branch: Clone, review: Review) -> None:
    (branch.root / ".dvcignore").write_text("data/customers.csv\n")
    branch.git("add", "--force", "data/customers.csv")
    commit(branch, "a table that data.dvc does not name")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.verdict["outcome"] == "stopped"
    assert "data/customers.csv: tracked by git, but DVC tracks data/" in reviewed.head


HOSTILE = "<img src=x onerror=alert(1)> @octocat #1 [a](http://evil.example) `x` | $y$ :tada:"


@pytest.mark.exhaustive  # tests/unit/report and tests/unit/comment have the same
def test_hostile_text_stays_text(branch: Clone, review: Review) -> None:
    table = branch.root / "data/customers.csv"
    lines = table.read_text().splitlines()
    plans = [f'"{HOSTILE}"', '"<b>@here</b>"', '"fine"']
    lines = [f"{lines[0]},plan", *(f"{line},{plans[i % 3]}" for i, line in enumerate(lines[1:]))]
    table.write_text("\n".join(lines) + "\n")
    edit(branch, {
        "data.categorical": ["plan"],
        "evaluation.slices.categorical": ["plan"],
        "model.hyperparameters.max_iter": 1,
        "split.salt": f"churn {HOSTILE}",
    })  # fmt: skip
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, HOSTILE)

    reviewed = review(branch)

    assert not reviewed.passed
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(reviewed.report)
    assert "onerror" in rendered  # it is shown
    for text in (rendered, reviewed.page):
        tags = set(re.findall(r"<(\w+)", text))
        assert not tags & {"b", "a", "script"}
        assert "<img src=x" not in text
        outside = re.sub(r"<code>.*?</code>", "", text, flags=re.DOTALL)
        assert "@octocat" not in outside
        assert "@here" not in outside


@pytest.mark.exhaustive  # tests/unit/report has the same for synthetic facts
def test_a_report_that_is_too_long_is_cut_at_its_least_important_and_says_so(
    branch: Clone, review: Review
) -> None:
    column = "a column with a name that is as long as names of columns ever are " * 2
    table = branch.root / "data/customers.csv"
    lines = table.read_text().splitlines()
    extra = [f"{column}{i}" for i in range(150)]
    lines = [",".join([lines[0], *extra]), *(line + ",1" * 150 for line in lines[1:])]
    table.write_text("\n".join(lines) + "\n")
    nulls = {"check": "PercentOfNulls", "conditions": {"percent_of_nulls_not_greater_than": 0.9}}
    listed = [nulls | {"arguments": {"columns": [name]}} for name in extra]
    edit(branch, {
        "features.ratios": [{"numerator": name, "denominator": "age"} for name in extra],
        "data.numeric": ["recency_days", "frequency", "monetary_value", "avg_order_value",
                         "days_since_signup", "total_orders", "support_tickets", "age", *extra],
        "checks.data_integrity": listed,
    })  # fmt: skip
    branch.run("dvc", "add", "--quiet", "data")
    commit_with_lock(branch, "many long names")

    reviewed = review(branch)

    assert 50_000 < len(reviewed.report) <= 60_000
    assert (
        "Left out, because the length of a comment is limited: 152 checks passed" in reviewed.report
    )
    assert "### Metrics against" in reviewed.report
    assert "152 checks passed" in reviewed.page
    assert len(reviewed.page) < 3_000_000
