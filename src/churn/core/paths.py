"""The names of all files that the pipeline reads or writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIDES = ("train", "test")  # of the split
STAGES = ("prepare", "train", "evaluate", "validate", "track")  # of dvc.yaml


@dataclass(frozen=True)
class Workspace:
    """The folder in which the pipeline works, and the names in it.

    Parameters
    ----------
    root : Path, default=Path()
        The repository's top folder (the current one), or a scratch folder of the same layout.
    """

    root: Path = Path()

    @property
    def data(self) -> Path:
        """The folder that `data.dvc` tracks."""
        return self.root / "data"

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def dvc_lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def data_stats(self) -> Path:
        return self.build / "data_stats.json"

    @property
    def model(self) -> Path:
        return self.build / "model"

    @property
    def out_of_fold(self) -> Path:
        return self.build / "out_of_fold.parquet"

    @property
    def reference(self) -> Path:
        return self.build / "reference.json"

    @property
    def plot_images(self) -> Path:
        return self.build / "plots"

    @property
    def tracked_run(self) -> Path:
        return self.build / "run.json"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def metrics(self) -> Path:
        return self.reports / "metrics.json"

    @property
    def machine(self) -> Path:
        return self.reports / "machine.json"

    @property
    def slices(self) -> Path:
        return self.reports / "slices.json"

    @property
    def plots(self) -> Path:
        return self.reports / "plots"

    @property
    def reasons(self) -> Path:
        """What the model goes by, by column."""
        return self.plots / "reasons.json"

    @property
    def searches(self) -> Path:
        """The folder of the searches for hyperparameters, one folder each."""
        return self.build / "tune"

    @property
    def search(self) -> Path:
        """What the search says that has found the hyperparameters."""
        return self.reports / "tune.json"

    @property
    def checks(self) -> Path:
        return self.reports / "checks.json"

    @property
    def checks_page(self) -> Path:
        return self.reports / "checks.html"

    @property
    def comparison(self) -> Path:
        return self.build / "comparison.json"

    @property
    def changes(self) -> Path:
        return self.build / "changes.json"

    @property
    def verdict(self) -> Path:
        return self.build / "verdict.json"

    @property
    def review(self) -> Path:
        return self.build / "review.json"

    @property
    def report(self) -> Path:
        return self.reports / "report.md"

    @property
    def report_page(self) -> Path:
        return self.reports / "report.html"

    @property
    def main_checks(self) -> Path:
        return self.build / "main_checks.json"

    @property
    def lineage(self) -> Path:
        return self.build / "lineage.json"

    @property
    def release_note(self) -> Path:
        return self.build / "release.md"

    @property
    def model_card(self) -> Path:
        return self.build / "model_card.md"

    @property
    def retrain_note(self) -> Path:
        return self.build / "retrain.md"

    @property
    def candidate(self) -> Path:
        return self.build / "candidate"

    def split(self, side: str) -> Path:
        """Return the Parquet file of one side of the split, ``"train"`` or ``"test"``."""
        return self.build / f"{side}.parquet"

    def predictions(self, side: str) -> Path:
        """Return the Parquet file with the predicted probabilities of one side."""
        return self.build / "predictions" / f"{side}.parquet"
