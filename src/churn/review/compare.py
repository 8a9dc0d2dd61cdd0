"""Command `compare`: compare the candidate with other models on customers unseen in training.

On main's held-out customers, and on the candidate's own if they differ; by main's limits, and by
the candidate's own if they differ. If both models have out-of-fold predictions, training rows are
added, which gives five times as many customers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core import params
from churn.core.errors import ArtifactError, ChurnError, IncomparableError
from churn.core.files import read_json, read_parquet, write_json
from churn.core.params import ROW_NUMBER, Limits, Params, SlicesParams
from churn.core.paths import SIDES, Workspace
from churn.core.progress import Advance, bar, silent
from churn.data import split
from churn.data.dates import days_before_newest
from churn.evaluation import curves
from churn.evaluation.comparison import LEVEL, Difference, Scored, compare
from churn.evaluation.drift import drift
from churn.evaluation.many_looks import corrected
from churn.evaluation.metric_names import AT_THRESHOLD
from churn.evaluation.results import Metrics
from churn.evaluation.slices import slices
from churn.model import artifact, out_of_fold
from churn.provenance.candidate import model_digest
from churn.review import baseline, exam, limits, proposal
from churn.review.baseline import Baseline
from churn.review.comparison import (
    Absent,
    Compared,
    ComparedSlice,
    Comparison,
    Curve,
    DataChange,
    Entry,
    Everyone,
    Found,
    Incomparable,
    Kind,
    Whose,
)
from churn.stages import validate

_MIN_ROWS = 50
_SHARE_TOLERANCE = 0.05  # between the shares of training rows with out-of-fold predictions


def run(
    workspace: Workspace, revision: str | None, production: bool, share_cache: bool = True
) -> Comparison:
    """Compare the candidate with a revision's model, with the model in Production, or both.

    If the revision lists other checks than params.yaml, these are run as well.

    Parameters
    ----------
    workspace : Workspace
    revision : str or None
        The baseline, main, which provides exam and limits.
    production : bool
        Compare with the model in Production as well.
    share_cache : bool, default=True
        See `churn.review.baseline.of_revision`.

    Returns
    -------
    Comparison
        Written to ``build/comparison.json`` as well.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a stage's output is invalid.
    BaselineError, TrackingError
        If a baseline is unavailable.
    """
    settings = params.load(workspace.params)
    baselines: dict[str, Baseline | None] = {}
    main = None
    with ExitStack() as opened:
        if revision is not None:
            commit = baseline.resolve(workspace.root, revision)
            proposal.write(workspace, commit)
            source = baseline.of_revision(workspace.root, revision, share_cache)
            name = baseline.shown_name(revision, commit)
            baselines[name] = main = opened.enter_context(source)
        if production:
            released = baseline.in_production(workspace.root, settings.release)
            baselines[baseline.PRODUCTION] = opened.enter_context(released)
        return against(workspace, settings, baselines, main)


def against(
    workspace: Workspace,
    settings: Params,
    baselines: dict[str, Baseline | None],
    main: Baseline | None = None,
) -> Comparison:
    """Compare the candidate with given baselines; see `run`.

    Parameters
    ----------
    workspace : Workspace
    settings : Params
    baselines : dict of str to Baseline or None
        By name; None if a baseline does not exist.
    main : Baseline, optional
        Provides exam and limits; by default they are the candidate's.
    """
    candidate = Candidate(workspace, settings)
    exams, changed = _exams(candidate, main)
    judged_by = _limits(workspace, settings, main)
    _run_main_checks(judged_by, workspace, settings)
    entries: list[Entry] = []
    with bar("comparing", len(baselines) * len(exams) * (1 + len(judged_by))) as advance:
        for name, found in baselines.items():
            entries += _entries(name, found, candidate, exams, judged_by, advance)
    report = Comparison(
        model_digest=candidate.digest,
        level=LEVEL,
        resamples=settings.comparison.resamples,
        exam=changed if changed is not None and changed.any else None,
        baselines=entries,
    )
    write_json(workspace.comparison, report)
    return report


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
        self.test = test.assign(_probability=predictions["probability"].to_numpy())
        self.threshold = read_json(workspace.metrics, "evaluate", Metrics).threshold
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
        Id, target, features and ``_probability``.
    train : DataFrame
        The training rows of the same split, which define the bounds of slices.
    problem : str or None
        Why the candidate has no predictions for them.
    """

    whose: Whose
    rows: pd.DataFrame
    train: pd.DataFrame
    problem: str | None = None


