"""What a search for hyperparameters says of its winner: the content of reports/tune.json.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from churn.core.shapes import from_json

FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class SearchResult:
    """A search, and how its winner compares with the parameters that it began with.

    Attributes
    ----------
    format : {1}
    digest : str
        Of the winner (`digest_of`); only a model with these hyperparameters is meant.
    candidates : int
        How many different candidates were tried.
    earlier : int
        How many were tried in the searches whose winner this search began with.
    metric : str
        By which the winner was chosen.
    optimistic : float
        Winner minus former parameters in that metric, on the training rows that chose it.
    difference, lower, upper : float or None
        The same on the other training rows, with its 95% interval.
    word : str
        What the interval says; see `churn.evaluation.differences.Word`.
    rows : int
        The other training rows.
    """

    format: Literal[1]
    digest: str
    candidates: int
    earlier: int
    metric: str
    optimistic: float
    difference: float | None
    lower: float | None
    upper: float | None
    word: str
    rows: int


def digest_of(family: str, hyperparameters: Mapping[str, Any]) -> str:
    """Digest a model family and its hyperparameters: SHA-256, 64 hexadecimal digits."""
    text = json.dumps([family, hyperparameters], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read(file: Path, model: Any) -> SearchResult | None:
    """Read the search that has found a model's hyperparameters.

    Parameters
    ----------
    file : Path
        reports/tune.json.
    model : mapping
        The section `model` of params.yaml, validated or not.

    Returns
    -------
    SearchResult or None
        None if there is no valid file, or if it belongs to other hyperparameters, such as ones that
        were changed by hand since.
    """
    try:
        found = from_json(SearchResult, json.loads(file.read_text(encoding="utf-8")))
        wanted = digest_of(model["family"], model.get("hyperparameters") or {})
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return found if found.digest == wanted else None
