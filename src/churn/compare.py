"""Command `compare`: the candidate against other models, on customers that none was trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churn import baseline, params, proposal
from churn.baseline import Baseline
from churn.candidate import model_digest
from churn.data import split
from churn.errors import ArtifactError, IncomparableError
from churn.evaluation import curves
from churn.evaluation.comparison import LEVEL, Scored, compare
from churn.evaluation.drift import drift
from churn.evaluation.slices import slices
from churn.files import read_json, read_parquet, write_json
from churn.params import Params
from churn.paths import Workspace
from churn.progress import Advance, bar, silent

_MIN_ROWS = 50
Wanted = tuple[str, AbstractContextManager[Baseline | None]]


def run(workspace: Workspace, revision: str | None, production: bool) -> dict[str, Any]:
    """Compare what the pipeline has made with a revision's model, with Production's, or both.

    Parameters
    ----------
    workspace : Workspace
    revision : str or None
        What git calls the baseline.
    production : bool
        Whether the model in Production is a baseline as well.

    Returns
    -------
    dict
        What ``build/comparison.json`` holds afterwards: ``baselines``, one entry for each that
        was asked for, with ``metrics``, ``slices``, ``curves`` and ``data``; or with ``absent``
        or ``incomparable`` and the reason.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a stage's output cannot be used.
    BaselineError, TrackingError
        If a baseline could not be had.
    """
    settings = params.load(workspace.params)
    wanted: list[Wanted] = []
    if revision is not None:
        proposal.write(workspace, baseline.resolve(workspace.root, revision))
        wanted.append((revision, baseline.of_revision(workspace.root, revision)))
    if production:
        found = baseline.in_production(workspace.root, settings.release)
        wanted.append((baseline.PRODUCTION, found))
    return against(workspace, settings, wanted)


def against(workspace: Workspace, settings: Params, wanted: Sequence[Wanted]) -> dict[str, Any]:
    """Compare with baselines from anywhere, each by its name; see `run`."""
    candidate = _Candidate(workspace, settings)
    entries = []
    with bar("comparing", 3 * len(wanted)) as advance:
        for name, source in wanted:
            entries.append(_entry(name, source, candidate, advance))
    report = {
        "model_digest": candidate.digest,
        "level": LEVEL,
        "resamples": settings.comparison.resamples,
        "baselines": entries,
    }
    write_json(workspace.comparison, report)
    return report


class _Candidate:
    """What the pipeline has made, as far as a comparison needs it."""

    def __init__(self, workspace: Workspace, settings: Params) -> None:
        self.workspace, self.settings = workspace, settings
        self.digest = model_digest(workspace.model)
        self.train = read_parquet(workspace.split("train"), "prepare")
        test = read_parquet(workspace.split("test"), "prepare")
        predictions = read_parquet(workspace.predictions("test"), "evaluate")
        if not test[settings.data.id].equals(predictions[settings.data.id]):
            raise ArtifactError(
                f"{workspace.predictions('test')}: of other customers than"
                f" {workspace.split('test')}; run dvc repro"
            )
        test = test.assign(_probability=predictions["probability"].to_numpy())
        share = settings.comparison.max_rows / len(test)
        if share < 1:
            test = test[split.hash_share(test[settings.data.id], "comparison") < share]
        self.test = test.reset_index(drop=True)
        self.threshold = float(read_json(workspace.metrics, "evaluate")["threshold"])


def _entry(
    name: str,
    source: AbstractContextManager[Baseline | None],
    candidate: _Candidate,
    advance: Advance = silent,
) -> dict[str, Any]:
    with source as found:
        advance("model found")
        if found is None:
            return {"name": name, "kind": _kind(name), "absent": _absence(name)}
        entry = {
            "name": name,
            "kind": _kind(name),
            "identity": found.identity,
            "source": found.source,
            "model_digest": model_digest(found.model),
        }
        try:
            rows, scored = _score(found, candidate)
        except IncomparableError as error:
            return entry | {"incomparable": str(error), **_data(found, candidate)}
        advance("scored")
        entry |= _compared(rows, scored, candidate) | _data(found, candidate)
        advance("compared")
        return entry


def _kind(name: str) -> str:
    return "production" if name == baseline.PRODUCTION else "revision"


def _absence(name: str) -> str:
    if name == baseline.PRODUCTION:
        return "nothing is in Production in the registry that is named here"
    return f"{name} has no pipeline yet"


def _score(found: Baseline, candidate: _Candidate) -> tuple[pd.DataFrame, Scored]:
    """Return the held-out customers that the baseline has not seen, and what it says of them."""
    card, ids = found.card(), candidate.settings.data.id
    if unknown := [key for key in ("id", "test_share", "salt", "threshold") if key not in card]:
        raise IncomparableError(
            f"{found.name}: its model does not say which customers it was trained on"
            f" (model.json has no {', '.join(unknown)})"
        )
    if card["id"] != ids:
        raise IncomparableError(
            f"{found.name}: its customers are told apart by {card['id']!r}, these by {ids!r}"
        )
    rows = candidate.test
    unseen = split.is_test(rows[ids], card["test_share"], card["salt"])
    rows = rows[unseen].reset_index(drop=True)
    labels = rows[candidate.settings.data.target]
    if len(rows) < _MIN_ROWS or labels.nunique() < 2:
        raise IncomparableError(
            f"{found.name}: only {len(rows)} of the held-out customers are not among its training"
            f" rows, {labels.sum()} of them churned; keep split.salt and split.test_share"
        )
    with tempfile.TemporaryDirectory(prefix="churn-compare-") as folder:
        file = Path(folder) / "rows.parquet"
        rows.drop(columns="_probability").to_parquet(file, index=False)
        predicted = found.predict(file)
    if not predicted[ids].astype(str).equals(rows[ids].astype(str)):
        raise IncomparableError(f"{found.name}: predicts for other customers than it was given")
    return rows, Scored(predicted["probability"].to_numpy(), float(card["threshold"]))


def _compared(rows: pd.DataFrame, scored: Scored, candidate: _Candidate) -> dict[str, Any]:
    settings = candidate.settings
    y = rows[settings.data.target].to_numpy()
    own = Scored(rows["_probability"].to_numpy(), candidate.threshold)
    chosen = settings.comparison

    def differences(members: np.ndarray) -> list[dict[str, Any]]:
        found = compare(
            y[members],
            scored.of(members),
            own.of(members),
            settings.decision,
            chosen.seed,
            chosen.resamples,
        )
        return [asdict(one) for one in found]

    return {
        "rows": len(rows),
        "threshold": scored.threshold,
        "metrics": differences(np.ones(len(y), dtype=bool)),
        "slices": [
            {
                "column": column,
                "slice": name,
                "rows": int(members.sum()),
                "metrics": differences(members),
            }
            for column, name, members in slices(candidate.train, rows, settings.evaluation.slices)
            if members.sum() >= settings.evaluation.slices.min_rows
        ],
        "curves": dict(_curves(y, scored.probability, own.probability)),
    }


def _curves(
    y: np.ndarray, baseline: np.ndarray, candidate: np.ndarray
) -> Iterator[tuple[str, dict[str, curves.Points]]]:
    for curve in (curves.roc, curves.precision_recall, curves.calibration):
        yield curve.__name__, {"baseline": curve(y, baseline), "candidate": curve(y, candidate)}


def _data(found: Baseline, candidate: _Candidate) -> dict[str, Any]:
    """Say how the training rows have moved away from the baseline's."""
    if found.train_rows is None or _same_rows(found.train_rows, candidate.workspace.split("train")):
        return {}
    before, after = read_parquet(found.train_rows, "prepare"), candidate.train
    data = candidate.settings.data
    card = found.card()
    used = [*card.get("numeric", []), *card.get("categorical", [])]
    described: dict[str, Any] = {
        "rows": [len(before), len(after)],
        "columns": [asdict(one) for one in drift(before, after, data.numeric, data.categorical)],
        "gone": [column for column in used if column not in after],
        "new": [column for column in data.features if column not in before],
    }
    if data.target in before:
        described["label_rate"] = [round(float(t[data.target].mean()), 4) for t in (before, after)]
    return {"data": described}


def _same_rows(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()
