"""Pull requests of every kind: at the desk with `churn review`, and in the executed workflow.

Each changes something on a branch of a real repository and asks whether to merge it. The table is
small and the model fits in a moment; the commands, DVC, deepchecks and the environments are real.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from churn.comment import artifact, body
from tests.pipeline.conftest import Clone, make_clone
from tests.workflows import forge
from tests.workflows.forge import Forge

CHECKS = {
    "data_integrity": [
        {"check": "IsSingleValue", "conditions": {"not_single_value": None}},
    ],
    "train_test": [
        {"check": "LabelDrift", "conditions": {"drift_score_less_than": 0.3}},
    ],
    "model": [
        {"check": "RocReport", "conditions": {"auc_greater_than": 0.6}},
    ],
}


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository whose main has a small table, a model, and a current lock; all is pushed."""
    clone = make_clone(tmp_path_factory.mktemp("main"))
    clone.run("churn", "synthesize", "--customers", "6000", "--seed", "3",
              "--output", "data/customers.csv")  # fmt: skip
    edit(clone, {
        "model.hyperparameters.max_iter": 40,
        "decision.strategy": "fixed", "decision.threshold": 0.3,
        "evaluation.importance.repeats": 1,
        "evaluation.importance.max_rows": 200,
        "checks": {"max_rows": 1000, "seed": 1, **CHECKS},
        "comparison.resamples": 1000,
        "gates.minima": {"roc_auc": 0.75},
        "gates.margins": {"roc_auc": 0.03},
        "gates.slice_margins": {"roc_auc": 0.03, "brier": 0.02},
    })  # fmt: skip
    clone.run("dvc", "add", "--quiet", "data")
    commit_with_lock(clone, "small")
    return clone


@pytest.fixture
def branch(main: Clone, tmp_path: Path) -> Iterator[Clone]:
    """A clone of it on a branch, where what main has built is restored from its DVC cache."""
    fresh = replace(main, root=tmp_path / "clone")
    main.git("clone", "--quiet", ".", str(fresh.root))
    fresh.git("switch", "--quiet", "--create", "change")
    fresh.git("branch", "--quiet", "--force", "main", "origin/main")
    shutil.copytree(main.root / ".dvc/cache", fresh.root / ".dvc/cache")
    fresh.run("dvc", "pull", "--quiet")
    return fresh


def edit(clone: Clone, values: dict) -> None:
    """Set dotted keys of params.yaml."""
    file = clone.root / "params.yaml"
    document = yaml.safe_load(file.read_text())
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        node = document
        for key in parents:
            node = node[key]
        node[last] = value
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def commit_with_lock(clone: Clone, message: str) -> None:
    """Do what CONTRIBUTING asks for: run the pipeline, push, commit all of it together."""
    clone.run("dvc", "repro", "--quiet", "validate")
    clone.run("dvc", "commit", "--quiet", "--force", "track")  # its lock without a run in MLflow
    clone.run("dvc", "push", "--quiet")
    commit(clone, message)


def commit(clone: Clone, message: str) -> None:
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--allow-empty", "--message", message)


@dataclass(frozen=True)
class Reviewed:
    """What a review has said and written."""

    passed: bool
    log: str
    files: dict[str, str]

    @property
    def report(self) -> str:
        return self.files["report.md"]

    @property
    def page(self) -> str:
        return self.files["report.html"]

    @property
    def verdict(self) -> dict[str, Any]:
        return json.loads(self.files["verdict.json"])

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads(self.files["manifest.json"])

    @property
    def head(self) -> str:
        return self.report.splitlines()[0]

    @property
    def failed(self) -> list[str]:
        return [gate["name"] for gate in self.verdict["gates"] if not gate["passed"]]

    @property
    def trained(self) -> bool:
        return "Running stage 'train'" in self.log


Review = Callable[[Clone], Reviewed]
TEXTS = ("report.md", "report.html", "verdict.json", "manifest.json")


@pytest.fixture(params=["desk", "workflow"])
def review(request: pytest.FixtureRequest, tmp_path: Path) -> Review:
    """Return what reviews a branch: the command, or pull-request.yml as act runs it."""
    if request.param == "desk":
        return at_the_desk
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    return lambda clone: in_the_workflow(clone, tmp_path / "store")


def at_the_desk(clone: Clone) -> Reviewed:
    # As a runner does it only where the commit may lie about what was computed.
    scratch = ["--from-scratch"] if clone.git("log", "-1", "--format=%s") == "innocent" else []
    done = clone.run("churn", "review", "--baseline", "main", *scratch, check=False)
    folder = clone.root / "build/candidate"
    assert folder.is_dir(), f"{done.stdout}\n{done.stderr}"
    files = {name: (folder / name).read_text() for name in TEXTS}
    reviewed = Reviewed(done.returncode == 0, done.stdout + done.stderr, files)
    if reviewed.verdict["outcome"] == "judged":
        assert done.returncode == (0 if reviewed.passed else 1)
        assert clone.run("churn", "gate", check=False).returncode == done.returncode
        clone.run("churn", "candidate", "verify", "build/candidate", "--commit", "HEAD")
    else:
        assert done.returncode == (0 if reviewed.passed else 2)
    return reviewed


def in_the_workflow(clone: Clone, folder: Path) -> Reviewed:
    store = forge.make_store(folder)
    forge.cache_real_environments(store / "cache")
    shutil.copytree(clone.root / ".dvc/cache", store / "cache/.dvc/cache")
    # The commit that merging would make; the branch has all that main has.
    merged = clone.git("commit-tree", "HEAD^{tree}", "-p", "main", "-p", "HEAD", "-m", "merged")
    clone.git("update-ref", "refs/pull/3/merge", merged)
    there = Forge(clone, store)
    ran = there.pull_request()
    assert there.artifact("candidate").exists(), ran.log
    with zipfile.ZipFile(there.artifact("candidate")) as candidate:
        files = {name: candidate.read(name).decode() for name in TEXTS}
    text = artifact.unpack(there.artifact("comment").read_bytes())
    assert text == files["report.md"]
    assert body.inert(text, "https://github.com/octo/shop") == text.rstrip()
    assert ran.jobs["candidate"] == ran.jobs["required"], ran.log
    return Reviewed(ran.jobs["required"] == "succeeded", ran.log, files)


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


def test_documents_alone_train_nothing(branch: Clone, review: Review) -> None:
    (branch.root / "README.md").write_text("# Other words\n")
    commit(branch, "words")
    shutil.rmtree(branch.root / "build")

    reviewed = review(branch)

    assert reviewed.passed, reviewed.log
    assert not reviewed.trained
    assert "No change to the model" in reviewed.head
    assert reviewed.manifest["model_digest"] is None


def test_a_stale_lock_is_blocked_with_the_way_to_mend_it(branch: Clone, review: Review) -> None:
    edit(branch, {"model.hyperparameters.max_iter": 41})
    commit(branch, "and no dvc repro")

    reviewed = review(branch)

    assert not reviewed.passed
    assert reviewed.trained
    assert reviewed.failed == ["dvc.lock"]
    assert "run dvc repro and dvc push, and commit dvc.lock" in reviewed.head


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
