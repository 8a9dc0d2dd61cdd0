"""Which rows of the prediction log count in a trial: each customer once, with the right version."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from churn.data.split import hash_share


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


def assigned(log: pd.DataFrame, tried: Tried) -> pd.DataFrame:
    """Drop what was predicted before a server knew of the trial, by the wrong side."""
    ids = log["customer_id"].fillna("").astype(str)
    of_challenger = hash_share(ids, tried.salt) < tried.share
    has_id, role = log["customer_id"].notna(), log["role"]
    return log[~(has_id & of_challenger & (role == "champion")) & (role != "shadow")]


def first_of_each(log: pd.DataFrame) -> pd.DataFrame:
    """Keep the first row of each customer and role; customers without an id are all different."""
    # A caller may give all its requests one id.
    parts = [log[name].astype(str) for name in ("request_id", "time", "row")]
    who = log["customer_id"].fillna("request " + parts[0] + parts[1] + ":" + parts[2])
    return log.assign(who=who).drop_duplicates(["who", "role"])


def times(log: pd.DataFrame, roles: tuple[str, str]) -> pd.DataFrame:
    """Return the rows by which both sides are timed, one for each request and side.

    Of requests about one customer: the side that gets a part of a large request would look faster
    than the one that gets the rest. Where a side has none of these, all requests.
    """
    last = log.groupby(["request_id", "time"])["row"].transform("max")
    sides = log["role"].isin(roles)
    alone = log[sides & (last == 0)]
    timed = alone if alone["role"].nunique() == len(roles) else log[sides]
    return timed.drop_duplicates(["request_id", "time", "role"])


def not_shadowed(trial: pd.DataFrame, tried: Tried) -> int:
    """Count the customers with an id for whom the shadow should have predicted, and has not."""
    of = {role: trial[trial["role"] == role] for role in ("champion", "shadow")}
    # Those after its last prediction may be on their way.
    known = of["champion"][of["champion"]["customer_id"].notna()]
    known = known[known["time"].between(of["shadow"]["time"].min(), of["shadow"]["time"].max())]
    its = hash_share(known["customer_id"].astype(str), tried.salt) < tried.share
    return int((its & ~known["who"].isin(of["shadow"]["who"])).sum())
