"""How two versions compare on a trial: what they predict, and with labels which costs less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from churn.core.params import DecisionParams
from churn.data.split import hash_share
from churn.evaluation import always_valid
from churn.evaluation.always_valid import ConfidenceSequence

Word = Literal["better", "not worse", "worse", "cannot tell"]
_PREDICTED = ("probability", "prediction")
# Probabilities are clipped, so that a log loss has a limit, and its interval is exact.
_LEAST = 0.01
_LARGEST_LOSS = -float(np.log(_LEAST))
_WORDS: dict[str, Word] = {
    "better": "better",
    "non-inferior": "not worse",
    "worse": "worse",
    "inconclusive": "cannot tell",
}


@dataclass(frozen=True)
class Tried:
    """A trial.

    Attributes
    ----------
    share : float
        Part of the customers for whom the challenger predicts, in (0, 1].
    shadow : bool
        Whether the champion has answered them all the same.
    salt : str
        With which a hash of the id has chosen them: the challenger's version.
    """

    share: float
    shadow: bool
    salt: str


@dataclass(frozen=True)
class Side:
    """One version on a trial.

    Attributes
    ----------
    customers : int
        Whom it has predicted for.
    predicted : float
        Share of them that it predicts to churn, in [0, 1]; NaN if there are none.
    probability : float
        Mean of its probabilities; NaN if there are none.
    requests : int
        Requests by which it is measured how long its predictions take.
    p95_ms : float
        Milliseconds that 95 of 100 of them take at most; NaN if there are none.
    """

    customers: int
    predicted: float
    probability: float
    requests: int
    p95_ms: float


@dataclass(frozen=True)
class Interval:
    """Challenger minus champion, after the customers so far.

    Attributes
    ----------
    customers : int
    difference, lower, upper : float
        The difference, and the ends of an interval that holds at every look.
    word : {"better", "not worse", "worse", "cannot tell"} or None
        None where neither is better.
    """

    customers: int
    difference: float
    lower: float
    upper: float
    word: Word | None


@dataclass(frozen=True)
class Comparison:
    """A trial so far.

    Attributes
    ----------
    champion, challenger : Side
    failures : int
        Customers for whom the challenger could not predict.
    predicted : Interval or None
        Difference of the shares that are predicted to churn; None if one side has no customers.
    cost, log_loss : Interval or None
        Of the customers with a label; None without labels. Log loss is that of probabilities
        clipped to [0.01, 0.99].
    """

    champion: Side
    challenger: Side
    failures: int
    predicted: Interval | None
    cost: Interval | None
    log_loss: Interval | None


def compare(
    log: pd.DataFrame,
    labels: pd.Series | None,
    tried: Tried,
    decision: DecisionParams,
    margin: float,
) -> Comparison:
    """Compare what both versions have predicted.

    In the shadow both have predicted for the same customers, and their losses are compared customer
    by customer. Otherwise a hash has divided the customers, and two groups of different ones are
    compared. Each customer counts once, with the first prediction.

    Parameters
    ----------
    log : DataFrame
        ``request_id``, ``time``, ``row``, ``customer_id``, ``role``, ``probability``,
        ``prediction`` and ``scoring_ms`` of the trial, in order of time
        (`churn.serve.prediction_log.read`).
    labels : Series of int, or None
        1 where the customer churned, else 0, by customer id.
    tried : Tried
    decision : DecisionParams
        The costs.
    margin : float
        By how much the cost of a customer may be higher.
    """
    is_shadow, share = tried.shadow, tried.share
    own = log if is_shadow else _assigned(log, tried)
    its_role = "shadow" if is_shadow else "challenger"
    trial, times = _first_of_each(own), _times(own, ("champion", its_role))
    pairs = _paired(trial) if is_shadow else None
    groups = trial[trial["role"].isin(["champion", "challenger"])]
    if pairs is None and (groups["role"].nunique() < 2 or share == 1):
        predicted = cost = log_loss = None
    else:
        found = _Differences(pairs, groups, share)
        predicted = found.of("prediction", 1.0)
        known = found if labels is None else found.labelled(labels, decision)
        largest = max(decision.cost_false_negative, decision.cost_false_positive)
        is_known = labels is not None and len(known) > 0
        cost = known.of("cost", largest, margin) if is_known else None
        log_loss = known.of("log_loss", _LARGEST_LOSS, 0.0) if is_known else None
    return Comparison(
        _side(trial, times, "champion"),
        _side(trial, times, its_role),
        _not_shadowed(trial, tried) if is_shadow else int((trial["role"] == "fallback").sum()),
        predicted,
        cost,
        log_loss,
    )


def _assigned(log: pd.DataFrame, tried: Tried) -> pd.DataFrame:
    """Drop what was predicted before a server knew of the trial, by the wrong side."""
    ids = log["customer_id"].fillna("").astype(str)
    of_challenger = hash_share(ids, tried.salt) < tried.share
    has_id, role = log["customer_id"].notna(), log["role"]
    return log[~(has_id & of_challenger & (role == "champion")) & (role != "shadow")]


def _first_of_each(log: pd.DataFrame) -> pd.DataFrame:
    """Keep the first row of each customer and role; customers without an id are all different."""
    # A caller may give all its requests one id.
    parts = [log[name].astype(str) for name in ("request_id", "time", "row")]
    who = log["customer_id"].fillna("request " + parts[0] + parts[1] + ":" + parts[2])
    return log.assign(who=who).drop_duplicates(["who", "role"])


def _times(log: pd.DataFrame, roles: tuple[str, str]) -> pd.DataFrame:
    """Return the rows by which both sides are timed, one for each request and side.

    Of requests about one customer: the side that gets a part of a large request would look faster
    than the one that gets the rest. Where a side has none of these, all requests.
    """
    last = log.groupby(["request_id", "time"])["row"].transform("max")
    sides = log["role"].isin(roles)
    alone = log[sides & (last == 0)]
    timed = alone if alone["role"].nunique() == len(roles) else log[sides]
    return timed.drop_duplicates(["request_id", "time", "role"])


def _not_shadowed(trial: pd.DataFrame, tried: Tried) -> int:
    """Count the customers with an id for whom the shadow should have predicted, and has not."""
    of = {role: trial[trial["role"] == role] for role in ("champion", "shadow")}
    # Those after its last prediction may be on their way.
    known = of["champion"][of["champion"]["customer_id"].notna()]
    known = known[known["time"].between(of["shadow"]["time"].min(), of["shadow"]["time"].max())]
    its = hash_share(known["customer_id"].astype(str), tried.salt) < tried.share
    return int((its & ~known["who"].isin(of["shadow"]["who"])).sum())


def _paired(trial: pd.DataFrame) -> pd.DataFrame:
    """Return the customers for whom both have predicted, both predictions in a row."""
    sides = [trial[trial["role"] == role] for role in ("champion", "shadow")]
    columns = ["who", "probability", "prediction"]
    return sides[1][["customer_id", *columns]].merge(
        sides[0][columns], on="who", suffixes=("", "_champion")
    )


class _Differences:
    """Losses of both versions, paired or of two groups."""

    def __init__(self, pairs: pd.DataFrame | None, groups: pd.DataFrame, share: float) -> None:
        self._pairs, self._groups, self._share = pairs, groups, share

    def __len__(self) -> int:
        return len(self._groups if self._pairs is None else self._pairs)

    def labelled(self, labels: pd.Series, decision: DecisionParams) -> _Differences:
        """Keep the customers with a label, with the losses of each."""

        def with_losses(frame: pd.DataFrame, end: str) -> pd.DataFrame:
            y = frame["customer_id"].map(labels).to_numpy(dtype=float)
            p, d = (frame[f"{name}{end}"].to_numpy(dtype=float) for name in _PREDICTED)
            cost = np.where(
                y == 1,
                decision.cost_false_negative * (1 - d),
                decision.cost_false_positive * d,
            )
            p = np.clip(p, _LEAST, 1 - _LEAST)
            loss = -(y * np.log(p) + (1 - y) * np.log1p(-p))
            return frame.assign(**{f"cost{end}": cost, f"log_loss{end}": loss})

        if self._pairs is None:
            known = self._groups[self._groups["customer_id"].isin(labels.index)]
            return _Differences(None, with_losses(known, ""), self._share)
        known = self._pairs[self._pairs["customer_id"].isin(labels.index)]
        both = with_losses(with_losses(known, ""), "_champion")
        return _Differences(both, self._groups, self._share)

    def of(self, name: str, largest: float, margin: float | None = None) -> Interval | None:
        """Return the mean difference with its interval.

        `largest` is what a loss may be at most; with a margin the interval is put into a word.
        """
        if not len(self):
            return None
        if self._pairs is not None:
            losses, others = (self._pairs[name + end].to_numpy(float) for end in ("", "_champion"))
            found, limits = losses - others, (-largest, largest)
        else:
            losses = self._groups[name].to_numpy(float)
            challenger = (self._groups["role"] == "challenger").to_numpy()
            found = always_valid.unpaired(losses, challenger, self._share, largest)
            limits = (-largest / (1 - self._share), largest / self._share)
        looks = np.array([len(found)])
        sequence = always_valid.bounded(found, *limits, looks=looks)
        return _newest(sequence, margin)


def _newest(found: ConfidenceSequence, margin: float | None) -> Interval:
    word = None if margin is None else _WORDS[found.decisions(margin)[-1]]
    mean, lower, upper = (float(ends[-1]) for ends in (found.mean, found.lower, found.upper))
    return Interval(int(found.n[-1]), mean, lower, upper, word)


def _side(trial: pd.DataFrame, times: pd.DataFrame, role: str) -> Side:
    rows, taken = trial[trial["role"] == role], times[times["role"] == role]["scoring_ms"]
    if rows.empty:
        return Side(0, np.nan, np.nan, 0, np.nan)
    return Side(
        len(rows),
        float(rows["prediction"].mean()),
        float(rows["probability"].mean()),
        int(taken.notna().sum()),
        float(taken.quantile(0.95)),
    )
