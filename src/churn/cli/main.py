"""Run a command of `churn`: exit codes, and errors in one line."""

from __future__ import annotations

import gc
import os
import traceback

import click

from churn.cli.group import cli
from churn.core.errors import ChurnError

# They add their commands, in the order in which `churn --help` lists them.
# isort: off
from churn.cli import pipeline  # noqa: F401
from churn.cli import review  # noqa: F401
from churn.cli import deploy  # noqa: F401

# isort: on

__all__ = ["cli", "main"]


def main(arguments: list[str] | None = None) -> None:
    """Run a command; an error is one line, a defect its traceback as well, and both exit code 2."""
    # Before scikit-learn loads OpenMP: threads that wait sleep instead of spinning. On a machine
    # with other work, spinning made training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # MLflow reads this when it is imported, which some commands do before `tracking.connection`.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    given: set[str] = set()
    # A command lives for seconds and imports half a million objects, none of which are garbage:
    # looking through them again and again, once more at the exit, took a third of `track`'s time.
    gc.disable()
    try:
        cli(arguments, standalone_mode=False, obj=given)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except click.Abort as error:
        raise SystemExit(130) from error
    except (ChurnError, OSError) as error:
        if "traceback" in given:
            traceback.print_exc()
        what = str(error)
        if isinstance(error, OSError) and error.filename:
            what = f"{error.filename}: {error.strerror or error}"
        one_line = " ".join(what.split())
        click.secho(f"Error: {one_line}", fg="red", err=True)
        raise SystemExit(2) from error
    except Exception as error:
        # Not Python's own exit code: 1 says that a gate or a test has blocked.
        traceback.print_exc()
        click.secho(
            f"Error: a defect of churn itself: {type(error).__name__}: {error}", fg="red", err=True
        )
        raise SystemExit(2) from error
    finally:
        gc.freeze()
        gc.enable()
