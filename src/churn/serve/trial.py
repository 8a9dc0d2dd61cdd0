"""How a canary goes, by the prediction log, and whether it may end in Production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from churn.core import params
from churn.core.errors import ParamsError, RegistryError
from churn.core.params import DecisionParams, Params
from churn.core.paths import Workspace
from churn.data import labels as labels_file
from churn.deploy import canary
from churn.evaluation import trial_gate
from churn.evaluation.trial import Comparison, Interval, Side, Tried, compare
from churn.evaluation.trial_gate import Standing
from churn.registry import Canary, Registry
from churn.registry.version import in_production
from churn.registry.working_copy import working_copy
from churn.serve import prediction_log

_OUTCOMES = {
    "promote": "ready for Production",
    "wait": "not yet ready for Production",
    "block": "not fit for Production",
}


@dataclass(frozen=True)
class Seen:
    """A trial, and what its predictions say.

    Attributes
    ----------
    version, champion : int
    trial : Canary
    begun : str
        ISO 8601, UTC.
    found : Comparison or None
        None if nothing was logged.
    standing : Standing
        The decision on it.
    """

    version: int
    champion: int
    trial: Canary
    begun: str
    found: Comparison | None
    standing: Standing


def look(root: Path, log: str | None, labels: str | None, settings: Params) -> Seen:
    """Compare the versions of the trial, and decide on it.

    Parameters
    ----------
    root : Path
        The repository.
    log : str or None
        Address of the prediction log; None for that of params.yaml.
    labels : str or None
        Address of what became of the customers; None for that of params.yaml.
    settings : Params

    Raises
    ------
    NoTrialError
        If no version is tried.
    ParamsError
        If there is no prediction log.
    """
    address = log or settings.serve.log
    if address is None:
        raise ParamsError("serve.log is null: a trial is compared by the prediction log")
    with working_copy(root):
        registry = Registry(root, settings.release)
        versions = registry.versions()
    version, champion = canary.require_running(versions), in_production(versions)
    begun, trial = version.last("canary"), version.canary
    if champion is None or begun is None or trial is None:
        raise RegistryError("nothing is in Production to compare with")
    since = datetime.fromisoformat(begun.when)
    rows = prediction_log.read(address, since, prediction_log.COLUMNS)
    numbers = {str(version.number), str(champion.number)}
    rows = rows[rows["version"].isin(numbers) & (rows["role"] != "named")]
    named = labels or settings.monitor.labels
    known = None if named is None else _known(named, since, settings)
    tried = Tried(trial.share, trial.shadow, str(version.number))
    margin = _margin(settings)
    if not isinstance(settings.decision, DecisionParams):
        raise ParamsError(f"a trial compares probabilities of two classes; task: {settings.task}")
    found = None if rows.empty else compare(rows, known, tried, settings.decision, margin)
    limits = settings.release
    ends = None if limits.canary is None else canary.due(version, limits.canary)
    standing = trial_gate.decide(found, limits, ends, datetime.now(UTC))
    return Seen(version.number, champion.number, trial, begun.when, found, standing)


def show(root: Path, log: str | None, labels: str | None, say: Callable[[str], None]) -> None:
    """Print how the trial goes; parameters and errors as for `look`.

    Parameters
    ----------
    say : callable
        Gets each line.
    """
    settings = params.load(Workspace(root).params)
    seen = look(root, log, labels, settings)
    say(
        f"version {seen.version} is tried {seen.trial.described} since {seen.begun[:16]} UTC,"
        f" against version {seen.champion}"
    )
    if seen.found is None:
        say(f"{log or settings.serve.log} has no predictions since then")
    else:
        for line in lines(seen.found, seen.champion, seen.version, _margin(settings)):
            say(line)
    say(f"{_OUTCOMES[seen.standing.outcome]}: {seen.standing.reason}")


def _margin(settings: Params) -> float:
    return settings.gates.margins.get("cost", 0.0)


def _known(address: str, since: datetime, settings: Params) -> pd.Series:
    """Return the labels that were known after a moment, by customer id; the newest of each."""
    found = labels_file.read(address, settings.data, settings.monitor.date)
    # Without a day it is known now.
    later = found[found["known"].isna() | (found["known"] > since)].sort_values(
        "known", kind="stable"
    )
    return later.drop_duplicates("id", keep="last").set_index("id")["y"]


def lines(found: Comparison, champion: int, challenger: int, margin: float) -> list[str]:
    """Describe a trial in lines."""
    names = [f"version {number}" for number in (champion, challenger)]
    shown = [f"{'':28}{names[0]:>14}{names[1]:>14}"]
    rows: list[tuple[str, Callable[[Side], str]]] = [
        ("customers", lambda side: f"{side.customers:,}"),
        ("predicted to churn", lambda side: _share(side.predicted)),
        ("mean probability", lambda side: f"{side.probability:.3f}"),
        ("95 of 100 predicted within", lambda side: f"{side.p95_ms:.1f} ms"),
    ]
    for name, text in rows:
        cells = [
            text(side) if side.customers else "-" for side in (found.champion, found.challenger)
        ]
        shown.append(f"{name:28}{cells[0]:>14}{cells[1]:>14}")
    if found.failures:
        shown.append(f"version {challenger} has not predicted for {found.failures:,} customers")
    if found.predicted is not None:
        shown.append(f"predicted to churn: {_interval(found.predicted)}")
    if found.cost is None:
        shown.append("with --labels: cost and log loss")
        return shown
    shown.append(f"cost of a customer: {_interval(found.cost)} (margin {margin:g})")
    if found.log_loss is not None:
        shown.append(f"log loss: {_interval(found.log_loss)}")
    return shown


def _interval(found: Interval) -> str:
    word = f": {found.word}" if found.word else ""
    return (
        f"difference {found.difference:+.4f}, within {found.lower:+.4f} and {found.upper:+.4f},"
        f" of {found.customers:,} customers{word}"
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
