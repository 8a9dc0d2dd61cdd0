"""Commands of `churn` in one process with one Spark session: argv lists as JSON in, results out."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from pyspark.sql import SparkSession

from churn.cli.main import main
from churn.spark.session import started


def run(arguments: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["predict", "--engine", "spark", *arguments])
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    spark = started(SparkSession.builder, "local[2]")
    results = []
    for command in json.load(sys.stdin):
        if "sql" in command:
            rows = spark.sql(command["sql"]).collect()
            results.append([row.asDict() for row in rows])
        else:
            results.append(run(command["predict"]))
    print(json.dumps(results, default=str))
    spark.stop()
