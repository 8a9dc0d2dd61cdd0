"""Try other parameters or another table without changing the pipeline's files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churn.core.errors import ParamsError
from churn.core.files import read_json, read_parquet, write_json
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.core.progress import announce
from churn.data import split
from churn.evaluation import tasks
from churn.evaluation.results import Metrics, Values
from churn.evaluation.tasks import Scored
from churn.model import artifact
from churn.model.card import ModelCard
from churn.registry.loading import load_model
from churn.stages import evaluate, prepare, track, train
from churn.tracking import connection, runs
from churn.tracking.runs import Tracked

_KIND = {"kind": "experiment"}


@dataclass(frozen=True)
class Experiment:
    """The result of an experiment.

    Attributes
    ----------
    run : Tracked
    threshold : float or None
        A binary model's decision threshold.
    sides : dict of str to Values
        Metrics by side of the split.
    """

    run: Tracked
    threshold: float | None
    sides: dict[str, Values]


def train_with(root: Path, settings: Params) -> Experiment:
    """Train and evaluate with other parameters, and log a run.

    Changes nothing below `root` except the MLflow store.

    Parameters
    ----------
    root : Path
        The repository.
    settings : Params
        From params.yaml, with overrides.

    Raises
    ------
    ChurnError
        As in the stages.
    """
    table = root / settings.data.path
    with _prepared(settings, table) as scratch:
        train.write(scratch, settings)
        evaluate.write(scratch, settings, artifact.load(scratch.model))
        record = track.record(scratch, settings, root, table)
        record.tags.update(_KIND)
        tracked = runs.log(connection.connect(root), record)
        found = read_json(scratch.metrics, "evaluate", Metrics)
        return Experiment(tracked, found.threshold, found.sides)


def evaluate_model(root: Path, uri: str, settings: Params) -> Experiment:
    """Evaluate any model on the held-out customers of a table, and log a run.

    Parameters
    ----------
    root : Path
        The repository.
    uri : str
        See `churn.registry.loading.load_model`.
    settings : Params
        From params.yaml, with overrides such as another ``data.path``.

    Raises
    ------
    ParamsError
        If the model may have been trained on some of the held-out customers, or is of another task
        or of other classes.
    ChurnError
        As in the stages.
    """
    model = load_model(uri, root)
    with _prepared(settings, root / settings.data.path) as scratch:
        test = read_parquet(scratch.split("test"), "prepare")
    test = _unseen(test, settings, model.card)
    if model.card.task != settings.task:
        raise ParamsError(f"task: the model's is {model.card.task}")
    if model.card.classes != settings.data.classes:
        its = ", ".join(map(str, model.card.classes))
        raise ParamsError(f"data.classes: the model's are {its}, in this order")
    task = tasks.of_params(settings)
    scored = Scored(model.scores(test), model.card.rule)
    measured = task.measure(test[settings.data.target].to_numpy(), scored)
    values = task.require_all(measured, "test rows")
    logged = {f"test_{name}": value for name, value in values.items() if value is not None}
    tags = {**_KIND, "model_uri": uri}
    tracked = runs.log_metrics(connection.connect(root), logged, tags)
    return Experiment(tracked, model.card.threshold, {"test": values})


def _unseen(test: pd.DataFrame, settings: Params, card: ModelCard) -> pd.DataFrame:
    """Return the customers on whom the model was certainly not trained.

    All of them, or it is an error; but where strata were held out, those that the hash proves.
    """
    if settings.data.id != card.id:
        raise ParamsError(
            f"data.id: the model identifies customers by {card.id!r}, not"
            f" {settings.data.id!r}; so its training rows are unknown"
        )
    unseen = split.is_test(test[card.id], card.unseen_below, card.salt)
    if card.held_out_below is not None and unseen.any():
        announce(
            f"measured on {unseen.sum():,} of {len(test):,} held-out customers, on whom this model"
            " was certainly not trained"
        )
        return test[unseen]
    if not unseen.all():
        raise ParamsError(
            f"split: {(~unseen).sum():,} of {len(test):,} held-out customers may be training rows"
            f" of this model; it was trained with --set split.test_share={card.test_share}"
            f" --set split.salt={card.salt}"
        )
    return test


@contextmanager
def _prepared(settings: Params, table: Path) -> Iterator[Workspace]:
    """Yield a temporary workspace in which `prepare` has run."""
    with tempfile.TemporaryDirectory(prefix="churn-experiment-") as folder:
        scratch = Workspace(Path(folder))
        document = settings.model_dump(mode="json", exclude_unset=True)
        write_json(scratch.params, document)  # JSON is valid YAML
        prepare.write(scratch, settings, table)
        yield scratch
