"""The Spark session of a job, and Spark's errors in one line."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import churn
from churn.core.addresses import without_secrets
from churn.core.errors import ChurnError
from churn.spark import WARNING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",  # that an executor predicts at once
    # A name is a name, a moment is in UTC, and day=007 stays the text 007: as on one machine.
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # Spark's own default is a type of 96 bits that has no zone.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A row of another length is refused, whichever columns are read.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # Of a table, only partitions that are written are replaced.
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
}
_SUBMITTED = "PYSPARK_GATEWAY_PORT"  # spark-submit sets it
_SHIPPED = "spark.churn.code"
_OURS = re.compile(r"^churn\.core\.errors\.\w+: (.+)$", re.MULTILINE)
_SPARKS = re.compile(
    r"\[[A-Z][A-Z0-9_.]{4,}\] .+?(?= SQLSTATE|$)", re.MULTILINE
)  # such as [FAILED_READ_FILE.NO_HINT]
_PYTHON = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception): .+)$", re.MULTILINE)


@contextmanager
def session(master: str | None) -> Iterator[SparkSession]:
    """Give the Spark session of this process, with the code of this project on its executors.

    A session that was there before, such as a notebook's, is used and stays.

    Parameters
    ----------
    master : str or None
        Address of the cluster; None for what Spark is configured with, else this machine.

    Raises
    ------
    ChurnError
        If Spark or Java is missing, or by whatever Spark refuses in the block.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ChurnError(
            "Spark is not installed here; `make spark` installs it into .venv-spark, and"
            " .venv-spark/bin/churn has it"
        ) from error
    # Executors on this machine run this Python, and not the first one on PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        before = SparkSession.getActiveSession()
        spark = before or started(SparkSession.builder, master)
        try:
            settings = {name: spark.conf.get(name, None) for name in _SETTINGS}
            for name, value in _SETTINGS.items():
                spark.conf.set(name, value)
            _ship_code(spark)
            yield spark
        finally:
            if before is None:
                spark.stop()
            else:
                _restore(spark, settings)
    except (PySparkException, Py4JError) as error:
        raise ChurnError(_in_one_line(str(error))) from error


def started(builder: SparkSession.Builder, master: str | None) -> SparkSession:
    """Start a session; parameters as for `session`."""
    if master is not None:
        builder = builder.master(master)
    ignored = f"ignore:{WARNING}:FutureWarning"
    builder = builder.appName("churn").config("spark.executorEnv.PYTHONWARNINGS", ignored)
    if _SUBMITTED not in os.environ:  # else who submits says what is shown
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        builder = builder.config("spark.log.level", "FATAL")
    return builder.getOrCreate()


def _restore(spark: SparkSession, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, value)


def _ship_code(spark: SparkSession) -> None:
    """Ship the code once in a session; executors fetch it with a later task."""
    if spark.conf.get(_SHIPPED, ""):
        return
    folder = tempfile.mkdtemp(prefix="churn-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    spark.addArtifact(str(code(Path(folder))), pyfile=True)
    spark.conf.set(_SHIPPED, "yes")


def code(folder: Path) -> Path:
    """Pack this project's code: executors run the driver's, whatever is installed on them."""
    root = Path(churn.__file__).parent
    packed = folder / "churn.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(root.rglob("*.py")):
            archive.write(path, path.relative_to(root.parent))
    return packed


def _in_one_line(text: str) -> str:
    ours = _OURS.findall(text)  # of an executor
    return ours[-1] if ours else f"Spark: {without_secrets(said(text))}"


def said(text: str) -> str:
    """Return the line of an error of Spark that says what is wrong.

    Parameters
    ----------
    text : str
        Java's and Python's tracebacks, one in the other.
    """
    if "JAVA_GATEWAY_EXITED" in text:
        return "Java did not start; Spark needs Java 17 or later, on PATH or where JAVA_HOME says"
    if found := _OURS.findall(text) or _PYTHON.findall(text):
        return str(found[-1])
    if causes := list(dict.fromkeys(_SPARKS.findall(text))):
        # What has failed, such as reading a file, and why.
        return " ".join(cause[:300] for cause in dict.fromkeys([causes[0], causes[-1]]))
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    return lines[0][:300]
