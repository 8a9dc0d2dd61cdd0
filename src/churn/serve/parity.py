"""Accept a compiled model only if it gives the bits of its scikit-learn pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.data.cells import MAX_NUMBER
from churn.model.artifact import Model
from churn.serve.compiled import Compiled
from churn.serve.questions import known_categories
from churn.serve.rows import Rows, from_frame, numbers_of

# Where comparisons and divisions turn: signs, zeros, denominators of -1, the ends of float32.
_EXTREMES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-45, 1e-300, 7.0, 1e9, -1e9, 1e38, 3.4e38, -3.4e38)
_UNSEEN = ("never seen before", "", "0", "nan", "\u00c4\u011f'\"")
_RANDOM = 400
_TURNS = 1000  # numbers at which the model turns that are tried, each with both its neighbours
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
        The sample; the sample with each cell missing, extreme, or of an unseen category; a typical
        customer with numbers at which a tree or a score turns, and just beside them; random
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
    changed.append(_at_turns(model, numbers[0]))
    changed.append(_random(numbers))
    stacked = np.concatenate(changed)
    return Rows(stacked, {name: _cycled(model, name, len(stacked)) for name in card.categorical})


def _at_turns(model: Model, typical: np.ndarray) -> np.ndarray:
    """Return a typical customer with one number at, just below or just above where it counts."""
    turns = np.array(sorted(_turns(model))).reshape(-1, 2)
    turns = turns[np.linspace(0, len(turns) - 1, num=min(_TURNS, len(turns)), dtype=int)]
    found = np.tile(typical, (3 * len(turns), 1))
    places = np.tile(turns[:, 0].astype(int), 3)
    cells = turns[:, 1]
    around = [cells, np.nextafter(cells, -np.inf), np.nextafter(cells, np.inf)]
    found[np.arange(len(found)), places] = np.concatenate(around)
    return found


def _turns(model: Model) -> set[tuple[int, float]]:
    """Return the places of numbers, and at which of their values a tree or a score turns."""
    classifier, numeric = model.pipeline[-1], model.card.numeric
    found: set[tuple[int, float]] = set()
    for trees in getattr(classifier, "_predictors", ()):  # hist_gradient_boosting
        for tree in trees:
            nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
            found.update(nodes[["feature_idx", "num_threshold"]].tolist())
    for tree in np.ravel(getattr(classifier, "estimators_", ())):
        splits = zip(tree.tree_.feature.tolist(), tree.tree_.threshold.tolist(), strict=True)
        found.update(splits)
    # The first features are the numbers as they are; a leaf has a negative place.
    found = {(place, cell) for place, cell in found if 0 <= place < len(numeric)}
    for name, branch, columns in model.pipeline["features"].transformers_:
        if name == "rfm":
            places = [numeric.index(column) for column in columns]
            for place, edges in zip(places, branch[0].edges_, strict=True):
                found.update((place, cell) for cell in edges.tolist())
    return {(place, cell) for place, cell in found if abs(cell) <= MAX_NUMBER}


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
    cells: list[str | None] = [*sorted(known_categories(model)[name]), *_UNSEEN, None]
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
        expected = model.output.score(model.pipeline, frame)
    found = compiled.scores(rows.numbers, rows.categories)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype} of shape {found.shape}, not {expected.dtype} of {expected.shape}"
    both = (np.ascontiguousarray(scores).view(np.int64) for scores in (found, expected))
    differ = np.not_equal(*both)
    unlike = np.flatnonzero(differ.any(axis=1) if differ.ndim > 1 else differ)
    if not len(unlike):
        return None
    place = int(unlike[0])
    cells = dict(zip(numbers_of(model.card), rows.numbers[place].tolist(), strict=True))
    return (
        f"{len(unlike)} of {len(rows)} rows differ, the first by"
        f" {np.abs(found[place] - expected[place]).max():.2g}, at {cells}"
    )
