"""Accept a compiled model only if it gives the bits of its scikit-learn pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.model.artifact import Model
from churn.serve.compiled import Compiled
from churn.serve.rows import Rows, from_frame, numbers_of

# Where comparisons and divisions turn: signs, zeros, denominators of -1, the ends of float32.
_EXTREMES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-45, 1e-300, 7.0, 1e9, -1e9, 1e38, 3.4e38, -3.4e38)
_UNSEEN = ("never seen before", "", "0", "nan", "\u00c4\u011f'\"")
_RANDOM = 400
_ALONE = 40  # rows that are also predicted one at a time
_SEED = 0


def hostile(model: Model, sample: pd.DataFrame) -> Rows:
    """Make customers on which two implementations of a model may differ.

    Parameters
    ----------
    model : Model
    sample : DataFrame, shape (n_customers, n_columns)
        Raw columns of typical customers, at least one.

    Returns
    -------
    Rows
        The sample; the sample with each cell missing, extreme, or of an unseen category; random
        multiples of the sample, a fifth of their cells missing; and one customer of whom nothing
        is known.
    """
    typical, card = from_frame(model, sample), model.card
    numbers = typical.numbers
    changed = [numbers, np.full((1, numbers.shape[1]), np.nan)]
    for place in range(numbers.shape[1]):
        for cell in (np.nan, *_EXTREMES):
            edge = numbers.copy()
            edge[:, place] = cell
            changed.append(edge)
    changed.append(_random(numbers))
    stacked = np.concatenate(changed)
    return Rows(stacked, {name: _cycled(model, name, len(stacked)) for name in card.categorical})


def _random(numbers: np.ndarray) -> np.ndarray:
    draw = np.random.default_rng(_SEED)
    picked = numbers[draw.integers(len(numbers), size=_RANDOM)]
    filled = np.where(np.isnan(picked), 1.0, picked)
    spread = filled * draw.lognormal(sigma=1.5, size=picked.shape)
    # Whole numbers too, which are the edges of quintiles and of leaves.
    spread = np.where(draw.random(picked.shape) < 0.5, np.round(spread), spread)
    return np.where(draw.random(picked.shape) < 0.2, np.nan, spread)


def _cycled(model: Model, name: str, count: int) -> list[str | None]:
    """Return every known category, unseen ones and a missing one, again and again."""
    place = model.card.categorical.index(name)
    known = model.pipeline["features"].named_transformers_["category"][-1].categories_[place]
    cells: list[str | None] = [*map(str, known), *_UNSEEN, None]
    # Another step for each column, so that they do not go together.
    return [cells[(i * (2 * place + 1) + place) % len(cells)] for i in range(count)]


def difference(model: Model, compiled: Compiled, rows: Rows) -> str | None:
    """Compare a compiled model with its pipeline, bit by bit.

    Parameters
    ----------
    model : Model
    compiled : Compiled
    rows : Rows
        As `hostile` makes them.

    Returns
    -------
    str or None
        The first difference, with the customer's numbers; None if there is none.
    """
    frame = rows.frame(model.card)
    found = _unlike(model, compiled, rows, frame)
    if found is not None:
        return found
    # Evenly over all of them, which are in groups.
    for place in np.linspace(0, len(rows) - 1, num=min(_ALONE, len(rows)), dtype=int):
        one = rows.take(np.array([place]))
        found = _unlike(model, compiled, one, frame.iloc[[place]])
        if found is not None:
            return f"alone: {found}"
    return None


def _unlike(model: Model, compiled: Compiled, rows: Rows, frame: pd.DataFrame) -> str | None:
    with np.errstate(all="ignore"):  # scikit-learn adds up a column to see whether it is finite
        expected = model.pipeline.predict_proba(frame)[:, 1]
    found = compiled.probability(rows.numbers, rows.categories)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype} of shape {found.shape}, not {expected.dtype} of {expected.shape}"
    unlike = np.flatnonzero(found.view(np.int64) != expected.view(np.int64))
    if not len(unlike):
        return None
    place = int(unlike[0])
    cells = dict(zip(numbers_of(model.card), rows.numbers[place].tolist(), strict=True))
    return (
        f"{len(unlike)} of {len(rows)} rows differ, the first by"
        f" {abs(found[place] - expected[place]):.2g}, at {cells}"
    )