def _exams(candidate: Candidate, main: Baseline | None) -> tuple[list[Exam], exam.Changed | None]:
    """Return main's exam, and the candidate's own if it differs; and how they differ."""
    data = candidate.settings.data
    own = Exam("own", candidate.test, candidate.train)
    if main is None:
        return [own], None
    if main.workspace is None:
        problem = f"{main.name}: its held-out customers are unavailable"
        return [Exam("main", candidate.test, candidate.train, problem), own], None
    train, test = (read_parquet(main.workspace.split(side), "prepare") for side in SIDES)
    if missing := [name for name in (data.id, data.target) if name not in test]:
        problem = f"{main.name}: its customers have no column {missing[0]!r}"
        return [Exam("main", test, train, problem), own], None
    changed = exam.changed(test, candidate.test, data)
    if not changed.any and set(test) <= set(candidate.test):
        return [Exam("main", candidate.test, train)], None
    if data.id == ROW_NUMBER and (changed.removed or changed.edited or changed.relabelled):
        problem = (
            f"{main.name}: its rows are numbered (data.id: null) and have changed, so it is unknown"
            " on which of them the candidate was trained"
        )
        return [Exam("main", test, train, problem), own], changed
    rows = exam.main_exam(test, candidate.train, candidate.test, data)
    try:
        probability = artifact.load(candidate.workspace.model).probability(rows)
    except (ChurnError, ValueError) as error:
        problem = f"the candidate cannot be scored on the customers of {main.name}: {error}"
        return [Exam("main", rows, train, problem), own], changed
    return [Exam("main", rows.assign(_probability=probability), train), own], changed


def _limits(workspace: Workspace, settings: Params, main: Baseline | None) -> list[Limits]:
    own = limits.own(settings)
    if main is None:
        return [own]
    theirs = limits.of_commit(workspace.root, main.identity, settings)
    return [theirs] if own.same_as(theirs) else [theirs, own]


def _run_main_checks(judged_by: Sequence[Limits], workspace: Workspace, settings: Params) -> None:
    """Run main's checks as well if the candidate has changed them."""
    workspace.main_checks.unlink(missing_ok=True)
    if judged_by[0].checks != settings.checks:
        write_json(workspace.main_checks, validate.check(workspace, settings, judged_by[0].checks))


def _entries(
    name: str,
    found: Baseline | None,
    candidate: Candidate,
    exams: Sequence[Exam],
    judged_by: Sequence[Limits],
    advance: Advance = silent,
) -> Iterator[Entry]:
    """Compare with a baseline, on each exam and by each set of limits."""
    kind: Kind = "production" if name == baseline.PRODUCTION else "revision"
    if found is None:
        yield Absent(name=name, kind=kind, absent=_absence_reason(name))
        return
    data_change = _data(found, candidate)
    for held_out in exams:
        entry = Found(
            name=name,
            kind=kind,
            identity=found.identity,
            source=found.source,
            model_digest=model_digest(found.model),
            exam=held_out.whose,
        )
        for result in _on_exam(entry, found, held_out, candidate, judged_by, advance):
            yield result if data_change is None else result.model_copy(update={"data": data_change})
            data_change = None  # only in the first entry


def _on_exam(
    entry: Found,
    found: Baseline,
    held_out: Exam,
    candidate: Candidate,
    judged_by: Sequence[Limits],
    advance: Advance,
) -> Iterator[Incomparable | Compared]:
    """Compare with a baseline on one exam, by each set of limits."""
    try:
        rows, scored = _score(found, held_out, candidate)
    except IncomparableError as error:
        yield Incomparable(**entry.model_dump(), incomparable=str(error))
        return
    advance("scored")
    everyone = _everyone(found, rows, scored, candidate)
    for judging in judged_by:
        yield _compared(entry, rows, scored, everyone, held_out, candidate, judging)
        advance("compared")


def _absence_reason(name: str) -> str:
    if name == baseline.PRODUCTION:
        if os.environ.get("CHURN_FORK") == "true":
            return "a run of a fork has no access to a registry on a server, and finds no other"
        return "nothing is in Production in the configured registry"
    return f"{name} has no pipeline yet"


