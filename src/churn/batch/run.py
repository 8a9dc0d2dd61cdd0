"""Predict for a table of any size: read, predict, and write in parts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from churn.batch import fetching, inputs, parts, processes, reading, scoring, unfinished
from churn.batch.folder import SCRATCH, Folder
from churn.batch.inputs import Input
from churn.batch.job import Job
from churn.batch.pool import Pool, scored
from churn.batch.unfinished import Done, Finished, Run, Source
from churn.core import addresses
from churn.core.errors import DataError
from churn.core.files import scratch
from churn.core.progress import announce
from churn.explanation.top import Top, require_count
from churn.model import outputs
from churn.model.artifact import card_of
from churn.model.prediction import columns
from churn.serve.store import Loadable, Store

BadRows = Literal["refuse", "quarantine"]
_FEW_ROWS = 200_000  # take as long as a process to start
_SLOWER = 20  # times that a prediction takes with its reasons, at least
_ROW_BYTES = 50  # of CSV
_OWN = ("version", "time")  # beside the answer


@dataclass(frozen=True)
class Options:
    """What is predicted.

    Attributes
    ----------
    model : str
        A folder, or an address of MLflow.
    input : str
        See `churn.batch.inputs.found`.
    output : str
        A folder, or its address.
    bad_rows : {"refuse", "quarantine"}
        Whether a row that cannot be predicted stops the run, or is written to another file.
    resume : bool
        Whether a run that was killed goes on.
    overwrite : bool
        Whether the output of an earlier run is replaced.
    root : Path
        Folder of the local MLflow store.
    workers : int or None
        Number of processes that predict; None for one for each core.
    chunk_rows, part_rows : int
        Rows that are predicted at once, and of a file of the output at most.
    few_rows : int
        With fewer rows no process is started; with reasons, a twentieth of it.
    reasons : int
        Number of reasons of each prediction.
    """

    model: str
    input: str
    output: str
    bad_rows: BadRows = "refuse"
    resume: bool = False
    overwrite: bool = False
    root: Path = Path()
    workers: int | None = None
    chunk_rows: int = reading.CHUNK_ROWS
    part_rows: int = reading.PART_ROWS
    few_rows: int = _FEW_ROWS
    reasons: int = 0


@dataclass(frozen=True)
class Outcome:
    """What was predicted.

    Attributes
    ----------
    customers, bad, files : int
        Predicted customers, rows that were not, and files of predictions.
    version : str
    seconds : float
        Of reading, predicting and writing.
    rows : int
        Rows that were read in that time; the others were there before.
    """

    customers: int
    bad: int
    files: int
    version: str
    seconds: float
    rows: int


def run(options: Options) -> Outcome:
    """Predict for every customer of the input.

    Raises
    ------
    DataError
        If the input cannot be used, or the output cannot be written. With a bad row that is
        refused, nothing is left of the run; otherwise its whole parts stay, for `resume`.
    ChurnError
        If there is no such model, or a process was killed.
    """
    found = inputs.found(options.input)
    folder = Folder(options.output)
    _require_apart(options)
    _require_names(found)
    if not options.resume:
        unfinished.require_free(folder, options.overwrite)
    with ExitStack() as stack:
        store = Store(stack.enter_context(scratch(SCRATCH)))  # customers are in it, for processes
        loadable = fetching.fetch(options.model, options.root, store)
        card = card_of(store.model(loadable))
        data = columns(card, Path())
        if data.id in (*outputs.of_card(card).answered, *_OWN):
            raise DataError(f"the id is called {data.id!r}, as a column of the output is")
        if options.reasons:
            require_count(card, options.reasons)
        known = reading.known_rows(found, data)
        workers = options.workers or processes.cores()
        model = top = pool = None
        if options.reasons:  # first, so that an error is told, and not that a process was killed
            model = scoring.load(store, loadable)
            top = Top(model.model, options.reasons)
        few_rows = options.few_rows // (_SLOWER if options.reasons else 1)
        if workers > 1 and _about(found, known) >= few_rows:
            pool = stack.enter_context(Pool(store, loadable, workers, options.reasons))
        model = model or scoring.load(store, loadable)
        if model.compiled is None:
            announce(f"scikit-learn predicts, several times slower: {model.why_not}")
        stack.enter_context(folder.locked())
        beside = stack.enter_context(folder.scratch())
        wanted = _run(options, found, loadable)
        begun = unfinished.begin(folder, wanted, options.resume, options.overwrite, beside)
        if isinstance(begun, Finished):
            announce(f"{folder.shown}: complete since {begun.run.time}")
            return _outcome(begun.parts, begun.run.version, 0.0, 0)
        started = time.perf_counter()
        chunks = reading.parts(found, data, begun.offsets(), options.chunk_rows, options.part_rows)
        job = Job(found, known, begun, beside)
        is_compiled = model.compiled is not None
        with job.progress():
            both = pool.scored(chunks, is_compiled) if pool else scored(chunks, model, top)
            for part, answers in both:
                job.add(part, answers)
        if name := inputs.changed(options.input, found):
            begun.drop()
            raise DataError(
                f"{name}: has changed while it was read, so nothing of the run is left; predict"
                " when it is complete"
            )
        job.finish()
        seconds = time.perf_counter() - started
        return _outcome(list(begun.done.values()), loadable.version, seconds, job.rows)


def _about(found: Sequence[Input], known: Sequence[int | None]) -> int:
    """Return about how many rows there are."""
    sizes = (one.file.size // _ROW_BYTES for one in found)
    return sum(size if rows is None else rows for size, rows in zip(sizes, known, strict=True))


def described(outcome: Outcome, output: str) -> list[str]:
    """Say what was predicted, in lines."""
    files = "1 file" if outcome.files == 1 else f"{outcome.files:,} files"
    lines = [
        f"{addresses.public(output)}: {outcome.customers:,} customers in {files}, by version"
        f" {outcome.version}"
    ]
    if outcome.rows:
        rate = outcome.rows / max(outcome.seconds, 1e-9)
        lines[0] += f" ({rate:,.0f} rows/s)"
    if outcome.bad:
        lines.append(f"{outcome.bad:,} bad rows, with the reasons, in {unfinished.BAD}/")
    return lines


def _outcome(done: Sequence[Done], version: str, seconds: float, rows: int) -> Outcome:
    bad = sum(one.bad for one in done)
    customers = sum(one.rows for one in done) - bad
    return Outcome(customers, bad, len(done), version, seconds, rows)


def _run(options: Options, found: Sequence[Input], loadable: Loadable) -> Run:
    return Run(
        model=options.model,
        version=loadable.version,
        digest=loadable.digest,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        bad_rows=options.bad_rows,
        reasons=options.reasons,
        part_rows=options.part_rows,
        chunk_rows=options.chunk_rows,
        input=addresses.public(options.input),
        files=[Source(name=one.relative, stamp=one.stamp) for one in found],
    )


def _require_apart(options: Options) -> None:
    """Check that the output is not below the input, which would be read the next time."""
    if addresses.place(options.output).startswith(addresses.place(options.input)):
        raise DataError(
            f"{addresses.public(options.output)}: is in the input; name a folder beside it"
        )


def _require_names(found: Sequence[Input]) -> None:
    names = Counter(parts.named(one.relative, None) for one in found)
    for name, count in names.items():
        if count > 1:
            raise DataError(f"{count} files of the input would be written to {name}; rename them")
