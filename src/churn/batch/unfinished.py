"""A run that is under way: its whole parts are in a folder of the output until all are there.

::

    _unfinished/run.json          what is predicted, by what: a run that goes on has to be the same
    _unfinished/parts/0-0.json    the part 0 of the file 0 is whole
    _unfinished/data/…            parts, with the names that they will have
    _unfinished/bad/…             their bad rows

At the end the parts are moved to the output, and ``_run.json`` and ``_SUCCESS`` are written there.
Names that begin with ``_`` are left out by what reads such folders: Spark, Arrow, and `inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from churn.batch.folder import Folder
from churn.core.errors import DataError
from churn.core.files import Shape

_HERE = "_unfinished"
_RUN, _SUCCESS, BAD = "_run.json", "_SUCCESS", "_bad_rows"
_BEGUN = f"{_HERE}/run.json"


class Source(Shape):
    """A file of the input, as it was when the run began."""

    name: str
    stamp: str


class Run(Shape):
    """What is predicted, by what, and how.

    `time` is when the run began, in UTC. `part_rows` and `chunk_rows` decide the files.
    """

    model: str
    version: str
    digest: str
    time: str
    bad_rows: str
    part_rows: int
    chunk_rows: int
    input: str
    files: list[Source]
    reasons: int = 0

    def other(self, wanted: Run) -> str | None:
        """Say what differs in a run that is to go on; None if it is the same."""
        if self.input != wanted.input:
            return f"its input was {self.input}"
        before = {file.name: file.stamp for file in self.files}
        now = {file.name: file.stamp for file in wanted.files}
        for name in sorted({*before, *now}):
            if name not in now:
                return f"{name} is no longer in the input"
            if name not in before:
                return f"{name} is new in the input"
            if before[name] != now[name]:
                return f"{name} has changed"
        if self.digest != wanted.digest:
            return f"its model was {self.version} ({self.digest[:12]}), and now it is" + (
                f" {wanted.version} ({wanted.digest[:12]})"
            )
        if self.bad_rows != wanted.bad_rows:
            return f"it has --bad-rows {self.bad_rows}"
        if self.reasons != wanted.reasons:
            return f"it has --reasons {self.reasons}"
        if (self.part_rows, self.chunk_rows) != (wanted.part_rows, wanted.chunk_rows):
            return "another version of churn has begun it"
        return None


class Done(Shape):
    """A part that is whole.

    `rows` are those that were read; `bad` of them are not predicted. `last` is the file's last one.
    """

    file: int
    part: int
    rows: int
    bad: int
    last: bool
    data: str
    bad_rows: str | None
    unseen: dict[str, dict[str, int]]

    @property
    def files(self) -> set[str]:
        """Where its predictions and its bad rows are in the output."""
        return {self.data} | ({f"{BAD}/{self.bad_rows}"} if self.bad_rows else set())


class Finished(Shape):
    """_run.json: a run, and what it has written."""

    run: Run
    parts: list[Done]

    @property
    def written(self) -> set[str]:
        """The files that it has written."""
        return {_RUN, _SUCCESS}.union(*(done.files for done in self.parts))


@dataclass(frozen=True)
class Unfinished:
    """A run that is under way.

    Attributes
    ----------
    folder : Folder
    run : Run
    done : dict of (int, int) to Done
        The parts that are whole, by the positions of file and part.
    replaced : set of str
        Files of an earlier run, which are removed at the end.
    """

    folder: Folder
    run: Run
    done: dict[tuple[int, int], Done]
    replaced: set[str]

    def offsets(self) -> dict[int, tuple[int, int, bool]]:
        """Return of each file that was begun: its parts, their rows, and whether these are all."""
        found: dict[int, tuple[int, int, bool]] = {}
        for (file, _), done in sorted(self.done.items()):
            count, rows, _last = found.get(file, (0, 0, False))
            found[file] = (count + 1, rows + done.rows, done.last)
        return found

    def add(self, done: Done, data: Path, bad: Path | None, scratch: Path) -> None:
        """Keep a part."""
        self.folder.publish(data, f"{_HERE}/data/{done.data}")
        if bad is not None and done.bad_rows is not None:
            self.folder.publish(bad, f"{_HERE}/bad/{done.bad_rows}")
        name = f"{_HERE}/parts/{done.file}-{done.part}.json"
        self.folder.write_json(name, done.model_dump(), scratch)
        self.done[done.file, done.part] = done

    def finish(self, scratch: Path) -> None:
        """Move the parts to the output; a run that was killed in between does the rest of it."""
        finished = Finished(run=self.run, parts=[self.done[key] for key in sorted(self.done)])
        self.folder.remove(_SUCCESS)  # first: it says that all files are there
        for name in sorted(self.replaced - finished.written):
            self.folder.remove(name)
        for name in self.folder.names(f"{_HERE}/data"):
            self.folder.move(f"{_HERE}/data/{name}", name)
        for name in self.folder.names(f"{_HERE}/bad"):
            self.folder.move(f"{_HERE}/bad/{name}", f"{BAD}/{name}")
        self.folder.write_json(_RUN, finished.model_dump(), scratch)
        (scratch / "empty").touch()
        self.folder.publish(scratch / "empty", _SUCCESS)
        self.drop()

    def drop(self) -> None:
        """Remove what is not moved to the output."""
        self.folder.remove(_BEGUN)  # first: without it, what is left counts for nothing
        self.folder.remove(_HERE)


def begin(
    folder: Folder, run: Run, resume: bool, overwrite: bool, scratch: Path
) -> Unfinished | Finished:
    """Begin a run, or go on with one.

    Returns
    -------
    Unfinished or Finished
        Finished if `resume` finds that there is nothing left to do.

    Raises
    ------
    DataError
        If the folder holds something and may not be overwritten, or a run that is to go on is
        another one.
    """
    before = _read(folder, _BEGUN, Run)
    finished = _read(folder, _RUN, Finished)
    if resume and before is not None:
        if reason := before.other(run):
            raise DataError(
                f"{folder.shown}: the run that was begun there cannot go on: {reason}; --overwrite"
                " begins anew"
            )
        parts = {(one.file, one.part): one for one in _done(folder)}
        return Unfinished(folder, before, parts, finished.written if finished else set())
    if resume and finished is not None and _SUCCESS in folder.names():
        if reason := finished.run.other(run):
            raise DataError(
                f"{folder.shown}: holds the output of another run ({reason}); --overwrite replaces"
                " it"
            )
        folder.remove(_HERE)  # of a run that was killed when all was written
        return finished
    require_free(folder, overwrite)
    replaced = finished.written if finished else set()
    # Of a run that was killed while it moved its parts: they belong to no output.
    moved = (_moved(folder) - replaced).intersection(folder.names())
    folder.remove(_BEGUN)  # first: without it, what is left counts for nothing
    for name in moved:
        folder.remove(name)
    folder.remove(_HERE)
    folder.write_json(_BEGUN, run.model_dump(), scratch)
    return Unfinished(folder, run, {}, replaced)


def _done(folder: Folder) -> list[Done]:
    names = [f"{_HERE}/parts/{name}" for name in folder.names(f"{_HERE}/parts")]
    return [done for name in names if (done := _read(folder, name, Done)) is not None]


def _moved(folder: Folder) -> set[str]:
    """Return the files that a run which has not ended has moved to the output, or would have."""
    return set().union(*(done.files for done in _done(folder)))


def require_free(folder: Folder, overwrite: bool) -> None:
    """Check that a folder is empty, or holds only what an earlier run may be replaced with.

    Raises
    ------
    DataError
        If not.
    """
    names = folder.names()
    if not names:
        return
    if not overwrite:
        begun = _read(folder, _BEGUN, Run)
        if begun is not None:
            raise DataError(
                f"{folder.shown}: holds a run that began at {begun.time} and has not ended;"
                " --resume goes on with it, --overwrite begins anew"
            )
        raise DataError(
            f"{folder.shown}: not empty; name another folder, or --overwrite replaces what an"
            " earlier run has written there"
        )
    finished = _read(folder, _RUN, Finished)
    written = (finished.written if finished else set()) | _moved(folder)
    foreign = [name for name in names if name not in written and not name.startswith(f"{_HERE}/")]
    if foreign:
        raise DataError(
            f"{folder.shown}: holds {foreign[0]}, which churn predict has not written; remove it,"
            " or name another folder"
        )


T = TypeVar("T", bound=Shape)


def _read(folder: Folder, name: str, shape: type[T]) -> T | None:
    found = folder.read_json(name)
    if found is None:
        return None
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        raise DataError(
            f"{folder.shown}/{name}: not what churn predict writes; remove it"
        ) from error
