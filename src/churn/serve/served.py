"""A version of the model that is loaded and answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core.errors import CandidateError
from churn.model import artifact
from churn.model.artifact import Model
from churn.model.outputs import Output
from churn.provenance.candidate import model_digest
from churn.serve import parity
from churn.serve.compiled import Compiled, CompileError, compile_model
from churn.serve.questions import Questions
from churn.serve.rows import Cell, Rows


@dataclass(frozen=True)
class Served:
    """A version that is loaded.

    Attributes
    ----------
    version : str
        Its number, or what a model without one is called.
    model : Model
        The reference.
    compiled : Compiled or None
        None where the reference answers.
    why_not : str
        Why there is no compiled model; empty if there is one.
    questions : Questions
        Reads requests to it.
    example : dict of str to number or str or None
        A customer to try it with, by column.
    folder : Path or None
        Where it was loaded from.
    """

    version: str
    model: Model
    compiled: Compiled | None
    why_not: str
    questions: Questions
    example: dict[str, Cell]
    folder: Path | None = None

    @property
    def may_merge(self) -> bool:
        """Whether customers of several requests may be predicted together, with the same bits."""
        return self.compiled is not None and self.compiled.by_row

    @cached_property
    def output(self) -> Output:
        """What it answers."""
        return self.model.output

    def scores(self, rows: Rows) -> np.ndarray:
        """Predict, as `churn.model.artifact.Model.scores`."""
        if self.compiled is not None:
            return self.compiled.scores(rows.numbers, rows.categories)
        return self.output.score(self.model.pipeline, rows.frame(self.model.card))

    def answer(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Return the answer: an array for each column of `Output.answered`."""
        return self.output.answer(scores, self.model.card.rule)


def load(
    version: str,
    folder: Path,
    digest: str,
    sample: pd.DataFrame | None,
    max_rows: int,
    known: str | None = None,
) -> Served:
    """Load a version, compile it, and compare both.

    Parameters
    ----------
    version : str
    folder : Path
        Of the model, as `churn.model.artifact.save` writes it.
    digest : str
        What its files have to have.
    sample : DataFrame or None
        Raw columns of typical customers; default is a customer of whom nothing is known.
    max_rows : int
        Maximum number of customers of a request.
    known : str, optional
        `Served.why_not` as it was found for these bytes, here, before; then they are not compared
        again.

    Raises
    ------
    CandidateError
        If the files have another digest.
    ArtifactError
        If there is no model of this project.
    """
    if (found := model_digest(folder)) != digest:
        raise CandidateError(
            f"{folder}: its model is {str(found)[:12]}, and {digest[:12]} is to be served"
        )
    model = artifact.load(folder)
    if sample is None:
        sample = pd.DataFrame([dict.fromkeys(model.card.inputs)], dtype=object)
    rows = parity.hostile(model, sample)
    compiled, why_not = _compile(model, rows, known)
    [example] = json.loads(sample.head(1).to_json(orient="records", date_format="iso"))
    served = Served(version, model, compiled, why_not, Questions(model, max_rows), example, folder)
    served.scores(rows)  # a model that cannot answer is not served; and it is warm then
    return served


def _compile(model: Model, rows: Rows, known: str | None) -> tuple[Compiled | None, str]:
    """Return the compiled model, or why there is none; `known` as for `load`."""
    if known:
        return None, known
    try:
        compiled = compile_model(model)
        unlike = parity.difference(model, compiled, rows) if known is None else None
    except CompileError as error:
        return None, str(error)
    except Exception as error:  # whatever is wrong with it, the reference answers
        return None, f"{type(error).__name__}: {error}"
    return (None, unlike) if unlike else (compiled, "")
