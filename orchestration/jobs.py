"""The three regular jobs: each is a `churn` command, at a time that params.yaml says.

The files beside this one give them to Prefect, Dagster and Airflow. These run in environments of
their own, in which `churn` is not installed: the command runs in the project's own environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
RETRIES = 2
RETRY_DELAY_S = 300
ALERT_URL = "CHURN_ALERT_URL"  # a webhook, as those of Slack, Mattermost or Teams
_ERROR = "Error: "
_ENDED = 1  # of churn: the job is done, and its result is an alarm
_STOP_S = 20
_ALARM = "[alarm]"


@dataclass(frozen=True)
class Job:
    """A command that is run regularly.

    Attributes
    ----------
    name : str
        Also the section of params.yaml that sets it up.
    what : str
        What it does, in a sentence.
    arguments : tuple of str
        Of `churn`. Until the section says where the data are, it does nothing.
    schedule : str
        When it runs, as in cron, in UTC.
    """

    name: str
    what: str
    arguments: tuple[str, ...]
    schedule: str


_JOBS = (
    (
        "batch",
        "Predict for the day's customers by the version in Production.",
        ("predict", "--skip-if-not-set-up", "--resume"),
    ),
    (
        "monitor",
        "Compare what the version in Production sees and says with what it was trained on.",
        ("monitor", "--skip-if-not-set-up"),
    ),
    (
        "retrain",
        "Open a pull request with the newest table.",
        ("retrain", "--skip-if-not-set-up", "--production"),
    ),
)


class JobError(Exception):
    """A command has failed, with the reason that it gave.

    Attributes
    ----------
    may_pass : bool
        Whether another attempt may end otherwise. An alarm stays one.
    """

    def __init__(self, reason: str, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


def load(root: Path = ROOT) -> dict[str, Job]:
    """Return the jobs by name, with their schedules from params.yaml.

    Raises
    ------
    ValueError
        If it does not say when one of them runs.
    """
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    found = {}
    for name, what, arguments in _JOBS:
        schedule = (params.get(name) or {}).get("schedule")
        if not isinstance(schedule, str):
            raise ValueError(f'params.yaml: {name}.schedule is missing; write it as "11 4 * * *"')
        found[name] = Job(name, what, arguments, schedule)
    return found


def run(job: Job, log: Callable[[str], object]) -> None:
    """Run a job's command to its end.

    Parameters
    ----------
    job : Job
    log : callable
        Gets each line that the command prints: of stderr at once, then of stdout.

    Raises
    ------
    JobError
        If its exit code is not 0.
    """
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which("churn", path=path)
    if program is None:
        raise JobError(f"churn is not installed in {ROOT}: run `make setup` there", may_pass=False)
    log(f"churn {' '.join(job.arguments)}")
    code, errors, output = _call([program, *job.arguments], log)
    for line in output:
        log(line)
    if code:
        kind = _ALARM if code == _ENDED else f"[error, exit code {code}]"
        said = f"churn {job.arguments[0]}: {reason(errors, output, code)} {kind}"
        raise JobError(said, code != _ENDED)


def _call(command: list[str], log: Callable[[str], object]) -> tuple[int, list[str], list[str]]:
    """Return exit code, lines of stderr and lines of stdout; it does not outlive this call."""
    errors = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace",
        ) as process:  # fmt: skip
            assert process.stderr is not None
            try:
                for line in process.stderr:
                    errors.append(line.rstrip())
                    log(errors[-1])
                code = process.wait()
            finally:  # if the orchestrator ends the job
                _stop(process)
        output.seek(0)
        return code, errors, output.read().splitlines()


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def reason(errors: Iterable[str], output: Iterable[str], code: int) -> str:
    """Return the line that says why a command has failed.

    The last error on stderr; or, as an alarm is no error, the first line of stdout; or the last
    line of stderr.
    """
    errors, output = [line for line in errors if line.strip()], [line for line in output if line]
    told = [line.removeprefix(_ERROR) for line in errors if line.startswith(_ERROR)]
    return next(iter([*told[-1:], *output[:1], *errors[-1:]]), f"exit code {code}, and no reason")


def alert(name: str, reason: str) -> None:
    """Post that a job has failed to the webhook that the environment names; else do nothing.

    The reason stays in the run, because it may name customers.

    Parameters
    ----------
    name : str
        As the orchestrator calls it.
    reason : str
        Contains the message of the `JobError`.
    """
    if url := os.environ.get(ALERT_URL):
        what = "raises an alarm" if _ALARM in reason else "has failed"
        body = json.dumps({"text": f"{name} {what}; the reason is in its run"}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 the team's own address
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
