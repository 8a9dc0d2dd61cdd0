"""One process with one Spark session for many tests: a command a line in JSON, and its result."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

from pyspark.sql import SparkSession

from churn.cli.main import main
from churn.spark.session import started


def run(arguments: list[str], folder: str, mlflow: dict[str, str]) -> tuple[int, str, str]:
    """Run a command of `churn` in a folder, with variables of MLflow."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]  # of the command before
    os.environ.update(mlflow)
    os.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def answered(spark: SparkSession, asked: dict[str, Any]) -> Any:
    """Run what was asked for: a command, or a statement in SQL."""
    if "sql" in asked:
        return [row.asDict() for row in spark.sql(asked["sql"]).collect()]
    return run(asked["command"], asked["folder"], asked["mlflow"])


if __name__ == "__main__":
    spark = started(SparkSession.builder.config("spark.ui.enabled", "false"), "local[2]")
    for line in sys.stdin:
        print(json.dumps(answered(spark, json.loads(line)), default=str), flush=True)
    spark.stop()
