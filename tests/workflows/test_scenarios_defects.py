"""Pull requests of every kind: at the desk with `churn review`, and in the executed workflow.

Each changes something on a branch of a real repository and asks whether to merge it. The table is
small and the model fits in a moment; the commands, DVC, deepchecks and the environments are real.
Here: what is not as it should be, and what changes no model.
"""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.pipeline.conftest import Clone
from tests.pipeline.small import CHECKS, commit, commit_with_lock, edit
from tests.workflows.reviews import Review

# Where the command at the desk trusts what was computed before, and the workflow does not.
BOTH = pytest.mark.parametrize("review", ["desk", "workflow"], indirect=True)


@BOTH
def test_documents_alone_train_nothing(branch: Clone, review: Review) -> None:
    (branch.root / "README.md").write_text("# Other words\n")
    commit(branch, "words")
    shutil.rmtree(branch.root / "build")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert not reviewed.trained
    assert "No change to the model" in reviewed.head
    assert reviewed.manifest["model_digest"] is None


@BOTH
def test_a_stale_lock_is_blocked_with_the_way_to_mend_it(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 41})
    commit(branch, "and no dvc repro")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.trained
    assert reviewed.failed == ["dvc.lock"]
    assert "run dvc repro and dvc push, and commit dvc.lock" in reviewed.head


@BOTH
def test_a_changed_helper_module_is_retrained(branch: Clone, review: Review) -> None:
    with (branch.root / "src/churn/model/threshold.py").open("a") as file:
        file.write("\n# changed\n")
    commit(branch, "a helper")

    reviewed = review(branch)

    assert reviewed.trained
    assert reviewed.manifest["model_digest"] is not None
    assert "identical" in reviewed.report


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
    assert reviewed.failed == ["deepchecks"]
    assert "TrainTestPerformance crashed" in reviewed.head
    assert "This change moves its own limits" in reviewed.report


def test_a_metric_that_is_no_number_is_blocked(branch: Clone, review: Review) -> None:
    branch.edit(
        "src/churn/model/artifact.py",
        "        return probability\n",
        "        return probability * float('nan')\n",
    )
    commit(branch, "nan")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.verdict["outcome"] == "stopped"
    assert "not a number from 0 to 1" in reviewed.head


@pytest.mark.parametrize("forged", ["model", "metrics"])
def test_results_that_the_inputs_do_not_give_are_blocked(
    forged: str, branch: Clone, review: Review
) -> None:
    # What main's dvc.lock names is what later pull requests are compared with.
    if forged == "metrics":
        said = json.loads((branch.root / "reports/metrics.json").read_text())["test"]["roc_auc"]
        branch.edit("reports/metrics.json", f'"roc_auc": {said}', '"roc_auc": 0.999')
    else:
        true, params = model_md5(branch), (branch.root / "params.yaml").read_text()
        edit(branch, {"model.hyperparameters": {"max_iter": 1, "max_depth": 1}})
        branch.run("dvc", "repro", "--quiet", "validate")
        branch.run("dvc", "push", "--quiet")
        stump = model_md5(branch)
        branch.git("checkout", "--quiet", "--", "dvc.lock", "reports")
        (branch.root / "params.yaml").write_text(params)
        branch.edit("dvc.lock", true, stump)
    commit(branch, "innocent")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.failed == ["committed results"]
    assert ("build/model" if forged == "model" else "ROC AUC of the test rows") in reviewed.head


def model_md5(clone: Clone) -> str:
    lock = yaml.safe_load((clone.root / "dvc.lock").read_text())
    [md5] = [o["md5"] for o in lock["stages"]["train"]["outs"] if o["path"] == "build/model"]
    return md5


HOSTILE = "<img src=x onerror=alert(1)> @octocat #1 [a](http://evil.example) `x` | $y$ :tada:"


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
    assert "Left out, because a comment has a largest length: 152 checks passed" in reviewed.report
    assert "### Metrics against" in reviewed.report
    assert "152 checks passed" in reviewed.page
    assert len(reviewed.page) < 3_000_000
