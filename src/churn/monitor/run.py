"""Watch the version in Production: read the log and the labels, measure, and judge."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError

import pandas as pd
import pyarrow as pa

from churn.core.errors import ArtifactError, ParamsError, RegistryError
from churn.core.params import Params
from churn.core.params.table import Label
from churn.core.progress import bar
from churn.data import labels
from churn.evaluation import tasks
from churn.evaluation.reference import Reference
from churn.model import artifact, prediction
from churn.model.artifact import Model
from churn.model.card import ModelCard
from churn.monitor import alarms, performance, service
from churn.monitor.counting import COUNTED, Counts, answers_of
from churn.monitor.labels import Labels
from churn.monitor.log import Log
from churn.monitor.measuring import Measurer
from churn.monitor.results import Interval, Measure, Performance, Report, Window
from churn.registry import Registry, Version, verified
from churn.registry.reader import MODEL_FILES
from churn.registry.working_copy import working_copy
from churn.serve.prediction_log import named

_MATCHED = ("customer_id", "time", "version", "role")
# Of a log: some files, the columns that they have, and the answers of a version. See `count`.
Count = Callable[[Log, Sequence[str], frozenset[str], Reference, str], Counts]


@dataclass(frozen=True)
class Options:
    """What is watched.

    Attributes
    ----------
    root : Path
        The repository.
    version : int or None
        None for the version in Production.
    days : int
        Number of days, today among them.
    until : date or None
        Last day, in UTC; None for the newest of the log.
    log : str or None
        Address of the prediction log; None for that of params.yaml.
    table : Path or None
        Customers to measure instead of the log's.
    labels : str or None
        Address of labels; None for that of params.yaml.
    metrics : str or None
        URL or file of a server's metrics.
    """

    root: Path
    version: int | None = None
    days: int = 7
    until: date | None = None
    log: str | None = None
    table: Path | None = None
    labels: str | None = None
    metrics: str | None = None


@dataclass(frozen=True)
class Found:
    """A report, and what its pictures are drawn from.

    Attributes
    ----------
    report : Report
    reference : Reference
    newest : Counts or None
        Of the newest window that is judged.
    """

    report: Report
    reference: Reference
    newest: Counts | None


@dataclass(frozen=True)
class Watched:
    """A version, with what it is compared with."""

    number: int
    reference: Reference
    model: Model


def count(
    log: Log, paths: Sequence[str], logged: frozenset[str], reference: Reference, version: str
) -> Counts:
    """Count the answers of a version.

    Parameters
    ----------
    log : Log
    paths : sequence of str
        Files of it.
    logged : frozenset of str
        The model's columns that they have.
    reference : Reference
    version : str
    """
    counts = Counts(reference, logged)
    for part in log.parts(paths, (*COUNTED, *log.answered), sorted(logged)):
        counts.add(part, version)
    return counts


def run(options: Options, settings: Params, count: Count = count) -> Found:
    """Measure and judge.

    Parameters
    ----------
    options : Options
    settings : Params
    count : callable, optional
        Counts each day of the log; default is on this machine.

    Raises
    ------
    RegistryError
        If nothing is in Production, or the version has no reference or is for another task.
    ParamsError
        If there is no log.
    ArtifactError, DataError
        If log, table or labels cannot be read.
    CandidateError, TrackingError
        If the version's files were changed, or the registry cannot be reached.
    """
    watched = _watched(options, settings)
    monitor = settings.monitor
    measurer = Measurer(
        watched.reference,
        monitor.effects,
        settings.gates.margins,
        tasks.of_params(settings),
        monitor.false_alarms,
    )
    if options.table is not None:
        if options.labels or options.metrics or options.until or options.log:
            raise ParamsError("--input is a table alone: no --log, --until, --labels or --metrics")
        found = _of_table(options.table, watched, measurer, settings)
    else:
        found = _Watch(options, settings, watched, measurer, count).run()
    report = found.report.model_copy(update={"assumption": measurer.assumption})
    return replace(found, report=report)


def _watched(options: Options, settings: Params) -> Watched:
    """Get a version's reference and model, verified."""
    with working_copy(options.root), TemporaryDirectory(prefix="churn-monitor-") as folder:
        registry = Registry(options.root, settings.release)
        version = _chosen(registry, options.version)
        expected = verified.reference(version, Path(folder))
        stored = verified.fetch(registry, version, Path(folder) / "model")
        model = artifact.load(stored / MODEL_FILES)
        _require_same_task(version.number, model.card, settings)
        return Watched(version.number, expected, model)


