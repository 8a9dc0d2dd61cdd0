"""What `churn monitor` finds, as monitor.json."""

from __future__ import annotations

from typing import Literal

from churn.core.files import Shape

Kind = Literal["data", "volume", "predictions", "estimate", "performance", "service"]
TITLES: dict[Kind, str] = {
    "data": "The customers have changed",
    "volume": "The number of answers has changed",
    "predictions": "The predictions have changed",
    "estimate": "The metrics are estimated to have become worse",
    "performance": "The metrics have become worse",
    "service": "The service has become worse",
}


class Measure(Shape):
    """One quantity of one window.

    Attributes
    ----------
    kind : str
    name : str
        Such as ``drift of age``.
    column : str
        The column that it is of; empty if of none.
    value : float
        By how much it differs from the reference, 0 or more; more is worse.
    effect : float
        The change that matters.
    noise : float
        What chance adds with this number of customers.
    shown : str
        In words, for people.
    """

    kind: Kind
    name: str
    column: str
    value: float
    effect: float
    noise: float
    shown: str

    @property
    def limit(self) -> float:
        """Above it the quantity has changed."""
        return self.effect + self.noise

    @property
    def is_over(self) -> bool:
        """Whether the quantity has changed, by more than matters and more than chance would."""
        return self.value > self.limit


class Interval(Shape):
    """A metric with its 95 % interval."""

    value: float
    lower: float
    upper: float


class Window(Shape):
    """A day, or a file.

    Attributes
    ----------
    name : str
        The day in UTC, or the file's name.
    rows : int
        Answers of the watched version.
    customers : int
        Different customers among them, who are what is measured.
    answers : int
        Of any version.
    skipped : str
        Why it is not judged; empty if it is.
    measures : list of Measure
    estimated : dict of str to Interval
        Metrics before labels.
    latency_ms : dict of str to float
        Quantiles, such as ``0.95``, of the time to a prediction.
    """

    name: str
    rows: int
    customers: int
    answers: int
    skipped: str
    measures: list[Measure]
    estimated: dict[str, Interval]
    latency_ms: dict[str, float]

    @property
    def changed(self) -> list[Measure]:
        """The quantities that are above their limit."""
        return [measure for measure in self.measures if measure.is_over]


class GroupResult(Shape):
    """Metrics of customers with a label, against those of the held-out customers.

    Attributes
    ----------
    column, slice : str
        Empty for all customers.
    rows : int
    metrics, promised, difference : dict of str to Interval
        Of the labelled customers, of the held-out ones, and the first minus the second.
    """

    column: str
    slice: str
    rows: int
    metrics: dict[str, Interval]
    promised: dict[str, Interval]
    difference: dict[str, Interval]


class Performance(Shape):
    """What became of the customers, by the day of the prediction.

    Attributes
    ----------
    labelled : int
        Customers with a label and an earlier prediction of the watched version.
    unmatched : int
        Labels without such a prediction.
    groups : list of GroupResult
        All customers first.
    days : dict of str to dict of str to Interval
        Metrics by the day of the prediction.
    calibration : list of tuple of float
        Mean probability, observed share that churned, and customers, by tenth of the customers.
    measures : list of Measure
    """

    labelled: int
    unmatched: int
    groups: list[GroupResult]
    days: dict[str, dict[str, Interval]]
    calibration: list[tuple[float, float, int]]
    measures: list[Measure]


class Alarm(Shape):
    """A quantity that was above its limit often enough, and in the newest window.

    Attributes
    ----------
    kind, name, column : str
    windows : list of str
        In which it was above its limit.
    value, limit : float
        Of the newest window.
    shown : str
        In words, for people.
    """

    kind: Kind
    name: str
    column: str
    windows: list[str]
    value: float
    limit: float
    shown: str


class Report(Shape):
    """monitor.json.

    Attributes
    ----------
    model : str
        Name of the registered model.
    version : str
        The one that is watched.
    source : str
        Address of the log, or name of the file.
    since, until : str
        First and last day; empty for a file.
    other_versions : dict of str to int
        Answers of other versions in this time.
    windows : list of Window
        Oldest first.
    performance : Performance or None
        None without labels.
    server : list of Measure
        What a server's metrics say; empty if none was asked.
    alarms : list of Alarm
    settled : list of str
        Names of the quantities that were measured to be as before; an alarm of these is over.
    notes : list of str
        What could not be measured, and why.
    assumption : str
        What the estimated metrics assume; empty if there are none.
    """

    model: str
    version: str
    source: str
    since: str
    until: str
    other_versions: dict[str, int]
    windows: list[Window]
    performance: Performance | None
    server: list[Measure]
    alarms: list[Alarm]
    settled: list[str]
    notes: list[str]
    assumption: str = ""

    @property
    def headline(self) -> str:
        """The result in one line."""
        if self.alarms:
            kinds = dict.fromkeys(alarm.kind for alarm in self.alarms)
            return "; ".join(TITLES[kind] for kind in kinds)
        if not self.is_known:
            return "Nothing can be said yet"
        return "Nothing has changed that matters"

    @property
    def is_known(self) -> bool:
        """Whether customers, predictions or metrics were measured at all."""
        labelled = self.performance is not None and bool(self.performance.measures)
        return self.newest is not None or labelled

    @property
    def answers(self) -> int:
        """Answers of any version."""
        return sum(window.answers for window in self.windows)

    @property
    def newest(self) -> Window | None:
        """The newest window that is judged."""
        return next((window for window in reversed(self.windows) if not window.skipped), None)

    @property
    def newest_measures(self) -> list[Measure]:
        """Each quantity, as it was measured last."""
        by_name = {m.name: m for window in self.windows for m in window.measures}
        labelled = [] if self.performance is None else self.performance.measures
        return [*by_name.values(), *labelled, *self.server]

    @property
    def newest_metrics(self) -> dict[str, dict[str, Interval]]:
        """The metrics of now, ``estimated`` and ``measured``."""
        groups = [] if self.performance is None else self.performance.groups[:1]
        return {
            "estimated": {} if self.newest is None else self.newest.estimated,
            "measured": groups[0].metrics if groups and not groups[0].column else {},
        }
