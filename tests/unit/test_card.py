"""The model card: from results only, packed, in the version's run, and named where one looks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.params import CardParams
from churn.core.paths import Workspace
from churn.deploy import status
from churn.evaluation.group_gaps import Fairness, Gap
from churn.evaluation.intervals import Interval, intervals
from churn.evaluation.metric_names import TITLES
from churn.evaluation.tasks import Scored
from churn.provenance.candidate import input_fingerprint, model_digest
from churn.review import run
from churn.review.card import gather, markdown, write
from churn.review.report.text import code
from tests.binary import BINARY
from tests.unit.releases import Candidates
from tests.unit.report.samples import ALIVE


@pytest.fixture
def workspace(candidates: Candidates) -> Workspace:
    return Workspace(candidates.roots[0])


@pytest.mark.slow
def test_every_number_is_that_of_a_result(workspace: Workspace) -> None:
    text = (workspace.candidate / "model_card.md").read_text()
    metrics = json.loads(workspace.metrics.read_text())
    stats = json.loads(workspace.data_stats.read_text())
    for name, title in ((name, TITLES[name]) for name in BINARY.metrics):
        [row] = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
        _, _, held_out, interval, training, _ = (cell.strip() for cell in row.split("|"))
        assert (held_out, training) == (
            f"{metrics['test'][name]:.3f}",
            f"{metrics['train'][name]:.3f}",
        )
        low, high = map(float, interval.split(" to "))
        assert low < metrics["test"][name] < high
    assert f"| training | {stats['train']['rows']:,} | {stats['train']['label_rate']:.1%} |" in text
    age = stats["train"]["numeric"]["age"]["quantiles"]
    assert f"| {age['0']:g} to {age['1']:g}, median {age['0.5']:g} |" in text
    assert model_digest(workspace.model) in text
    assert input_fingerprint(workspace.root) in text
    assert "| pull request | number 12 |" in text
    assert "made in a clean checkout of the commit of pull request #12" in text
    few = "**`age`**: could not be measured: fewer than two slices of 'age' have 50 customers."
    assert few in text
    assert "3 of 3 checks of deepchecks passed." in text
    assert "Verdict: **passed**" in text
    assert "![Mean absolute SHAP value by column](plots/reasons.png)" in text
    assert (workspace.candidate / "plots" / "reasons.png").exists()
    first = json.loads(workspace.reasons.read_text())[0]
    assert f"| `{first['column']}` | {first['effect']:.3f} |" in text
    purpose = params.load(workspace.params).card.purpose
    assert purpose and purpose in text


@pytest.mark.slow
def test_the_card_follows_what_it_is_made_from(workspace: Workspace, tmp_path: Path) -> None:
    content = gather.gather(workspace)
    silent = replace(content, settings=content.settings.model_copy(update={"card": CardParams()}))
    assert markdown.render(silent).count("Not said (`card.") == 3
    recall = Gap("recall", "<= 30", "> 30", 0.25, 0.1, 0.4, 0.001, significant=True)
    measured = Fairness("age", "own", "own", gaps=[recall])
    shown = markdown.render(replace(content, fairness=[measured]))
    assert "| Recall | <code>&#60;&#61;" in shown or "| Recall | `<= 30`" in shown
    assert "No column is protected." in markdown.render(replace(content, fairness=[]))
    failed = replace(content.verdict, passed=False, reason="ROC AUC is too low", moved=("gates",))
    text = markdown.render(replace(content, verdict=failed))
    assert "Verdict: **not passed**. ROC AUC is too low" in text
    assert "The change moved its own limits: `gates`." in text
    undecided = replace(content.verdict, undecided=True, reason="too few customers")
    text = markdown.render(replace(content, verdict=undecided))
    assert "Verdict: **cannot tell, a person has to decide**. too few customers" in text
    text = markdown.render(replace(content, verdict=replace(undecided, passed=False)))
    assert "Verdict: **cannot tell**. too few customers" in text
    none = markdown.render(replace(content, reasons=[]))
    assert "There are none for this model" in none
    assert "reasons.png" not in none
    nothing = replace(content, intervals=dict.fromkeys(BINARY.metrics, Interval(0.5, None, None)))
    assert markdown.render(nothing).count("| undefined |") == len(BINARY.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["<script>x</script>", "[a](http://b)", "@octo", "a | b\n\n# c"])
def test_texts_do_not_come_alive(text: str, workspace: Workspace) -> None:
    about = CardParams(purpose=text, out_of_scope=text, owner=text)
    content = gather.gather(workspace)
    hostile = replace(
        content,
        settings=content.settings.model_copy(update={"card": about}),
        model=content.model.model_copy(update={"features": (text,), "target": text}),
        verdict=replace(content.verdict, reason=text),
        identity={**content.identity, "commit": text},
    )
    rendered = markdown.render(hostile)
    assert "<script" not in rendered
    assert "[a](" not in rendered
    assert "@octo" not in rendered
    assert not re.search(r"^# c", rendered, re.MULTILINE)
    assert not any(pattern.search(rendered) for pattern in ALIVE if pattern.pattern == "<script")


@pytest.mark.slow
def test_without_a_result_there_is_no_card(workspace: Workspace) -> None:
    workspace.model_card.unlink()
    kept = workspace.reasons.read_bytes()
    workspace.reasons.unlink()
    try:
        with pytest.raises(ArtifactError, match=r"reasons\.json"):
            write(workspace)
        assert not workspace.model_card.exists()
    finally:
        workspace.reasons.write_bytes(kept)
        write(workspace)
    assert workspace.model_card.read_bytes() == (workspace.candidate / "model_card.md").read_bytes()


@pytest.mark.slow
def test_what_keeps_a_card_from_being_written_is_told(workspace: Workspace) -> None:
    said: list[str] = []
    workspace.reasons.unlink()
    run._write_card(workspace, said.append)
    assert len(said) == 1
    assert said[0].startswith("no model card: ")
    assert "reasons.json" in said[0]


@pytest.mark.long
def test_the_card_is_in_the_version_s_run_and_named_where_it_is_decided(
    released: Candidates, tmp_path: Path
) -> None:
    version = released.production
    assert version is not None
    path = version.tags["model_card"]
    found = Path(mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=path))
    packed = Workspace(released.roots[0]).candidate / "model_card.md"
    assert found.read_bytes() == packed.read_bytes()
    summary = status.markdown(released.registry.versions(), True, "released", {})
    where = f"`candidate/model_card.md in the artifacts of run {version.run_id}`"
    assert f"- model card: {where}" in summary.splitlines()
    described = mlflow.MlflowClient().get_model_version("churn-predictor", str(version.number))
    assert f"Model card: {code(path)} in the artifacts of its run." in described.description


@pytest.mark.slow
def test_an_interval_covers_what_it_is_of() -> None:
    """Of 60 tables of one truth, about 95 % have intervals with the true metric in it."""
    rng = np.random.default_rng(3)

    def table(n: int) -> tuple[np.ndarray, np.ndarray]:
        risk = rng.beta(1, 3, n)
        return (rng.random(n) < risk).astype(int), np.clip(risk + rng.normal(0, 0.15, n), 0, 1)

    y, p = table(400_000)
    truth = {"roc_auc": roc_auc_score(y, p), "brier": float(np.mean((p - y) ** 2))}
    inside = dict.fromkeys(truth, 0)
    for _ in range(60):
        y, p = table(300)
        found = intervals(BINARY, y, Scored(p, 0.3), seed=1, resamples=1000)
        for name, value in truth.items():
            lower, upper = found[name].lower, found[name].upper
            assert lower is not None and upper is not None
            inside[name] += lower <= value <= upper
    assert all(52 <= count <= 60 for count in inside.values()), inside


def test_a_metric_that_is_undefined_has_no_interval() -> None:
    y, p = np.array([0, 1] * 40), pd.Series([0.1, 0.2] * 40).to_numpy()
    found = intervals(BINARY, y, Scored(p, 0.9), seed=1, resamples=1000)
    assert found["precision"] == Interval(None, None, None)  # nobody is predicted to churn
    assert found["recall"].value == 0.0
    assert tuple(found) == BINARY.metrics
