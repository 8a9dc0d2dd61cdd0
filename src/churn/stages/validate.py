"""Stage `validate`: deepchecks over frames and predictions, never over the model."""

from __future__ import annotations

import pandas as pd

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.files import Shape, atomic, read_json, read_parquet, write_json
from churn.core.params import ChecksParams, Params
from churn.core.paths import SIDES, Workspace
from churn.core.progress import bar
from churn.data.dates import days_before_newest
from churn.validation import program as deepchecks_program
from churn.validation.page import render
from churn.validation.results import Checks


class _Metrics(Shape):
    """Of metrics.json what is needed here; the stage does not depend on what evaluates."""

    threshold: float


def run(workspace: Workspace) -> None:
    """Run the checks and write what they found, as JSON and as a page.

    A check that fails or crashes does not stop the stage: it stands in checks.json, and the
    gate blocks on it.

    Raises
    ------
    ParamsError, ArtifactError, ChecksError
        If params.yaml, an earlier stage's output or the checks' program cannot be used.
    """
    settings = params.load(workspace.params)
    report = check(workspace, settings, settings.checks)
    with atomic(workspace.checks_page) as fresh:
        fresh.write_text(render(report), encoding="utf-8")
    write_json(workspace.checks, report)


def check(workspace: Workspace, settings: Params, checks: ChecksParams) -> Checks:
    """Run a list of checks on the split and the predictions.

    Parameters
    ----------
    workspace : Workspace
    settings : Params
    checks : ChecksParams
        The list, and how many customers are looked at.
    """
    scored = {side: _scored(workspace, side, settings) for side in SIDES}
    data, train = settings.data, scored["train"]
    scored = {side: days_before_newest(f, train, data.dates) for side, f in scored.items()}
    frames = deepchecks_program.sample(scored, data, checks.max_rows)
    threshold = read_json(workspace.metrics, "evaluate", _Metrics).threshold
    with bar("checking", sum(map(len, checks.suites.values()))) as advance:
        results = deepchecks_program.run(frames, data, checks, threshold, advance, scored)
    return Checks.of(results, {side: len(frame) for side, frame in frames.items()})


def _scored(workspace: Workspace, side: str, settings: Params) -> pd.DataFrame:
    """Read one side with its predictions."""
    frame = read_parquet(workspace.split(side), "prepare")
    predictions = read_parquet(workspace.predictions(side), "evaluate")
    if not frame[settings.data.id].equals(predictions[settings.data.id]):
        raise ArtifactError(
            f"{workspace.predictions(side)}: its customers are not those of"
            f" {workspace.split(side)}; run `churn evaluate` again"
        )
    return frame.assign(probability=predictions["probability"])
