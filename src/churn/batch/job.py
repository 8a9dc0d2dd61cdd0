"""The writing side of a run: parts as their chunks come, and what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from churn.batch import parts
from churn.batch.inputs import Input
from churn.batch.pool import Part
from churn.batch.scoring import Scored
from churn.batch.unfinished import Done, Unfinished
from churn.core.errors import DataError
from churn.core.progress import Count, rows_bar
from churn.model.prediction import announce_unseen


class Job:
    """Writes what is predicted.

    Parameters
    ----------
    inputs : sequence of Input
    known : sequence of int or None
        Rows of each, where the file says it.
    begun : Unfinished
    scratch : Path
        For parts that are not whole.

    Attributes
    ----------
    rows : int
        Number of rows that have come.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        known: Sequence[int | None],
        begun: Unfinished,
        scratch: Path,
    ) -> None:
        self._inputs, self._known = inputs, known
        self._before = [0, *accumulate(one.file.size for one in inputs)]  # bytes, by file
        self._begun, self._scratch = begun, scratch
        self._writer: parts.Writer | None = None
        self._unseen: dict[str, Counter[str]] = {}  # of the part
        self._count: Count = lambda rows, share: None
        self.rows = 0

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Show how far it is while the block runs."""
        before = sum(done.rows for done in self._begun.done.values())
        with rows_bar("predicting", before) as self._count:
            yield

    def add(self, part: Part, found: Scored) -> None:
        """Write a chunk, and keep the part if it is the last one.

        Raises
        ------
        DataError
            If a row is bad and bad rows are refused; then nothing is left of the run.
        """
        one = self._inputs[part.file]
        if found.bad and self._begun.run.bad_rows == "refuse":
            self._close()
            self._begun.drop()
            reason = next(iter(found.bad.values()))
            raise DataError(
                f"{one.file.name}: {reason} (--bad-rows quarantine predicts for the others)"
            )
        if self._writer is None:
            path = self._scratch / parts.named(one.file.name.rpartition("/")[2], None)
            run = self._begun.run
            self._writer = parts.Writer(path, self._scratch / "bad.csv", run.version, run.time)
        with self._begun.folder.writing():
            self._writer.add(part.rows, part.first_row, found.bad, found.predictions)
        for name, counts in found.unseen.items():
            self._unseen.setdefault(name, Counter()).update(counts)
        self.rows += found.rows
        self._count(found.rows, self._share(part))
        if part.ends:
            is_only = part.is_last and not part.part
            self._keep(part, parts.named(one.relative, None if is_only else part.part))

    def finish(self) -> None:
        """Move all parts to the output, and tell what was noticed.

        Raises
        ------
        DataError
            If there were no rows; then nothing is left of the run.
        """
        done = self._begun.done.values()
        if not any(one.rows for one in done):
            self._begun.drop()
            raise DataError(f"{self._begun.run.input}: no customers in it")
        unseen: dict[str, Counter[str]] = {}
        for one in done:
            for name, counts in one.unseen.items():
                unseen.setdefault(name, Counter()).update(counts)
        customers = sum(one.rows - one.bad for one in done)
        announce_unseen(self._begun.run.input, unseen, customers)
        self._begun.finish(self._scratch)

    def _keep(self, part: Part, data: str) -> None:
        writer = self._writer
        assert writer is not None
        self._close()
        done = Done(
            file=part.file,
            part=part.part,
            rows=writer.rows,
            bad=writer.n_bad,
            last=part.is_last,
            data=data,
            bad_rows=parts.bad_named(data) if writer.n_bad else None,
            unseen={name: dict(counts) for name, counts in self._unseen.items()},
        )
        self._begun.add(done, writer.path, writer.bad, self._scratch)
        self._unseen = {}

    def _close(self) -> None:
        if self._writer is not None:
            with self._begun.folder.writing():
                self._writer.close()
            self._writer = None

    def _share(self, part: Part) -> float:
        """Return what part of the input's bytes is done."""
        known, one = self._known[part.file], self._inputs[part.file]
        if known is None:
            here = one.meter.bytes
        else:
            here = int(one.file.size * (part.first_row - 1 + len(part.rows)) / max(1, known))
        return (self._before[part.file] + min(here, one.file.size)) / max(1, self._before[-1])