def _require_same_task(number: int, card: ModelCard, settings: Params) -> None:
    """Check that costs, margins and labels of params.yaml are those of a version's task."""
    its, ours = (card.task, card.classes), (settings.task, settings.data.classes)
    if its != ours:
        of, here = (f"task: {task}{_listed(classes)}" for task, classes in (its, ours))
        raise RegistryError(f"version {number} is of {of}, and params.yaml of {here}")


def _listed(classes: Sequence[Label]) -> str:
    return f" ({', '.join(map(str, classes))})" if classes else ""


def _chosen(registry: Registry, number: int | None) -> Version:
    if number is not None:
        return registry.version(number)
    version = registry.production()
    if version is None:
        raise RegistryError("nothing is in Production; churn release moves a model there")
    return version


def _of_table(path: Path, watched: Watched, measurer: Measurer, settings: Params) -> Found:
    model = watched.model
    customers = prediction.read(model.card, path)
    counts = Counts(watched.reference, frozenset(model.card.inputs))
    inputs = model.inputs(customers).rename(columns=named)
    frame = pd.concat([inputs, model.predict(customers)], axis=1)
    counts.add(pa.Table.from_pandas(frame, preserve_index=False), None)
    window = measured_window(path.name, counts, measurer, settings)
    report = Report(
        model=settings.release.model,
        version=str(watched.number),
        source=str(path),
        since="",
        until="",
        other_versions={},
        windows=[window],
        performance=None,
        server=[],
        alarms=list(alarms.of_windows([window], 1, 1)),
        settled=alarms.settled([window], [], 1),
        notes=[] if window.skipped else list(measurer.doubts(counts)),
    )
    return Found(report, watched.reference, None if window.skipped else counts)


def measured_window(name: str, counts: Counts, measurer: Measurer, settings: Params) -> Window:
    """Measure a window's data and predictions, unless it has too few customers."""
    is_small = counts.customers < settings.monitor.min_rows
    estimated: dict[str, Interval] = {}
    measures: list[Measure] = []
    if not is_small:
        estimated, losses = measurer.estimate(counts)
        measures = [*measurer.measure(counts), *losses]
    quantiles = {f"{q:g}": counts.latency_ms(q) for q in (0.5, 0.95, 0.99)}
    return Window(
        name=name,
        rows=counts.rows,
        customers=counts.customers,
        answers=counts.answers,
        skipped=f"fewer than {settings.monitor.min_rows} customers" if is_small else "",
        measures=measures,
        estimated=estimated,
        latency_ms={q: value for q, value in quantiles.items() if value is not None},
    )


