"""Count a log here and with Spark, and say whether both counted the same.

Run as ``python -m tests.unit.spark.counted FOLDER``; the folder has a reference, a model and a log.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from churn.core.files import read_json
from churn.evaluation.reference import Reference
from churn.model import artifact
from churn.monitor.log import Log
from churn.monitor.run import count
from churn.spark.counting import SparkCounter
from churn.spark.session import started


def main(folder: Path) -> None:
    """Print what was counted."""
    model = artifact.load(folder / "model")
    reference = read_json(folder / "reference.json", "evaluate", Reference)
    log = Log(str(folder / "log"), model.card, model.output.answered)
    [paths] = log.days("", "9999").values()
    logged = log.logged(paths, "1")
    spark = started(SparkSession.builder.config("spark.ui.enabled", "false"), "local[2]")
    here, there = (
        counter(log, paths, logged, reference, "1") for counter in (count, SparkCounter(spark))
    )
    spark.stop()
    print(
        json.dumps(
            {
                "customers": [here.customers, there.customers],
                "scores": [int(here.scores.sum()), int(there.scores.sum())],
                "same": bool((here.scores == there.scores).all()),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
