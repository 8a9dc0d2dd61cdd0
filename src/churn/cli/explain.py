"""The command that says why the model predicts what it predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn.cli.group import cli

if TYPE_CHECKING:
    from churn.explanation.values import Explained, Unit

_UNITS: dict[Unit, str] = {
    "log-odds": "in log-odds",
    "probability": "as parts of the probability",
    "number": "in the unit of the number",
    "logarithm": "in natural logarithms of the number",
    "raw score": "in raw scores (logarithms of the probability, up to a number that all classes"
    " share)",
}


@cli.command()
@click.option(
    "--model",
    required=True,
    metavar="URI",
    help="A folder (build/model), runs:/… or models:/…, such as models:/churn-predictor@champion.",
)
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="Customers, CSV or Parquet; a label is not needed.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, .csv or .parquet.",
)
def explain(model: str, source: Path, output: Path) -> None:
    """Give the reasons of each prediction by column.

    They are SHAP values: what each column adds to it. Writes id, the prediction, score, base, and
    reason_… for each column: base and the reasons sum to the score, in log-odds (in probability for
    a random forest, in the target's unit for numbers).
    """
    from churn.explanation import table
    from churn.registry.loading import load_model

    found = table.explain(load_model(model, Path()), source, output)
    click.echo(_summary(output, found))


def _summary(output: Path, found: Explained) -> str:
    """Say in one line what the columns of the table mean."""
    low, high = (f"{base:.4g}" for base in (found.base.min(), found.base.max()))
    base = low if low == high else f"{low} to {high}, by the class"
    return (
        f"{output}: reasons of {len(found.score):,} predictions, {_UNITS[found.unit]}; the base"
        f" ({base}) and the reasons of a row sum to its score"
    )