def _score(found: Baseline, held_out: Exam, candidate: Candidate) -> tuple[pd.DataFrame, Scored]:
    """Return the exam's customers that the baseline was not trained on, and its predictions."""
    card, ids = found.card(), candidate.settings.data.id
    if card.id is None or card.test_share is None or card.salt is None or card.threshold is None:
        needed = card.model_dump(include={"id", "test_share", "salt", "threshold"})
        missing = [key for key, value in needed.items() if value is None]
        raise IncomparableError(
            f"{found.name}: it is unknown which customers its model was trained on"
            f" (model.json has no {', '.join(missing)})"
        )
    if card.id != ids:
        raise IncomparableError(
            f"{found.name}: its customers are identified by {card.id!r}, these by {ids!r}"
        )
    target = candidate.settings.data.target
    if (card.target or target) != target:
        raise IncomparableError(f"{found.name}: predicts {card.target!r}, not {target!r}")
    if held_out.problem:
        raise IncomparableError(held_out.problem)
    rows = held_out.rows
    unseen = split.is_test(rows[ids], card.test_share, card.salt)
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
        raise IncomparableError(f"{found.name}: its predictions are not for the given customers")
    return rows, Scored(predicted["probability"].to_numpy(), card.threshold)


@dataclass(frozen=True)
class _Pair:
    """Customers with both models' predictions, by models that were not trained on them.

    Attributes
    ----------
    rows : DataFrame
        Id, target and features, in an order that depends on the ids only, so that a bootstrap with
        the same seed draws the same customers.
    baseline, candidate : Scored
    """

    rows: pd.DataFrame
    baseline: Scored
    candidate: Scored

    @classmethod
    def of(cls, rows: pd.DataFrame, ids: str, baseline: Scored, candidate: Scored) -> _Pair:
        order = np.argsort(split.hash_share(rows[ids], "comparison"), kind="stable")
        return cls(rows.iloc[order].reset_index(drop=True), baseline.of(order), candidate.of(order))

    def subset(self, members: np.ndarray) -> _Pair:
        """Return the customers selected by a boolean mask."""
        rows = self.rows[members].reset_index(drop=True)
        return _Pair(rows, self.baseline.of(members), self.candidate.of(members))


def _everyone(
    found: Baseline, rows: pd.DataFrame, scored: Scored, candidate: Candidate
) -> _Pair | str:
    """Add training rows with out-of-fold predictions of both models to the held-out customers.

    Only rows that are equal in both tables: for others the models had different inputs.

    Returns
    -------
    _Pair or str
        A reason if no training rows can be added.
    """
    data, train = candidate.settings.data, candidate.train
    if found.out_of_fold is None:
        return f"{found.name} has no out-of-fold predictions for this table"
    if candidate.out_of_fold is None or candidate.out_of_fold.empty:
        return "this change has no out-of-fold predictions"
    before = train
    if found.workspace is not None:
        before = read_parquet(found.workspace.split("train"), "prepare")
    elif not _has_same_split(found, candidate):
        return f"{found.name} holds out other customers"
    kept = read_parquet(found.out_of_fold, "train")
    predictions = [
        out_of_fold.by_customer(frame, table[data.id])
        for frame, table in ((kept, before), (candidate.out_of_fold, train))
    ]
    shares = [
        len(predicted) / len(table)
        for predicted, table in zip(predictions, (before, train), strict=True)
    ]
    in_both = train[data.id].isin(predictions[0].index) & train[data.id].isin(predictions[1].index)
    in_both &= train[data.id].isin(exam.unchanged(before, train, data))
    train = train[in_both & ~train[data.id].isin(rows[data.id])]
    if train.empty:
        return "no training row is equal in both tables"
    theirs, ours = (predicted.loc[train[data.id]] for predicted in predictions)
    if abs(shares[0] - shares[1]) > _SHARE_TOLERANCE or not theirs["fold"].equals(ours["fold"]):
        return f"{found.name} has other folds (decision.folds, decision.max_rows)"
    held_out = Scored(rows["_probability"].to_numpy(), candidate.threshold)
    both = (
        Scored(
            np.concatenate([on_exam.probability, on_train["probability"].to_numpy()]),
            on_exam.threshold,
        )
        for on_exam, on_train in ((scored, theirs), (held_out, ours))
    )
    return _Pair.of(pd.concat([rows, train], ignore_index=True), data.id, *both)


def _has_same_split(found: Baseline, candidate: Candidate) -> bool:
    card, chosen = found.card(), candidate.settings.split
    return (card.test_share, card.salt) == (chosen.test_share, chosen.salt)


