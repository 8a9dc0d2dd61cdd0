"""SHAP values of a model's predictions, by raw column; they sum to the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from churn.core.errors import ExplanationError
from churn.explanation.division import Division
from churn.model.artifact import Model

Unit = Literal["log-odds", "probability", "number", "logarithm", "raw score"]
_OF_LOGARITHMS = ("poisson", "gamma")  # losses of models whose predictions are exponentials
_CHUNK = 4096  # rows whose features are held at once
# Of what is summed: a thousand times what rounding does, and far less than anybody reads.
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Explained:
    """The reasons of predictions.

    Attributes
    ----------
    values : ndarray of float64, shape (n_customers, n_columns)
        What each raw column adds to the score; columns in the order of the card's `inputs`.
    base : ndarray of float64, shape (n_customers,)
        The score of which nothing is known: its mean for the training rows, as the trees weight
        them (`class_weight`, the rows that a tree was grown on).
    score : ndarray of float64, shape (n_customers,)
        ``base`` and the sum of the values.
    unit : {"log-odds", "probability", "number", "logarithm", "raw score"}
        Of all these: of the probability p it is log(p / (1 - p)), or p itself; or the predicted
        number, or its natural logarithm. Of several classes, those of the predicted one: its
        probability, or its raw score, which is the logarithm of the probability up to a number that
        all classes share.
    """

    values: np.ndarray
    base: np.ndarray
    score: np.ndarray
    unit: Unit


class Explainer:
    """Computes SHAP values for a model.

    Parameters
    ----------
    model : Model

    Raises
    ------
    ExplanationError
        If the model has a part for which there are none.

    Notes
    -----
    These are the values of the features; `churn.explanation.division` gives them back to the raw
    columns.

    Trees: path-dependent TreeSHAP, exact (Lundberg et al. (2020), From local explanations to global
    understanding with explainable AI for trees, Nature Machine Intelligence 2, algorithm 2). What
    is not known is averaged over the training rows, as the trees count them in each node. The
    interventional kind would average over customers that are stored with the model, and a stored
    model holds no customers.

    Linear models: ``weight x (feature - mean)``, exact (Lundberg and Lee (2017), A unified
    approach to interpreting model predictions, corollary 1). The features are standardised, so
    their mean in the training rows is 0, and the base is the intercept.

    With the exponential loss gradient boosting sums half the log-odds (Friedman, Hastie and
    Tibshirani (2000), Additive logistic regression, lemma 1), and all is doubled.

    A forest averages probabilities, so its values are differences of probability; those of other
    families are differences of log-odds, of which these models are sums. Those of a predicted
    number are differences of that number, or of its logarithm, of which a model with the losses
    poisson and gamma is a sum. For several classes the predicted one is explained, by
    its probability or its raw score.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._division = Division(model)
        estimator = model.pipeline[-1]
        self._estimator = estimator
        known = self._division.n_features
        if known != estimator.n_features_in_:
            raise ExplanationError(
                f"the model has {estimator.n_features_in_} features, and {known} are known"
            )
        units: dict[str | None, Unit] = {"regression": "number", "multiclass": "raw score"}
        self.unit: Unit = units.get(model.card.task, "log-odds")
        if isinstance(estimator, RandomForestClassifier):
            self.unit = "probability"
        if getattr(estimator, "loss", None) in _OF_LOGARITHMS:
            self.unit = "logarithm"
        self._per_score = _per_score(estimator)
        self._of_features, self.base = _method(estimator)

    @property
    def leaves(self) -> int:
        """Number of leaves of all trees, with which the time of a row grows; 1 without trees."""
        if hasattr(self._estimator, "_predictors"):  # hist_gradient_boosting's
            grown = chain.from_iterable(self._estimator._predictors)
            return sum(one.get_n_leaf_nodes() for one in grown)
        trees = np.ravel(getattr(self._estimator, "estimators_", []))
        return sum(int(one.tree_.n_leaves) for one in trees) or 1

    def explain(self, inputs: pd.DataFrame) -> Explained:
        """Explain predictions.

        Parameters
        ----------
        inputs : DataFrame, shape (n_customers, n_columns)
            Converted cells, as `churn.model.artifact.Model.inputs` returns them.

        Raises
        ------
        ExplanationError
            If the values do not sum to what the model predicts.
        """
        values, scores = [np.empty((0, self._division.n_columns))], [np.empty(0)]
        bases = [np.empty(0)]
        for start in range(0, len(inputs), _CHUNK):
            chunk = inputs.iloc[start : start + _CHUNK]
            features = self._model.pipeline[:-1].transform(chunk)
            score, of_features = self._score(features), self._of_features(features)
            base, chosen = np.full(len(chunk), self.base[0]), None
            if score.ndim > 1:
                places = np.arange(len(chunk))
                chosen = self._predicted(features)
                score, of_features = score[places, chosen], of_features[places, :, chosen]
                base = self.base[chosen]
            found = self._division.of(chunk, of_features, chosen)
            _require_sum(found, base, score)
            for kept, part in ((values, found), (scores, score), (bases, base)):
                kept.append(part)
        joined = [np.concatenate(parts) for parts in (values, bases, scores)]
        return Explained(joined[0], joined[1], joined[2], self.unit)

    def _predicted(self, features: np.ndarray) -> np.ndarray:
        """Return the positions of the predicted classes."""
        probability = self._estimator.predict_proba(features)
        return self._model.output.decided(probability, self._model.card.rule)

    def _score(self, features: np.ndarray) -> np.ndarray:
        score: np.ndarray
        if self.unit in ("number", "logarithm"):
            score = np.asarray(self._estimator.predict(features), dtype=np.float64)
            score = np.log(score) if self.unit == "logarithm" else score
        elif self.unit == "probability":
            score = self._estimator.predict_proba(features)
            score = score[:, 1] if score.shape[1] == 2 else score
        else:
            score = self._per_score * self._estimator.decision_function(features)
        return score


