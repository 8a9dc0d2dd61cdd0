"""Entry point of `churn`: exit codes, and errors in one line."""

from __future__ import annotations

import gc
import os
import traceback
import warnings

import click

from churn.cli.group import cli
from churn.core.errors import ChurnError
from churn.spark import WARNING

# Importing them adds their commands, in the order of `churn --help`.
# isort: off
from churn.cli import pipeline  # noqa: F401
from churn.cli import init  # noqa: F401
from churn.cli import predict  # noqa: F401
from churn.cli import explain  # noqa: F401
from churn.cli import review  # noqa: F401
from churn.cli import deploy  # noqa: F401
from churn.cli import serve  # noqa: F401
from churn.cli import monitor  # noqa: F401
from churn.cli import retrain  # noqa: F401

# isort: on

__all__ = ["cli", "main"]


def main(arguments: list[str] | None = None) -> None:
    """Run a command; errors exit with code 2 and one line, defects with their traceback as well."""
    # Waiting OpenMP threads sleep instead of spinning, which made training ten times slower on a
    # busy machine. Must be set before scikit-learn loads OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # MLflow reads this on import, and some commands import it before `tracking.connection`.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow imports pyspark where it is installed, before a session is asked for.
    warnings.filterwarnings("ignore", WARNING, FutureWarning)
    given: set[str] = set()
    # Imports create half a million objects, none of them garbage. Collecting repeatedly, and again
    # at exit, took a third of the time of `track`.
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
        # Not Python's default exit code 1, which means that a gate or a test has failed.
        traceback.print_exc()
        click.secho(f"Error: a bug in churn: {type(error).__name__}: {error}", fg="red", err=True)
        raise SystemExit(2) from error
    finally:
        gc.freeze()
        gc.enable()
