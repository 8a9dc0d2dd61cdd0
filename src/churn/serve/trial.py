"""How a canary goes, by the prediction log, and whether it may end in Production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from churn.core import params
from churn.core.errors import ArtifactError, ParamsError, RegistryError
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data import labels as labels_file
from churn.deploy import canary
from churn.evaluation import tasks, trial_gate
from churn.evaluation.tasks import Task
from churn.evaluation.tasks.contrast import Scale
from churn.evaluation.trial import Comparison, Tried, compare
from churn.evaluation.trial_gate import Standing
from churn.registry import Canary, Registry, Version, verified
from churn.registry.version import in_production
from churn.registry.working_copy import working_copy
from churn.serve import log_reading, trial_lines

# The log's own columns that are needed.
_OWN = ("request_id", "time", "row", "customer_id", "version", "role", "scoring_ms")

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
    scale : Scale or None
        Limits that the champion gives.
    """

    version: int
    champion: int
    trial: Canary
    begun: str
    found: Comparison | None
    standing: Standing
    scale: Scale | None = None


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
    RegistryError
        If nothing is in Production, or its version cannot be compared with.
    ArtifactError, DataError
        If log or labels cannot be read.
    CandidateError, TrackingError
        If the version's files were changed, or the registry cannot be reached.
    """
    address = log or settings.serve.log
    if address is None:
        raise ParamsError("serve.log is null: a trial is compared by the prediction log")
    task = tasks.of_params(settings)
    with working_copy(root):
        versions = Registry(root, settings.release).versions()
        version, champion = canary.require_running(versions), in_production(versions)
        scale = None if champion is None else _scale(task, champion)
    begun, trial = version.last("canary"), version.canary
    if champion is None or begun is None or trial is None:
        raise RegistryError("nothing is in Production to compare with")
    since = datetime.fromisoformat(begun.when)
    rows = log_reading.read(address, since, _OWN, task.output.answered)
    numbers = {str(version.number), str(champion.number)}
    rows = rows[rows["version"].isin(numbers) & (rows["role"] != "named")]
    named = labels or settings.monitor.labels
    known = None if named is None else _known(named, since, settings)
    tried = Tried(trial.share, trial.shadow, str(version.number))
    found = None
    if not rows.empty:
        margins, classes = settings.gates.margins, settings.data.classes
        found = compare(rows, known, tried, settings.decision, margins, classes, scale)
    limits = settings.release
    ends = None if limits.canary is None else canary.due(version, limits.canary)
    standing = trial_gate.decide(found, limits, ends, datetime.now(UTC))
    return Seen(version.number, champion.number, trial, begun.when, found, standing, scale)


def _scale(task: Task, champion: Version) -> Scale | None:
    """Return the limits that the champion gives, if the task's values have none by themselves."""
    if not task.needs_scale:
        return None
    with TemporaryDirectory(prefix="churn-canary-") as folder:
        try:
            return task.scale(verified.reference(champion, Path(folder)))
        except ArtifactError as error:
            raise RegistryError(f"version {champion.number}: {error}") from error


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
        task, versions = tasks.of_params(settings), (seen.champion, seen.version)
        contrasts = task.contrasts(settings.gates.margins, seen.scale)
        for line in trial_lines.lines(seen.found, *versions, contrasts, task.rows(seen.scale)):
            say(line)
    say(f"{_OUTCOMES[seen.standing.outcome]}: {seen.standing.reason}")


def _known(address: str, since: datetime, settings: Params) -> pd.Series:
    """Return the labels that were known after a moment, by customer id; the newest of each."""
    found = labels_file.read(address, settings.data, settings.monitor.date)
    # Without a day it is known now.
    later = found[found["known"].isna() | (found["known"] > since)].sort_values(
        "known", kind="stable"
    )
    return later.drop_duplicates("id", keep="last").set_index("id")["y"]
