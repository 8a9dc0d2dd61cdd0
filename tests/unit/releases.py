"""A repository whose two commits have a judged and packed candidate each."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from churn.core import params
from churn.core.files import read_json, write_json
from churn.core.paths import Workspace
from churn.deploy import release
from churn.deploy.context import Plan
from churn.deploy.integration import Findings
from churn.deploy.release import Released
from churn.evaluation.results import Metrics
from churn.provenance import bundle
from churn.provenance.candidate import model_digest
from churn.provenance.git import git
from churn.provenance.lineage import Source
from churn.registry import Registry, Version
from churn.review import card, compare, gate, limits, report, verdict
from churn.review.comparison import Comparison
from churn.review.gates_alone import Outputs
from churn.stages import evaluate, prepare, train
from churn.validation.results import Checks
from tests.conftest import PARAMS
from tests.unit.repositories import commit

MADE = Source(how="commit", pull_request=12, run="https://github.com/octo/shop/actions/runs/77")
PASSED = Findings(True, "16 integration tests passed", "")
_CHECK = {"conditions": {"a_condition": None}}
_SUITES = {"data_integrity": "IsSingleValue", "train_test": "LabelDrift", "model": "RocReport"}


@dataclass(frozen=True)
class Candidates:
    """The repository at each of its commits, and the candidates of these.

    Attributes
    ----------
    roots : list of Path
        The repository with the first commit checked out, and with the second; pipeline outputs
        there, candidates packed in ``build/candidate``.
    """

    roots: tuple[Path, Path]

    def plan(self, number: int, **other: Any) -> Plan:
        folder = Workspace(self.roots[number - 1]).candidate
        return Plan(folder, **{"by": "somebody", **other})

    def release(self, number: int, **other: Any) -> Released:
        """Release the candidate of the first or of the second commit."""
        return release.run(self.roots[number - 1], self.plan(number, **other), lambda step: None)

    def digest(self, number: int) -> str:
        return model_digest(Workspace(self.roots[number - 1]).candidate / "model")

    @property
    def registry(self) -> Registry:
        root = self.roots[0]
        return Registry(root, params.load(root / "params.yaml").release)

    @property
    def production(self) -> Version | None:
        return self.registry.production()


def make(
    folder: Path,
    customers: pd.DataFrame,
    changes: Mapping[str, Any] | None = None,
    trees: tuple[int, int] = (12, 14),
    **release: Any,
) -> Candidates:
    """Make both commits with small models that fit in a moment.

    `changes` are sections of params.yaml, and `release` keys of that section.
    """
    first, second = folder / "first", folder / "second"
    (first / "data").mkdir(parents=True)
    git(first, "init", "--quiet", "--initial-branch=main")
    customers.to_csv(first / "data" / "customers.csv", index=False)
    (first / "data.dvc").write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    (first / ".gitignore").write_text("/build\n/reports\n/data\n")
    make_candidate(first, trees[0], changes, **release)
    shutil.copytree(first, second)
    make_candidate(second, trees[1], changes, **release)
    return Candidates((first, second))


def make_candidate(
    root: Path, trees: int, changes: Mapping[str, Any] | None = None, **release: Any
) -> None:
    """Commit a model of that many trees, and judge and pack it."""
    document = yaml.safe_load(PARAMS.read_text())
    document["model"]["hyperparameters"] = {"max_iter": trees, "max_depth": 2}
    document["release"] |= release
    document["decision"] |= {"strategy": "fixed", "threshold": 0.3, "folds": 2}
    document["comparison"]["resamples"] = 1000
    document["evaluation"]["importance"] = {"repeats": 1, "max_rows": 50}
    document["evaluation"]["slices"]["numeric"] = ["age"]
    document["gates"] |= {"minima": {"roc_auc": 0.5}, "margins": {"roc_auc": 0.2}}
    document["gates"]["slice_margins"] = {}
    document["checks"] |= {suite: [{"check": c, **_CHECK}] for suite, c in _SUITES.items()}
    document |= changes or {}
    (root / "params.yaml").write_text(yaml.safe_dump(document))
    commit(root)
    workspace = Workspace(root)
    settings = params.load(workspace.params)
    prepare.run(workspace)
    train.run(workspace)
    evaluate.run(workspace)
    ran = [{"suite": s, "check": c, "status": "passed", "outcomes": []} for s, c in _SUITES.items()]
    write_json(workspace.checks, {"passed": len(ran), "checks": ran})
    workspace.checks_page.write_text("<p>")
    judge(workspace, settings)


def judge(workspace: Workspace, settings: params.Params) -> None:
    """Compare with Production, judge, report and pack, as `churn review --production` does."""
    compare.run(workspace, None, production=True)
    judged = gate.judge(
        gate.Results(
            stale=[],
            outputs=Outputs("same"),
            metrics=read_json(workspace.metrics, "evaluate", Metrics),
            checks=read_json(workspace.checks, "validate", Checks),
            comparison=read_json(workspace.comparison, "compare", Comparison),
            model_digest=model_digest(workspace.model),
        ),
        [limits.own(settings)],
        release=True,
    )
    assert judged.passed, judged.reason
    verdict.write(workspace, judged)
    write_json(workspace.lineage, MADE)
    report.run(workspace)
    card.write(workspace)
    bundle.pack(workspace, workspace.candidate)