class _Watch:
    """The log of some days."""

    def __init__(
        self,
        options: Options,
        settings: Params,
        watched: Watched,
        measurer: Measurer,
        count: Count,
    ) -> None:
        self._options, self._settings, self._count = options, settings, count
        self._reference, self._version = watched.reference, str(watched.number)
        self._measurer = measurer
        address = options.log or settings.monitor.log or settings.serve.log
        if address is None:
            raise ParamsError("serve.log is null: there is no prediction log to watch")
        self._output = watched.model.output
        self._log = Log(address, watched.model.card, self._output.answered)
        self._labels = options.labels or settings.monitor.labels
        self._versions: Counter[str] = Counter()
        self._notes: list[str] = []
        self._newest: Counts | None = None

    def run(self) -> Found:
        """Measure each day, the labels, and the server."""
        first, last = self._period()
        days = self._log.days(first.isoformat(), last.isoformat())
        if not days:
            raise ArtifactError(f"{self._log.address}: no predictions from {first} to {last}")
        # A day without answers is one as well.
        begun = date.fromisoformat(min(days))
        names = [str(begun + timedelta(days=i)) for i in range((last - begun).days + 1)]
        windows: list[Window] = []
        with bar("monitoring", len(names) + 1) as advance:
            for day in names:
                windows.append(self._day(day, days.get(day, []), windows))
                advance(day)
            measured = self._performance(first, last)
            advance("labels")
        monitor, server = self._settings.monitor, self._server()
        if self._newest is not None:
            self._notes += self._measurer.doubts(self._newest)
        once = [*server, *(measured.measures if measured is not None else [])]
        period = f"{first} to {last}"
        at_once = [alarms.alarm(measure, [period]) for measure in once if measure.is_over]
        report = Report(
            model=self._settings.release.model,
            version=self._version,
            source=self._log.address,
            since=first.isoformat(),
            until=last.isoformat(),
            other_versions={v: n for v, n in self._versions.items() if v != self._version},
            windows=windows,
            performance=measured,
            server=server,
            alarms=[*alarms.of_windows(windows, monitor.needed, monitor.of), *at_once],
            settled=alarms.settled(windows, once, monitor.needed),
            notes=self._notes,
        )
        return Found(report, self._reference, self._newest)

    def _period(self) -> tuple[date, date]:
        """Return the first and the last day; today only if the log has begun today."""
        last = self._options.until
        if last is None:
            today = datetime.now(UTC).date()
            has_begun_today = self._log.oldest() == today.isoformat()
            last = today if has_begun_today else today - timedelta(days=1)
        return last - timedelta(days=self._options.days - 1), last

    def _day(self, day: str, paths: list[str], before: list[Window]) -> Window:
        logged = self._log.logged(paths, self._version) if paths else frozenset()
        counts = Counts(self._reference, logged)
        if paths:
            self._note_redacted(logged)
            counts = self._count(self._log, paths, logged, self._reference, self._version)
        self._versions.update(counts.versions)
        window = measured_window(day, counts, self._measurer, self._settings)
        usual = [other.answers for other in before]
        effect = self._settings.monitor.effects.volume
        measures = [service.volume(usual, window.answers, effect)]
        if not window.skipped:
            self._newest = counts
            measures.append(service.latency(window, self._settings.release.p95_ms))
        known = [measure for measure in measures if measure is not None]
        return window.model_copy(update={"measures": [*window.measures, *known]})

    def _note_redacted(self, logged: frozenset[str]) -> None:
        redacted = {*self._reference.numeric, *self._reference.categorical} - logged
        note = f"not logged, so not measured: {', '.join(sorted(redacted))}"
        if redacted and note not in self._notes:
            self._notes.append(note)

    def _performance(self, first: date, last: date) -> Performance | None:
        if self._labels is None:
            return None
        cuts = self._reference.cuts
        slices = [*cuts.numeric, *cuts.categorical]
        table = labels.read(self._labels, self._settings.data, self._settings.monitor.date)
        known = Labels(
            table, _start(first), _start(last + timedelta(days=1)), self._output.scored, slices
        )
        # A label may be known long after the prediction.
        for paths in self._log.days("", last.isoformat()).values():
            for part in self._log.parts(paths, (*_MATCHED, *self._output.scored), slices):
                known.match(answers_of(part, self._version))
        matched = len(known) - known.unmatched
        if matched < (least := self._settings.monitor.min_rows):
            self._notes.append(
                f"{self._labels}: {matched:,} labels have an earlier prediction of this version;"
                f" metrics need {least}"
            )
        return performance.measure(
            known.matched(self._settings.comparison.max_rows),
            known.unmatched,
            self._reference,
            self._measurer,
            tasks.of_params(self._settings),
            self._settings.monitor.min_rows,
        )

    def _server(self) -> list[Measure]:
        if self._options.metrics is None:
            return []
        effects = self._settings.monitor.effects
        try:
            key = os.environ.get("CHURN_METRICS_KEY", "")
            counters = service.metrics(self._options.metrics, key)
        except ArtifactError as error:
            # A server that is down says nothing of the customers. What is no server is a mistake.
            # One that ends while it answers closes the connection.
            ended = (URLError, TimeoutError, ConnectionError, HTTPException)
            if not isinstance(error.__cause__, ended):
                raise
            self._notes.append(f"the server is not measured: {error}")
            return []
        return list(service.of_server(counters, effects, self._measurer.level))


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
