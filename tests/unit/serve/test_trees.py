"""Trees are asked by treelite's C interface: its own answers, and errors instead of crashes."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import treelite
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from churn.serve.trees import Trees

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(300, 5))
y = (X[:, 0] + DRAW.normal(size=300) > 0).astype(int)
FAMILIES = [
    HistGradientBoostingClassifier(max_iter=9),
    GradientBoostingClassifier(n_estimators=9),
    RandomForestClassifier(9),
]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda one: type(one).__name__)
def model(request: pytest.FixtureRequest) -> treelite.Model:
    return treelite.sklearn.import_model(request.param.fit(X, y))


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_the_answers_are_treelite_s_own(model: treelite.Model, count: int) -> None:
    features = X[:count].copy()
    features[::3, 1] = np.nan
    found = Trees(model).predict(features)
    expected = treelite.gtil.predict_per_tree(model, features, nthread=1) if count else found
    assert found.tobytes() == expected.tobytes()
    assert len(found) == count


@pytest.mark.parametrize(
    "form", [np.asfortranarray, lambda x: x[::-1], lambda x: np.repeat(x, 2, axis=1)[:, ::2]]
)
def test_the_order_in_memory_does_not_count(model: treelite.Model, form: Any) -> None:
    features = form(X)
    whole = np.ascontiguousarray(features)
    assert Trees(model).predict(features).tobytes() == Trees(model).predict(whole).tobytes()


@pytest.mark.parametrize("features", [X[:, :4], X[0], X.astype(np.float32), X.astype(int)])
def test_what_would_be_read_beyond_its_end_is_refused(
    model: treelite.Model, features: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="of shape"):
        Trees(model).predict(features)


@pytest.mark.slow
def test_trees_may_be_made_and_forgotten(model: treelite.Model) -> None:
    for _ in range(50):
        Trees(model).predict(X[:1])
    gc.collect()
