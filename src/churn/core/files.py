"""Writing that either happens whole or not at all, and reading that names what is missing."""

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

if TYPE_CHECKING:
    import pandas as pd

Form = TypeVar("Form", bound=BaseModel)
_OLD = "old"  # what stood at the target, in the scratch folder, until the new one stands there


class Shape(BaseModel):
    """What a JSON file holds: keys and types that have to be there; more may be."""

    model_config = ConfigDict(frozen=True, strict=True)


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` and move it there when the block ends well.

    The temporary path may become a file or a folder. If the block raises, or the process is
    killed, `target` is as it was. A folder is replaced in two steps; killed between them, the old
    one is put back by whoever writes there next.

    Parameters
    ----------
    target : Path
        File or folder to write; its parent is made if it is missing.

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
        # Neither Python nor Arrow says which file had no room.
        raise OSError(error.errno, os.strerror(error.errno), str(target)) from error


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, in a folder that goes when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    prefix = f".{target.name}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as scratch:
        yield Path(scratch) / target.name


def _move(fresh: Path, target: Path) -> None:
    fresh.stat()  # a block that has written nothing must not cost what was there
    if target.exists() and (fresh.is_dir() or target.is_dir()):
        target.replace(fresh.with_name(_OLD))  # a folder cannot be replaced in one step
    try:
        fresh.replace(target)
    finally:
        _put_back(fresh.parent, target)


def _sweep(target: Path) -> None:
    """Clear up after killed processes beside `target`, what they took away first put back.

    Living ones keep theirs.
    """
    for left in target.parent.glob(f".{target.name}-*-*"):
        pid = left.name.removeprefix(f".{target.name}-").partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            _put_back(left, target)
            shutil.rmtree(left, ignore_errors=True)


def _put_back(scratch: Path, target: Path) -> None:
    """Give `target` back what was taken away for something that has not come."""
    if (scratch / _OLD).exists() and not target.exists():
        (scratch / _OLD).replace(target)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """Give a temporary folder of this process; those that killed processes have left are removed.

    Parameters
    ----------
    prefix : str
        What its name begins with.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as folder:
        yield Path(folder)


def is_alive(pid: int) -> bool:
    """Tell whether a process of that number is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, not written.

    Of a model the fields that were given, in the order of its class.

    Raises
    ------
    ValueError
        If `value` holds a number that JSON has no word for.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    with atomic(target) as fresh:
        fresh.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_parquet(target: Path, frame: pd.DataFrame) -> None:
    """Write a frame without its index, whole or not at all."""
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
    shape : type of BaseModel
        What it has to hold.

    Raises
    ------
    ArtifactError
        If the file is missing, is not JSON, or does not hold what it has to.
    """
    text = _json_text(source, stage)
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        what = f"{key}: {problem['msg']}" if key else problem["msg"]
        raise ArtifactError(
            f"{source}: not what `churn {stage}` writes ({what}); run it again"
        ) from error


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
    """Check that what `stage` writes is there.

    Raises
    ------
    ArtifactError
        If `source` does not exist.
    """
    if not source.exists():
        raise ArtifactError(f"{source}: not there; `churn {stage}` writes it (or run `dvc repro`)")
