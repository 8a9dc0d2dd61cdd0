"""The baseline of a comparison: a model with the code that belongs to it."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from churn.core import process
from churn.core.errors import ChurnError, IncomparableError
from churn.core.files import Shape, read_json, read_parquet
from churn.core.params.table import Label
from churn.core.paths import Workspace
from churn.model.card import CARD_FILE
from churn.model.rule import Rule, rule_of

PRODUCTION = "Production"


class Card(Shape):
    """A model's card as written by any release of this project."""

    id: str | None = None
    target: str | None = None
    task: str = "binary"
    classes: tuple[Label, ...] = ()
    threshold: float | None = None
    half_width: float | None = None
    costs: tuple[float, ...] | None = None
    test_share: float | None = None
    train_max_rows: int | None = None
    salt: str | None = None
    held_out_below: float | None = None
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule | None:
        """The rule of the model's output (`churn.model.outputs`)."""
        return rule_of(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the model reads."""
        return (*self.numeric, *self.dates, *self.categorical)


@dataclass(frozen=True)
class Baseline:
    """A model with the code that belongs to it.

    Attributes
    ----------
    name : str
        The revision as the user gave it, or ``Production``.
    identity : str
        Commit, or number of the version in the registry.
    source : {"stored", "reproduced", "registry"}
        Where the model came from.
    model : Path
        Folder of the model.
    code : Path or None
        Folder with the package `churn` that the model was trained with; None if it equals the code
        that runs here.
    workspace : Workspace or None
        Of its commit, with both sides of the split; None if these are unavailable.
    out_of_fold : Path or None
        Out-of-fold predictions of its training rows; None if they were not kept.
    has_this_table : bool
        Whether it was trained on the table that is in ``data/``, byte for byte.
    """

    name: str
    identity: str
    source: Literal["stored", "reproduced", "registry"]
    model: Path
    code: Path | None
    workspace: Workspace | None
    out_of_fold: Path | None = None
    has_this_table: bool = False

    def card(self) -> Card:
        """Return the model's card."""
        return read_json(self.model / CARD_FILE, "train", Card)

    def predict(self, rows: Path) -> pd.DataFrame:
        """Predict with the baseline's own code; in another process if that code differs.

        Its transformers may have changed since, and a model gives other predictions with other
        code.

        Parameters
        ----------
        rows : Path
            Parquet file with the id and the raw columns.

        Returns
        -------
        DataFrame, shape (n_customers, n_columns)
            Id and the answer, in the order of `rows`.

        Raises
        ------
        IncomparableError
            If the baseline cannot predict for these rows.
        """
        if self.code is None:
            return self._predict_here(rows)
        if not (self.code / "churn").is_dir():  # else Python would import the candidate's code
            raise IncomparableError(f"{self.name}: its code is missing")
        with tempfile.TemporaryDirectory(prefix="churn-scored-") as folder:
            output = Path(folder) / "scored.parquet"
            command = [sys.executable, "-m", "churn", "predict"]
            command += ["--model", str(self.model.resolve())]
            command += ["--input", str(rows.resolve()), "--output", str(output)]
            environment = process.without_credentials() | {"PYTHONPATH": str(self.code.resolve())}
            done = process.run(command, Path(folder), environment=environment)
            if done.returncode:
                reason = last_error(done.stderr).removeprefix("Error: ")
                raise self._incomparable(reason, rows.resolve())
            return read_parquet(output, "predict")

    def _predict_here(self, rows: Path) -> pd.DataFrame:
        """Predict as ``churn predict`` does, with the same errors."""
        from churn.model import artifact, prediction

        try:
            return prediction.score(artifact.load(self.model), rows)
        except ChurnError as error:
            raise self._incomparable(str(error), rows) from error
        except Exception as error:  # from a library, depending on rows and model
            raise self._incomparable(f"{type(error).__name__}: {error}", rows) from error

    def _incomparable(self, reason: str, rows: Path) -> IncomparableError:
        # The name of the temporary file means nothing to the reader.
        reason = reason.removeprefix(f"{rows}: ")
        return IncomparableError(f"{self.name}: cannot be scored on these rows: {reason}")


def last_error(text: str) -> str:
    """Return the last line with an error, without DVC's prefix and its advice."""
    return process.error_line(text, ("ERROR: ", "Error: "), last=True).removeprefix("ERROR: ")
