"""A pipeline of the same five stages in the usual way, which ours is compared with.

``tutorial.py STAGE`` runs one of `STAGES`: scikit-learn's splitter, estimators and displays,
deepchecks' full suite as a page, and MLflow's `log_model` with an inferred signature.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

_OUTPUTS = {
    "prepare": ["train.csv", "test.csv"],
    "train": ["model.joblib"],
    "evaluate": ["metrics.json", "plots"],
    "validate": ["checks.html"],
    "track": [],
}
STAGES = tuple(_OUTPUTS)
_TARGET, _ID = "churned", "customer_id"


def write(folder: Path, table: Path, checks_python: Path) -> None:
    """Write the project, with its table and without results."""
    import yaml

    shutil.copy(table, folder / "customers.csv")
    shutil.copy(__file__, folder / "tutorial.py")
    stages = {}
    needed = ["customers.csv"]
    for stage in STAGES:
        python = checks_python if stage == "validate" else Path(sys.executable)
        stages[stage] = {
            "cmd": f"{python} tutorial.py {stage}",
            "deps": [*needed, "tutorial.py"],
            "outs": _OUTPUTS[stage],
        }
        needed = [*needed, *_OUTPUTS[stage]]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))


def prepare() -> None:
    """Split the table."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    customers = pd.read_csv("customers.csv")
    sides = train_test_split(customers, test_size=0.2, stratify=customers[_TARGET], random_state=42)
    for side, name in zip(sides, ("train.csv", "test.csv"), strict=True):
        side.to_csv(name, index=False)


def train() -> None:
    """Fit a pipeline, and cross-validate it."""
    import joblib
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    customers = pd.read_csv("train.csv")
    X, y = customers.drop(columns=[_ID, _TARGET]), customers[_TARGET]
    pipeline = make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=120))
    print(cross_val_score(pipeline, X, y, scoring="roc_auc"))
    joblib.dump(pipeline.fit(X, y), "model.joblib")


def evaluate() -> None:
    """Measure the model, and draw it."""
    import joblib
    import matplotlib.pyplot as plt
    import pandas as pd
    from sklearn import metrics
    from sklearn.calibration import CalibrationDisplay
    from sklearn.inspection import permutation_importance

    customers = pd.read_csv("test.csv")
    X, y = customers.drop(columns=[_ID, _TARGET]), customers[_TARGET]
    model = joblib.load("model.joblib")
    probability, decision = model.predict_proba(X)[:, 1], model.predict(X)
    measured = {
        "roc_auc": metrics.roc_auc_score(y, probability),
        "average_precision": metrics.average_precision_score(y, probability),
        "brier": metrics.brier_score_loss(y, probability),
        "f1": metrics.f1_score(y, decision),
        "accuracy": metrics.accuracy_score(y, decision),
    }
    Path("metrics.json").write_text(json.dumps(measured))
    plots = Path("plots")
    plots.mkdir()
    for name, display in {
        "roc": metrics.RocCurveDisplay,
        "precision_recall": metrics.PrecisionRecallDisplay,
        "confusion": metrics.ConfusionMatrixDisplay,
        "calibration": CalibrationDisplay,
    }.items():
        display.from_estimator(model, X, y)
        plt.savefig(plots / f"{name}.png")
    importance = permutation_importance(model, X, y, scoring="roc_auc", random_state=42)
    plt.figure()
    plt.barh(X.columns, importance.importances_mean)
    plt.savefig(plots / "importance.png")


def validate() -> None:
    """Run deepchecks' full suite; in its own environment."""
    import pandas as pd
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.suites import full_suite
    from sklearn.ensemble import HistGradientBoostingClassifier

    sides = []
    for name in ("train.csv", "test.csv"):
        customers = pd.read_csv(name).drop(columns=[_ID])
        sides.append(Dataset(customers, label=_TARGET, cat_features=[]))
    # Fitted again, in less than a second: deepchecks needs an older scikit-learn, which cannot read
    # the model.
    train = sides[0].data
    model = HistGradientBoostingClassifier(max_iter=120)
    model.fit(train.drop(columns=[_TARGET]), train[_TARGET])
    full_suite().run(*sides, model).save_as_html("checks.html", as_widget=False)


def track() -> None:
    """Log metrics, pictures and the model to MLflow."""
    import joblib
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    model = joblib.load("model.joblib")
    X = pd.read_csv("test.csv").drop(columns=[_ID, _TARGET])
    with mlflow.start_run():
        mlflow.log_params({"max_iter": 120})
        mlflow.log_metrics(json.loads(Path("metrics.json").read_text()))
        mlflow.log_artifacts("plots")
        signature = infer_signature(X, model.predict(X))
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=signature,
            input_example=X[:5],
            serialization_format="cloudpickle",  # skops asks which types are trusted
        )


if __name__ == "__main__":
    {s.__name__: s for s in (prepare, train, evaluate, validate, track)}[sys.argv[1]]()
