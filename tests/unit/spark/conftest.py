"""One Spark session for all tests of a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import ROOT
from tests.unit.spark import cluster


class Done(NamedTuple):
    """What a command has said."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its last line on stderr."""
        return self.err.splitlines()[-1]


@dataclass(frozen=True)
class Spark:
    """A process with a Spark session."""

    process: subprocess.Popen[str]

    def churn(self, *words: str | Path, folder: Path) -> Done:
        """Run a command of `churn`."""
        mlflow = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
        command = [str(word) for word in words]
        return Done(*self._ask({"command": command, "folder": str(folder), "mlflow": mlflow}))

    def predict(self, *words: str | Path, folder: Path) -> Done:
        """Run `churn predict --engine spark`."""
        return self.churn("predict", "--engine", "spark", *words, folder=folder)

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Run a statement; return its rows."""
        found: list[dict[str, Any]] = self._ask({"sql": statement})
        return found

    def _ask(self, asked: dict[str, Any]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, "the process with the session has ended; its log is above"
        return json.loads(line)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """Give a session; its tables are in a temporary folder."""
    cluster.require()
    with subprocess.Popen(
        [cluster.PROGRAMS / "python", "-m", "tests.unit.spark.commands"],
        env=cluster.environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
        cwd=tmp_path_factory.mktemp("spark"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Spark(process)
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(timeout=60)