def prepare() -> None:
    """Import what explains trees, which takes a second or more, before it is needed."""
    import shap  # noqa: F401


def _method(estimator: Any) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Return what computes the values of features, and the base of each class.

    The values are of shape (n_customers, n_features), with a further axis for several classes.
    """
    n_classes = len(getattr(estimator, "classes_", ()))
    if isinstance(estimator, LogisticRegression | Ridge):
        weights, base = np.atleast_2d(estimator.coef_), np.ravel(estimator.intercept_)
        if n_classes > 2:
            return lambda features: features[:, :, None] * weights.T, base
        return lambda features: features * weights[0], base
    if isinstance(estimator, GradientBoostingClassifier) and n_classes > 2:
        return _of_classes(estimator)
    import shap  # takes a second, and only who asks for reasons needs it

    try:
        trees = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    except Exception as error:  # of a class of shap's, or whatever reading the trees raises
        raise ExplanationError(
            f"no reasons for {type(estimator).__name__}: {' '.join(str(error).split())}"
        ) from error

    def of_features(features: np.ndarray) -> np.ndarray:
        found = np.asarray(trees.shap_values(features, check_additivity=False), dtype=np.float64)
        return found[..., -1] if found.ndim == 3 and n_classes == 2 else found  # of both classes

    base = np.ravel(trees.expected_value).astype(np.float64)
    base = base if n_classes > 2 else base[-1:]
    if _per_score(estimator) == 1.0:
        return of_features, base
    # shap takes the log-odds of the training rows for what these trees start from, which is half.
    start = float(logit(estimator.init_.class_prior_[1]))
    return lambda features: 2.0 * of_features(features), 2.0 * base - start


def _of_classes(
    estimator: GradientBoostingClassifier,
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """As `_method`, for trees of several classes: shap reads this estimator for two only."""
    import shap

    explainers = [
        shap.TreeExplainer(
            {
                "trees": [_described(one.tree_, estimator.learning_rate) for one in of_class],
                "input_dtype": np.float32,  # to which scikit-learn rounds features
            },
            feature_perturbation="tree_path_dependent",
        )
        for of_class in estimator.estimators_.T
    ]

    def of_features(features: np.ndarray) -> np.ndarray:
        each = [of.shap_values(features, check_additivity=False) for of in explainers]
        return np.stack(each, axis=-1).astype(np.float64)

    # What the trees start from is what is left of the score of any row.
    row = np.zeros((1, estimator.n_features_in_))
    grown = [sum(one.predict(row)[0] for one in of_class) for of_class in estimator.estimators_.T]
    start = estimator.decision_function(row)[0] - estimator.learning_rate * np.array(grown)
    return of_features, start + np.ravel([of.expected_value for of in explainers])


def _described(tree: Any, learning_rate: float) -> dict[str, np.ndarray]:
    """Return a tree of scikit-learn as shap reads one."""
    return {
        "children_left": tree.children_left,
        "children_right": tree.children_right,
        "children_default": tree.children_left,  # of a missing value, which there is none of
        "features": tree.feature,
        "thresholds": tree.threshold,
        "values": learning_rate * tree.value[:, 0],
        "node_sample_weight": tree.weighted_n_node_samples,
    }


def _per_score(estimator: Any) -> float:
    """Return by what an estimator's own score is multiplied to get log-odds."""
    return 2.0 if getattr(estimator, "loss", None) == "exponential" else 1.0


def _require_sum(values: np.ndarray, base: np.ndarray, score: np.ndarray) -> None:
    off = np.abs(values.sum(axis=1) + base - score)
    # Of large numbers whose sum is small, such as gains and losses, more is rounded.
    summed = np.abs(values).sum(axis=1) + np.abs(base)
    if not (off <= _TOLERANCE * np.maximum(1.0, summed)).all():
        raise ExplanationError(
            f"the reasons do not sum to the prediction: by {off.max():.3g} for one customer;"
            " they are not given"
        )