def _compared(
    entry: Found,
    rows: pd.DataFrame,
    scored: Scored,
    everyone: _Pair | str,
    held_out: Exam,
    candidate: Candidate,
    judging: Limits,
) -> Compared:
    data = candidate.settings.data
    own = Scored(rows["_probability"].to_numpy(), candidate.threshold)
    alone = _at_most(_Pair.of(rows, data.id, scored, own), data.id, judging)
    y = alone.rows[data.target].to_numpy()
    reason = everyone if isinstance(everyone, str) else None
    most = alone if isinstance(everyone, str) else _at_most(everyone, data.id, judging)
    # Corrected together for multiple comparisons, because either could call a metric worse.
    exams = [alone] if reason else [alone, most]
    on_alone, *on_most = _differences(exams, data.target, judging)
    moved = replace(most, candidate=replace(most.candidate, threshold=scored.threshold))
    return Compared(
        **entry.model_dump(),
        limits=judging.whose,
        rows=len(alone.rows),
        threshold=scored.threshold,
        metrics=on_alone,
        everyone=None
        if reason
        else Everyone(
            rows=len(most.rows),
            held_out=int(most.rows[data.id].isin(rows[data.id]).sum()),
            metrics=on_most[0],
            slices=_slices(most, held_out.train, data.target, judging),
        ),
        alone=reason,
        same_threshold=None
        if scored.threshold == candidate.threshold
        else [
            difference
            for difference in _differences([moved], data.target, judging)[0]
            if difference.metric in AT_THRESHOLD
        ],
        slices=_slices(alone, held_out.train, data.target, judging),
        curves=dict(_curves(y, alone.baseline.probability, alone.candidate.probability)),
    )


def _slices(pair: _Pair, train: pd.DataFrame, target: str, judging: Limits) -> list[ComparedSlice]:
    wanted = _existing_columns(judging.evaluation.slices, train, pair.rows)
    groups = [
        (column, name, members)
        for column, name, members in slices(train, pair.rows, wanted)
        if members.sum() >= wanted.min_rows
    ]
    parts = _differences([pair.subset(members) for *_, members in groups], target, judging)
    return [
        ComparedSlice(column=column, slice=name, rows=int(members.sum()), metrics=part)
        for (column, name, members), part in zip(groups, parts, strict=True)
    ]


def _at_most(pair: _Pair, ids: str, judging: Limits) -> _Pair:
    share = judging.comparison.max_rows / len(pair.rows)
    return (
        pair if share >= 1 else pair.subset(split.hash_share(pair.rows[ids], "comparison") < share)
    )


def _differences(pairs: Sequence[_Pair], target: str, judging: Limits) -> list[list[Difference]]:
    """Compare each pair, and correct all together for multiple comparisons."""
    differences = [
        compare(
            pair.rows[target].to_numpy(),
            pair.baseline,
            pair.candidate,
            judging.decision,
            judging.comparison.seed,
            judging.comparison.resamples,
        )
        for pair in pairs
    ]
    return corrected(differences)


def _existing_columns(wanted: SlicesParams, *frames: pd.DataFrame) -> SlicesParams:
    """Leave out columns that a table lacks: main's limits may name columns of main's table only."""
    existing = {
        kind: tuple(name for name in getattr(wanted, kind) if all(name in f for f in frames))
        for kind in ("numeric", "categorical")
    }
    return wanted.model_copy(update=existing)


def _curves(
    y: np.ndarray, baseline: np.ndarray, candidate: np.ndarray
) -> Iterator[tuple[str, Curve]]:
    for curve in (curves.roc, curves.precision_recall, curves.calibration):
        yield curve.__name__, Curve(baseline=curve(y, baseline), candidate=curve(y, candidate))


def _data(found: Baseline, candidate: Candidate) -> DataChange | None:
    """Describe how the training rows differ from the baseline's."""
    if found.workspace is None:
        return None
    file = found.workspace.split("train")
    if file.read_bytes() == candidate.workspace.split("train").read_bytes():
        return None
    before, after = read_parquet(file, "prepare"), candidate.train
    data = candidate.settings.data
    card = found.card()
    # A date column that was not a date before is compared as categories.
    dates = [name for name in data.dates if name in card.dates]
    new_dates = [name for name in data.dates if name not in dates]
    columns = drift(
        days_before_newest(before, before, dates),
        days_before_newest(after, before, dates),
        numeric=(*data.numeric, *dates),
        categorical=(*data.categorical, *new_dates),
    )
    described = DataChange(
        rows=(len(before), len(after)),
        columns=columns,
        gone=[column for column in card.inputs if column not in after],
        new=[column for column in data.inputs if column not in before],
    )
    if data.target not in before:
        return described
    rates = tuple(round(float(table[data.target].mean()), 4) for table in (before, after))
    return described.model_copy(update={"label_rate": rates})
