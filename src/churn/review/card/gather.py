"""Read what a model card says from the pipeline's results."""

from __future__ import annotations

from dataclasses import dataclass

from churn.core import params
from churn.core.files import read_any_json, read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.core.shapes import from_json
from churn.data.stats import DataStats
from churn.evaluation import tasks
from churn.evaluation.group_gaps import Fairness
from churn.evaluation.intervals import Interval, intervals
from churn.evaluation.results import Metrics, Slices
from churn.evaluation.tasks import Scored
from churn.model.card import CARD_FILE, ModelCard
from churn.provenance import lineage, machine
from churn.provenance.candidate import input_fingerprint, model_digest, table_digest
from churn.provenance.git import git
from churn.provenance.lineage import Source
from churn.review.comparison import Comparison
from churn.review.outcome import Verdict
from churn.review.report.facts import Reason
from churn.validation.results import Checks


@dataclass(frozen=True)
class Content:
    """What a model card says.

    Attributes
    ----------
    settings : Params
    model : ModelCard
    stats : DataStats
        Of the training rows and the held-out customers.
    metrics : Metrics
    intervals : dict of str to Interval
        Of the metrics on held-out customers.
    slices : Slices
    fairness : list of Fairness
        The slices of protected columns.
    checks : Checks
    reasons : list of Reason
        What the model goes by, the largest first.
    verdict : Verdict
    source : Source
        How the candidate was made.
    identity : dict of str to str
        The commit, fingerprint and digests that identify it.
    """

    settings: Params
    model: ModelCard
    stats: DataStats
    metrics: Metrics
    intervals: dict[str, Interval]
    slices: Slices
    coverage: float | None
    fairness: list[Fairness]
    checks: Checks
    reasons: list[Reason]
    verdict: Verdict
    source: Source
    identity: dict[str, str]


def gather(workspace: Workspace) -> Content:
    """Read the results of the stages and the verdict, and compute the metrics' intervals.

    Raises
    ------
    ChurnError
        If a result is missing or damaged.
    """
    settings = params.load(workspace.params)
    model = read_json(workspace.model / CARD_FILE, "train", ModelCard)
    test = read_parquet(workspace.split("test"), "prepare")
    predictions = read_parquet(workspace.predictions("test"), "evaluate")
    task = tasks.of_params(settings)
    y = test[settings.data.target].to_numpy()
    scored = Scored(task.output.scores(predictions), model.rule)
    comparison = settings.comparison
    return Content(
        settings=settings,
        model=model,
        stats=read_json(workspace.data_stats, "prepare", DataStats),
        metrics=read_json(workspace.metrics, "evaluate", Metrics),
        intervals=intervals(task, y, scored, comparison.seed, comparison.resamples),
        coverage=task.coverage(y, scored),
        slices=read_json(workspace.slices, "evaluate", Slices),
        fairness=from_json(Comparison, read_any_json(workspace.comparison, "compare")).fairness,
        checks=read_json(workspace.checks, "validate", Checks),
        reasons=from_json(list[Reason], read_any_json(workspace.reasons, "evaluate")),
        verdict=from_json(Verdict, read_any_json(workspace.verdict, "gate")),
        source=lineage.read(workspace.build),
        identity={
            "model (SHA-256)": model_digest(workspace.model),
            "inputs (fingerprint)": input_fingerprint(workspace.root),
            "table (SHA-256)": table_digest(workspace.root) or "unknown",
            "commit": git(workspace.root, "rev-parse", "HEAD").strip(),
            **{name: str(value) for name, value in machine.describe().items()},
        },
    )
