"""Stage `validate`: run deepchecks on data and predictions; it never loads the pipeline."""

from __future__ import annotations

import pandas as pd

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.files import atomic, read_json, read_parquet, write_json
from churn.core.params import ChecksParams, Params
from churn.core.paths import SIDES, Workspace
from churn.core.progress import bar
from churn.data.dates import days_before_newest
from churn.model import outputs
from churn.model.card import CARD_FILE, ModelCard
from churn.validation import program as deepchecks_program
from churn.validation.page import render
from churn.validation.results import Checks


def run(workspace: Workspace) -> None:
    """Run the checks and write their results, as JSON and as a page.

    A check that fails or crashes does not stop the stage: checks.json says so, and the gate blocks
    on it.

    Raises
    ------
    ParamsError, ArtifactError, ChecksError
        If params.yaml or an earlier stage's output is invalid, or the checks' program fails.
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
        Which checks, and the number of customers that they are run on.
    """
    card = read_json(workspace.model / CARD_FILE, "train", ModelCard)
    frames = {side: _scored(workspace, side, settings.data.id, card) for side in SIDES}
    data, train = settings.data, frames["train"]
    frames = {side: days_before_newest(f, train, data.dates) for side, f in frames.items()}
    sampled = deepchecks_program.sample(frames, data, checks.max_rows)
    output = outputs.of_card(card)
    with bar("checking", sum(map(len, checks.suites.values()))) as advance:
        results = deepchecks_program.run(sampled, data, checks, output, advance, frames)
    return Checks.of(results, {side: len(frame) for side, frame in sampled.items()})


def _scored(workspace: Workspace, side: str, ids: str, card: ModelCard) -> pd.DataFrame:
    """Read one side with its predictions; ``prediction`` is what the labels are."""
    frame = read_parquet(workspace.split(side), "prepare")
    predictions = read_parquet(workspace.predictions(side), "evaluate")
    if not frame[ids].equals(predictions[ids]):
        raise ArtifactError(
            f"{workspace.predictions(side)}: its customers differ from"
            f" {workspace.split(side)}; run `churn evaluate` again"
        )
    output = outputs.of_card(card)
    scores = output.scores(predictions)
    predicted = {**output.columns(scores), "prediction": output.decided(scores, card.rule)}
    return frame.assign(**predicted)
