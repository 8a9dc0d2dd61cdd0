"""The candidates of a search on disk, so that a search that was killed goes on.

Not Optuna's storages: a candidate is a folder with its values and its predictions, which is there
as a whole or not at all. From these folders the study is built anew for each candidate, so that a
search that was interrupted tries the same candidates as one that was not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from churn.core.files import Shape, atomic, read_json, read_parquet, write_json
from churn.core.params import Params, Scalar
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.data import sources
from churn.provenance.candidate import work_tree_fingerprint

# What the predictions of a candidate depend on, beside the training rows and the parameters.
CODE = (
    "requirements/pipeline.txt",
    "src/churn/core",
    "src/churn/data",
    "src/churn/evaluation",
    "src/churn/model",
    "src/churn/stages/train.py",
    "src/churn/tune/candidate.py",
    "src/churn/tune/records.py",
    "src/churn/tune/search.py",
    "src/churn/tune/space.py",
)
_TRIAL, _PREDICTIONS, _IDENTITY = "trial.json", "predictions.parquet", "search.json"
CURRENT = -1  # the number of the current parameters


class Identity(Shape):
    """What a search depends on: digests of its parts."""

    space: str
    parameters: str
    data: str
    code: str

    @property
    def digest(self) -> str:
        """One digest of all parts."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Trial(Shape):
    """A candidate of a search.

    Attributes
    ----------
    number : int
        From 0 on; -1 for the current parameters.
    state : {"complete", "pruned", "failed"}
        Pruned: not all folds were predicted, because it did worse than others on the first ones.
    suggested : dict of str to value
        By Optuna.
    hyperparameters : dict of str to value
        The same, rounded: what was tried.
    values : list of float or None
        The metric after each fold, of the choosing rows.
    rule : float, tuple of float or None
    reason : str
        Why it failed.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    suggested: dict[str, Scalar]
    hyperparameters: dict[str, Scalar]
    values: list[float | None] = Field(default_factory=list)
    rule: float | tuple[float, ...] | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The metric of all choosing rows; None if it was not computed."""
        return self.values[-1] if self.state == "complete" and self.values else None


@dataclass(frozen=True)
class Records:
    """The folder of one search.

    Attributes
    ----------
    folder : Path
    identity : Identity
    """

    folder: Path
    identity: Identity

    def trials(self) -> list[Trial]:
        """Read the candidates from 0 on, up to the first one that is missing."""
        found: list[Trial] = []
        while (file := self._of(len(found)) / _TRIAL).exists():
            found.append(read_json(file, "tune", Trial))
        return found

    def current(self) -> Trial | None:
        """Read how the current parameters do; None if that is not known yet."""
        file = self._of(CURRENT) / _TRIAL
        return read_json(file, "tune", Trial) if file.exists() else None

    def predictions(self, trial: Trial) -> pd.DataFrame:
        """Read the predictions of a candidate, as `churn.tune.candidate.Evaluated` has them."""
        return read_parquet(self._of(trial.number) / _PREDICTIONS, "tune").set_index("position")

    def write(self, trial: Trial, predictions: pd.DataFrame | None) -> None:
        """Write a candidate, all of it at once."""
        with atomic(self._of(trial.number)) as fresh:
            fresh.mkdir()
            if predictions is not None:
                written = predictions.rename_axis("position").reset_index()
                written.to_parquet(fresh / _PREDICTIONS, index=False, compression="zstd")
            (fresh / _TRIAL).write_text(trial.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _of(self, number: int) -> Path:
        return self.folder / ("current" if number == CURRENT else f"{number:04d}")


def identify(workspace: Workspace, settings: Params) -> Identity:
    """Digest what a search depends on.

    Raises
    ------
    ArtifactError
        If this is not a git repository, or the training rows are missing.
    """
    tune = settings.tune.model_dump(mode="json", exclude={"trials", "timeout_s"})
    used = settings.model_dump(
        mode="json", include={"data": True, "features": True, "model": True, "decision": True}
    )
    # Where the table was read from, and who was held out, shows in the rows.
    used["data"].pop("path")
    return Identity(
        space=_digest(tune),
        parameters=_digest(used),
        data=sources.digest(workspace.split("train"), "sha256") or "absent",
        code=work_tree_fingerprint(workspace.root, CODE),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def open_search(workspace: Workspace, identity: Identity, say: Say) -> Records:
    """Open the search of these inputs, and say whether it goes on or begins anew.

    Other searches stay: who undoes a change finds the search that belongs to it.
    """
    folder = workspace.searches / identity.digest[:12]
    records = Records(folder, identity)
    if known := len(records.trials()):
        say(f"tune: going on with the search in {folder}, which has {known} candidates")
        return records
    if last := _last(workspace, folder):
        before = read_json(last / _IDENTITY, "tune", Identity)
        parts = identity.model_dump()
        other = [name for name, digest in before.model_dump().items() if parts[name] != digest]
        say(
            f"tune: a new search, because of other {' and '.join(other)}; the last one is in {last}"
        )
    write_json(folder / _IDENTITY, identity)
    return records


def _last(workspace: Workspace, besides: Path) -> Path | None:
    """Return the folder of the search that was used last."""
    found = [file.parent for file in workspace.searches.glob(f"*/{_IDENTITY}")]
    others = [folder for folder in found if folder != besides]
    return max(others, key=lambda folder: folder.stat().st_mtime, default=None)
