"""Write files and folders atomically, and read them with errors that name the missing one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from churn.core.errors import ArtifactError
from churn.core.paths import STAGES
from churn.core.shapes import from_json, to_json

if TYPE_CHECKING:
    import pandas as pd

Form = TypeVar("Form")
_OLD = "old"  # the backup of the target, in the scratch folder, while it is replaced


class Shape(BaseModel):
    """What a JSON file holds: keys and types that have to be there; more may be."""

    model_config = ConfigDict(frozen=True, strict=True)


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Give a temporary path, which replaces `target` if the block succeeds.

    The path may become a file or a folder. If the block raises, or the process is killed, `target`
    does not change. A folder is replaced in two steps; if the process is killed between them, the
    next write to `target` restores the old one.

    Parameters
    ----------
    target : Path
        File or folder to write; its parent is created if it is missing.

    Yields
    ------
    Path
        A path that does not exist yet, on the same file system and with the same suffix.
    """
    try:
        with scratch_beside(target) as fresh:
            yield fresh
            _move(fresh, target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # The errors of Python and Arrow do not name the file.
        raise OSError(error.errno, os.strerror(error.errno), str(target)) from error


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, in a folder that is removed when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    prefix = f".{target.name}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as scratch:
        yield Path(scratch) / target.name


def _move(fresh: Path, target: Path) -> None:
    fresh.stat()  # raises if the block has written nothing, before the target is touched
    if target.exists() and (fresh.is_dir() or target.is_dir()):
        target.replace(fresh.with_name(_OLD))  # a folder cannot be replaced in one step
    try:
        fresh.replace(target)
    finally:
        _restore_backup(fresh.parent, target)


def _remove_leftovers(target: Path) -> None:
    """Remove the scratch folders of killed processes, after restoring the backups in them.

    Those of running processes stay.
    """
    for left in target.parent.glob(f".{target.name}-*-*"):
        pid = left.name.removeprefix(f".{target.name}-").partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            _restore_backup(left, target)
            shutil.rmtree(left, ignore_errors=True)


def _restore_backup(scratch: Path, target: Path) -> None:
    """Restore the backup of `target` if it was not replaced."""
    if (scratch / _OLD).exists() and not target.exists():
        (scratch / _OLD).replace(target)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """Give a temporary folder, and remove those that killed processes have left.

    Parameters
    ----------
    prefix : str
        The first part of the folder's name.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as folder:
        yield Path(folder)


def is_alive(pid: int) -> bool:
    """Tell whether a process is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_json(target: Path, value: Any) -> None:
    """Write a value as indented JSON.

    Of a model the fields that were given, in the order of its class.

    Raises
    ------
    ValueError
        If the value contains NaN or an infinity, which JSON does not have.
    """
    value = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else to_json(value)
    with atomic(target) as fresh:
        fresh.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_parquet(target: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index, atomically."""
    with atomic(target) as fresh:
        frame.to_parquet(fresh, index=False, compression="zstd")


def read_parquet(source: Path, stage: str) -> pd.DataFrame:
    """Read a Parquet file that `stage` writes.

    Raises
    ------
    ArtifactError
        If the file is missing or is not Parquet.
    """
    import pandas as pd
    import pyarrow as pa

    require(source, stage)
    try:
        return pd.read_parquet(source)
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(
            f"{source}: not Parquet ({error}); run `churn {stage}` again"
        ) from error


def read_json(source: Path, stage: str, shape: type[Form]) -> Form:
    """Read a JSON file that `stage` writes.

    Parameters
    ----------
    source : Path
    stage : str
    shape : type
        A model, or a dataclass, with the fields that it must have.

    Raises
    ------
    ArtifactError
        If the file is missing, is not JSON, or lacks a required field.
    """
    text = _json_text(source, stage)
    try:
        if issubclass(shape, BaseModel):
            return shape.model_validate_json(text)
        return from_json(shape, json.loads(text))
    except ValueError as error:
        what = _problem(error)
        raise ArtifactError(
            f"{source}: not what `churn {stage}` writes ({what}); run it again"
        ) from error


def _problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    key, what = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
    return f"{key}: {what}" if key else what


def read_any_json(source: Path, stage: str) -> Any:
    """Read a JSON file of which it is only asked whether another one is like it.

    Raises
    ------
    ArtifactError
        If the file is missing or is not JSON.
    """
    return json.loads(_json_text(source, stage))


def _json_text(source: Path, stage: str) -> str:
    """Read a text that is JSON; Python says better than pydantic where one is not."""
    require(source, stage)
    try:
        text = source.read_text(encoding="utf-8")
        json.loads(text)
    except (ValueError, RecursionError, OSError) as error:
        raise ArtifactError(f"{source}: not JSON ({error}); run `churn {stage}` again") from error
    return text


def require(source: Path, stage: str) -> None:
    """Check that a file that `stage` writes exists.

    Raises
    ------
    ArtifactError
        If `source` does not exist.
    """
    if not source.exists():
        other = " (or run `dvc repro`)" if stage in STAGES else ""
        raise ArtifactError(f"{source}: not there; `churn {stage}` writes it{other}")
