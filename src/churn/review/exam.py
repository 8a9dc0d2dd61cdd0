"""The exams: held-out customers on which models are compared, main's and the candidate's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churn.core.errors import ArtifactError, ChurnError
from churn.core.files import read_json, read_parquet
from churn.core.params import ROW_NUMBER, Params
from churn.core.paths import SIDES, Workspace
from churn.evaluation.results import Metrics
from churn.model import artifact, outputs
from churn.provenance.candidate import model_digest
from churn.review import customers
from churn.review.baseline import Baseline
from churn.review.comparison import Changed, Whose

_NONE = np.empty(0)


class Candidate:
    """The results of the pipeline that a comparison needs."""

    def __init__(self, workspace: Workspace, settings: Params) -> None:
        self.workspace, self.settings = workspace, settings
        self.digest = model_digest(workspace.model)
        self.train = read_parquet(workspace.split("train"), "prepare")
        test = read_parquet(workspace.split("test"), "prepare")
        predictions = read_parquet(workspace.predictions("test"), "evaluate")
        if not test[settings.data.id].equals(predictions[settings.data.id]):
            raise ArtifactError(
                f"{workspace.predictions('test')}: its customers differ from"
                f" {workspace.split('test')}; run dvc repro"
            )
        self.output = outputs.of(settings.task, settings.data.classes)
        self.test, self.scores = test, self.output.scores(predictions)
        self.rule = read_json(workspace.metrics, "evaluate", Metrics).rule
        # Candidates packed by older releases have none.
        self.out_of_fold = (
            read_parquet(workspace.out_of_fold, "train") if workspace.out_of_fold.exists() else None
        )


@dataclass(frozen=True)
class Exam:
    """Held-out customers with the candidate's predictions.

    Attributes
    ----------
    whose : {"main", "own"}
    rows : DataFrame
        Id, target and features.
    scores : ndarray
        The candidate's, of the rows.
    train : DataFrame
        The training rows of the same split, which define the bounds of slices.
    problem : str or None
        Why the candidate has no predictions for them.
    """

    whose: Whose
    rows: pd.DataFrame
    scores: np.ndarray
    train: pd.DataFrame
    problem: str | None = None


def exams(candidate: Candidate, main: Baseline | None) -> tuple[list[Exam], Changed | None]:
    """Return main's exam, and the candidate's own if it differs; and how they differ."""
    own = Exam("own", candidate.test, candidate.scores, candidate.train)
    if main is None:
        return [own], None
    mains, changed = _main_exam(candidate, main)
    is_same = mains.problem is None and changed is None
    return [mains] if is_same else [mains, own], changed


def _main_exam(candidate: Candidate, main: Baseline) -> tuple[Exam, Changed | None]:
    """Return main's exam, and how it differs from the candidate's own; None if it does not."""
    data = candidate.settings.data
    if main.workspace is None:
        problem = f"{main.name}: its held-out customers are unavailable"
        return Exam("main", candidate.test, candidate.scores, candidate.train, problem), None
    train, test = (read_parquet(main.workspace.split(side), "prepare") for side in SIDES)
    if missing := [name for name in (data.id, data.target) if name not in test]:
        problem = f"{main.name}: its customers have no column {missing[0]!r}"
        return Exam("main", test, _NONE, train, problem), None
    changed = customers.changed(test, candidate.test, data)
    if not changed.any and set(test) <= set(candidate.test):
        return Exam("main", candidate.test, candidate.scores, train), None
    if data.id == ROW_NUMBER and (changed.removed or changed.edited or changed.relabelled):
        problem = (
            f"{main.name}: its rows are numbered (data.id: null) and have changed, so it is unknown"
            " on which of them the candidate was trained"
        )
        return Exam("main", test, _NONE, train, problem), changed
    rows = customers.main_exam(test, candidate.train, candidate.test, data)
    new = customers.new_columns(test, data)
    if new and len(rows) and not rows[data.id].isin(candidate.test[data.id]).any():
        # Every cell of it would be missing, and the comparison would say nothing of the model.
        problem = (
            f"the customers of {main.name} have no column {new[0]!r}, and none of them is in the"
            " table of this change"
        )
        return Exam("main", rows, _NONE, train, problem), changed
    try:
        scores = artifact.load(candidate.workspace.model).scores(rows)
    except (ChurnError, ValueError) as error:
        problem = f"the candidate cannot be scored on the customers of {main.name}: {error}"
        return Exam("main", rows, _NONE, train, problem), changed
    return Exam("main", rows, scores, train), changed
