"""The customers on which two models are compared, with the predictions of both."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core.errors import IncomparableError
from churn.core.files import read_json, read_parquet
from churn.data import split
from churn.evaluation.tasks import Scored
from churn.model import out_of_fold
from churn.model.card import CARD_FILE
from churn.review import customers
from churn.review.baseline import Baseline, Card
from churn.review.exam import Candidate, Exam

_MIN_ROWS = 50
_SHARE_TOLERANCE = 0.05  # between the shares of training rows with out-of-fold predictions


@dataclass(frozen=True)
class Pair:
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
    def of(cls, rows: pd.DataFrame, ids: str, baseline: Scored, candidate: Scored) -> Pair:
        """Put customers and their predictions in order."""
        order = np.argsort(split.hash_share(rows[ids], "comparison"), kind="stable")
        return cls(rows.iloc[order].reset_index(drop=True), baseline.of(order), candidate.of(order))

    def subset(self, members: np.ndarray) -> Pair:
        """Return the customers selected by a boolean mask."""
        rows = self.rows[members].reset_index(drop=True)
        return Pair(rows, self.baseline.of(members), self.candidate.of(members))

    def at_most(self, n: int, ids: str) -> Pair:
        """Return about `n` customers, always the same, or all if there are fewer."""
        share = n / len(self.rows)
        if share >= 1:
            return self
        return self.subset(split.hash_share(self.rows[ids], "comparison") < share)


def held_out(found: Baseline, exam: Exam, candidate: Candidate) -> Pair:
    """Return the exam's customers that the baseline was not trained on.

    Raises
    ------
    IncomparableError
        If the baseline cannot be scored on them, or there are too few.
    """
    card, data = found.card(), candidate.settings.data
    if card.id is None or card.test_share is None or card.salt is None or card.rule is None:
        needed: dict[str, object] = {
            "id": card.id,
            "test_share": card.test_share,
            "salt": card.salt,
        }
        needed["threshold"] = card.rule
        missing = [key for key, value in needed.items() if value is None]
        raise IncomparableError(
            f"{found.name}: it is unknown which customers its model was trained on"
            f" (model.json has no {', '.join(missing)})"
        )
    if card.id != data.id:
        raise IncomparableError(
            f"{found.name}: its customers are identified by {card.id!r}, these by {data.id!r}"
        )
    if card.task != candidate.settings.task:
        raise IncomparableError(f"{found.name}: its task is {card.task}")
    if card.classes != data.classes:
        raise IncomparableError(f"{found.name}: its classes are other ones, or in another order")
    if (card.target or data.target) != data.target:
        raise IncomparableError(f"{found.name}: predicts {card.target!r}, not {data.target!r}")
    if exam.problem:
        raise IncomparableError(exam.problem)
    unseen = _unseen(found, card, exam.rows[data.id], candidate)
    rows = exam.rows[unseen].reset_index(drop=True)
    problem = candidate.output.problem(rows[data.target].to_numpy()) if len(rows) else ""
    if len(rows) < _MIN_ROWS or problem:
        what = f" ({problem})" if problem else ""
        raise IncomparableError(
            f"{found.name}: only {len(rows)} of the held-out customers are not among its training"
            f" rows{what}; keep split.salt and split.test_share"
        )
    theirs = Scored(_predictions(found, rows, candidate), card.rule)
    ours = Scored(exam.scores[unseen], candidate.rule)
    return Pair.of(rows, data.id, theirs, ours)


def _unseen(found: Baseline, card: Card, ids: pd.Series, candidate: Candidate) -> np.ndarray:
    """Tell for each customer whether the baseline was certainly not trained on that one."""
    assert card.test_share is not None
    assert card.salt is not None
    if card.held_out_below is None:
        return split.is_test(ids, card.test_share, card.salt)
    if found.workspace is not None:
        trained = read_parquet(found.workspace.split("train"), "prepare")[card.id]
        return ~ids.isin(trained).to_numpy()
    unseen = split.is_test(ids, card.held_out_below, card.salt)
    ours = read_json(candidate.workspace.model / CARD_FILE, "train", Card)
    if found.has_this_table and _split(card) == _split(ours):
        unseen |= ids.isin(candidate.test[card.id]).to_numpy()
    return unseen


def _split(card: Card) -> tuple[object, ...]:
    return card.test_share, card.salt, card.held_out_below


def _predictions(found: Baseline, rows: pd.DataFrame, candidate: Candidate) -> np.ndarray:
    ids = candidate.settings.data.id
    with tempfile.TemporaryDirectory(prefix="churn-compare-") as folder:
        file = Path(folder) / "rows.parquet"
        rows.to_parquet(file, index=False)
        predicted = found.predict(file)
    if not predicted[ids].astype(str).equals(rows[ids].astype(str)):
        raise IncomparableError(f"{found.name}: its predictions are not for the given customers")
    return candidate.output.scores(predicted)


def everyone(found: Baseline, alone: Pair, candidate: Candidate) -> Pair | str:
    """Add training rows with out-of-fold predictions of both models to held-out customers.

    Only rows that are equal in both tables: for others the models had different inputs.

    Returns
    -------
    Pair or str
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
    elif reason := _other_rows(found, candidate):
        return f"{found.name} {reason}"
    theirs = out_of_fold.by_customer(read_parquet(found.out_of_fold, "train"), before[data.id])
    ours = out_of_fold.by_customer(candidate.out_of_fold, train[data.id])
    gap = abs(len(theirs) / len(before) - len(ours) / len(train))
    in_both = train[data.id].isin(theirs.index) & train[data.id].isin(ours.index)
    in_both &= train[data.id].isin(customers.unchanged(before, train, data))
    train = train[in_both & ~train[data.id].isin(alone.rows[data.id])]
    if train.empty:
        return "no training row is equal in both tables"
    theirs, ours = (predicted.loc[train[data.id]] for predicted in (theirs, ours))
    if gap > _SHARE_TOLERANCE or not theirs["fold"].equals(ours["fold"]):
        return f"{found.name} has other folds (decision.folds, decision.max_rows)"
    rows = pd.concat([alone.rows, train], ignore_index=True)
    both = (
        Scored(np.concatenate([one.scores, candidate.output.scores(more)]), one.rule)
        for one, more in ((alone.baseline, theirs), (alone.candidate, ours))
    )
    return Pair.of(rows, data.id, *both)


def _other_rows(found: Baseline, candidate: Candidate) -> str | None:
    """Say why a baseline's training rows are not the candidate's; None if they are."""
    card, chosen = found.card(), candidate.settings
    if (card.test_share, card.salt) != (chosen.split.test_share, chosen.split.salt):
        return "holds out other customers"
    if card.train_max_rows != split.sample_size(len(candidate.train), chosen.train.max_rows):
        return "was trained on another sample (train.max_rows)"
    return None
