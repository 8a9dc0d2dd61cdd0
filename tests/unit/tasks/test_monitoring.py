"""Numbers and classes in production: drift of what is predicted, and metrics with labels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churn.core.params import EffectsParams, MulticlassDecision, RegressionDecision, SlicesParams
from churn.evaluation import reference, tasks
from churn.evaluation.metric_names import SHOWN, TITLES
from churn.evaluation.reference import Reference
from churn.evaluation.tasks import Scored, Task
from churn.model.artifact import Model
from churn.monitor import markdown, page, performance, textfile
from churn.monitor.counting import Counts
from churn.monitor.labels import Labels
from churn.monitor.log import Log
from churn.monitor.measuring import Measurer
from churn.monitor.results import Alarm
from churn.monitor.run import Found
from churn.serve.prediction_log import Entry, table
from churn.serve.rows import from_frame
from tests.unit.monitor import logs, reports
from tests.unit.serve.models import fitted
from tests.unit.tasks.conftest import CLASSES, Fit

SLICES = SlicesParams(numeric=("age",), bins=2, min_rows=50)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENING, MORROW = (NOON.replace(hour=18), NOON.replace(day=2))


class Watched:
    """A model with its reference, and what measures windows against it."""

    def __init__(self, task: Task, model: Model, rows: pd.DataFrame, margins: Any) -> None:
        self.task, self.model, self.rows = task, model, rows
        y = rows[model.card.target].to_numpy()
        scored = Scored(model.scores(rows), model.card.rule)
        described = reference.describe(rows, rows, task, y, scored, model.card, SLICES)
        self.reference = Reference.model_validate_json(described.model_dump_json())
        self.measurer = Measurer(self.reference, EffectsParams(), margins, task, 0.05)

    def log(self, rows: pd.DataFrame) -> pa.Table:
        """Return the prediction log of customers."""
        count = len(rows)
        entry = Entry(
            requests=[str(i) for i in range(count)],
            moments=[NOON.timestamp()] * count,
            latencies_ms=[2.0] * count,
            scoring_ms=1.0,
            counts=[1] * count,
            places=np.zeros(count, dtype=int),
            rows=from_frame(self.model, rows),
            answer=self.model.output.answer(self.model.scores(rows), self.model.card.rule),
            card=self.model.card,
            version="1",
            role="champion",
        )
        return table([entry], self.model.card, frozenset())

    def counts(self, rows: pd.DataFrame) -> Counts:
        """Count the log of customers."""
        counts = Counts(self.reference, frozenset(self.model.card.inputs))
        counts.add(self.log(rows), "1")
        assert counts.customers == len(rows)
        return counts

    def over(self, rows: pd.DataFrame) -> set[str]:
        """Return the names of the quantities that have changed."""
        counts = self.counts(rows)
        estimated, losses = self.measurer.estimate(counts)
        assert len(losses) == 1 and set(estimated) == set(self.task.metrics) - {"r2"}
        measured = [*self.measurer.measure(counts), *losses]
        return {one.name for one in measured if one.is_over}

    def with_labels(self, rows: pd.DataFrame) -> performance.Performance:
        """Measure customers whose labels came in the evening."""
        known = pd.DataFrame(
            {"id": rows["customer_id"], "y": rows[self.model.card.target], "known": EVENING}
        )
        labels = Labels(known, NOON, MORROW, self.model.output.scored, ["age"])
        labels.match(self.log(rows))
        assert labels.unmatched == 0
        return performance.measure(
            labels.matched(10_000), 0, self.reference, self.measurer, self.task, 50
        )


@pytest.fixture(scope="module")
def numbers_watched(
    numbers: RegressionDecision, fit_numbers: Fit, spenders: pd.DataFrame
) -> Watched:
    return Watched(tasks.of(numbers), fit_numbers("ridge"), spenders, {"rmse": 1.0})


@pytest.fixture(scope="module")
def classes_watched(
    classes: MulticlassDecision, fit_classes: Fit, spenders: pd.DataFrame
) -> Watched:
    model = fit_classes("logistic_regression")
    return Watched(tasks.of(classes, CLASSES), model, spenders, {"macro_f1": 0.02})


@pytest.fixture(params=["numbers_watched", "classes_watched"])
def watched(request: pytest.FixtureRequest) -> Watched:
    found: Watched = request.getfixturevalue(request.param)
    return found


@pytest.mark.slow
def test_what_has_not_changed_is_no_alarm(watched: Watched) -> None:
    assert watched.over(watched.rows) == set()


@pytest.mark.slow
def test_estimates_of_the_held_out_customers_are_what_they_promised(watched: Watched) -> None:
    estimated, [loss] = watched.measurer.estimate(watched.counts(watched.rows))
    promised = watched.reference.groups[0].metrics
    for name, of in promised.items():
        if name != "r2":
            assert estimated[name].value == pytest.approx(of.value, rel=0.03), name
            assert estimated[name].lower < of.value < estimated[name].upper
    assert loss.kind == "estimate" and "promised" in loss.shown
    assert list(watched.measurer.doubts(watched.counts(watched.rows))) == []


@pytest.mark.slow
def test_harder_customers_are_an_alarm_before_there_are_labels(watched: Watched) -> None:
    """Those for whom the held-out predictions were wrong, three times each."""
    rows, model = watched.rows, watched.model
    decided = model.output.decided(model.scores(rows), model.card.rule)
    errors = np.abs(decided - rows[model.card.target].to_numpy())
    # By what is predicted alone: whole bins of it are right or wrong more often.
    places = pd.qcut(pd.Series(model.scores(rows).reshape(len(rows), -1).max(axis=1)), 10)
    hard = pd.Series(errors).groupby(places, observed=True).transform("mean")
    worst = rows[(hard >= hard.quantile(0.7)).to_numpy()]
    often = pd.concat([worst] * 3, ignore_index=True)
    often["customer_id"] = [f"hard-{i}" for i in range(len(often))]
    _, [loss] = watched.measurer.estimate(watched.counts(often))
    found = watched.with_labels(often).measures
    assert loss.value > 0
    assert loss.value == pytest.approx(found[0].value, rel=0.5)


@pytest.mark.slow
def test_parts_of_a_window_add_up_to_the_whole(watched: Watched) -> None:
    whole, part = watched.counts(watched.rows), watched.counts(watched.rows.iloc[::2])
    part.merge(watched.counts(watched.rows.iloc[1::2]))
    assert (part.scores == whole.scores).all() and whole.scores.any()
    assert watched.measurer.estimate(part) == watched.measurer.estimate(whole)


def test_a_version_without_the_basis_says_so_and_is_watched_all_the_same(watched: Watched) -> None:
    old = watched.reference.model_copy(update={"classes": None, "errors": None})
    measurer = Measurer(old, EffectsParams(), watched.measurer.margins, watched.task, 0.05)
    counts = Counts(old, frozenset(watched.model.card.inputs))
    counts.add(watched.log(watched.rows), "1")
    assert measurer.estimate(counts) == ({}, [])
    assert measurer.assumption == ""
    [why] = measurer.doubts(counts)
    assert "was not stored with this version" in why
    assert measurer.measure(counts)


def test_customers_beyond_the_held_out_predictions_are_told(numbers_watched: Watched) -> None:
    rows = numbers_watched.rows
    rich = rows.assign(
        monetary_value=rows["monetary_value"].where(np.arange(len(rows)) % 4 > 0, 1e5)
    )
    [told] = numbers_watched.measurer.doubts(numbers_watched.counts(rich))
    assert told.startswith("25% of the customers have a prediction beyond")


@pytest.mark.slow
def test_the_page_has_numbers_pictures_and_the_assumption(watched: Watched) -> None:
    counts, labelled = watched.counts(watched.rows), watched.with_labels(watched.rows)
    estimated, losses = watched.measurer.estimate(counts)
    window = reports.window("2026-03-01", *losses).model_copy(update={"estimated": estimated})
    report = reports.report(
        windows=[window], performance=labelled, assumption=watched.measurer.assumption
    )
    written = page.render(Found(report, watched.reference, counts))
    assert "who the customers are is seen" in written and "churn as often" not in written
    for name in estimated:
        assert f"<td>{TITLES[name]}</td>" in written
    shown = [TITLES[name] for name in SHOWN if name in estimated]
    assert len(shown) >= 3
    for title in shown:
        assert f'alt="{title} by day"' in written
    assert ("R² is not estimated" in written) == ("rmse" in estimated)
    metrics = textfile.render(report)
    for name, interval in estimated.items():
        sample = f'churn_monitor_metric{{how="estimated",metric="{name}"}}'
        assert f"{sample} {interval.value}" in metrics
    alarm = Alarm(
        kind="estimate", name="", column="", windows=[], value=1.0, limit=0.5, shown="worse"
    )
    issue = markdown.alarms(report, [alarm], "")
    assert watched.measurer.assumption in issue and "probabilities, under" not in issue


@pytest.mark.slow
def test_other_predictions_are_named(watched: Watched) -> None:
    poor = watched.rows.assign(monetary_value=watched.rows["monetary_value"] / 4)
    assert "drift of the prediction" in watched.over(poor)


def test_metrics_with_labels_are_those_that_were_promised(watched: Watched) -> None:
    found = watched.with_labels(watched.rows)
    everyone = found.groups[0]
    for name, interval in everyone.metrics.items():
        assert interval.value == pytest.approx(everyone.promised[name].value, rel=1e-6), name
    assert len(found.groups) > 1
    assert [measure for measure in found.measures if measure.is_over] == []


@pytest.mark.slow
def test_a_change_of_the_labels_alone_is_found(watched: Watched) -> None:
    target = watched.model.card.target
    turned = np.roll(watched.rows[target].to_numpy(), 7)
    changed = watched.rows.assign(**{target: turned})
    assert watched.over(changed) == set()
    found = watched.with_labels(changed)
    assert [measure.name for measure in found.measures if measure.is_over]


@pytest.mark.slow
def test_numbers_are_calibrated_by_tenths_and_classes_are_not(
    numbers_watched: Watched, classes_watched: Watched
) -> None:
    tenths = numbers_watched.with_labels(numbers_watched.rows).calibration
    assert len(tenths) == 10
    assert [one[0] for one in tenths] == sorted(one[0] for one in tenths)
    assert classes_watched.with_labels(classes_watched.rows).calibration == []


@pytest.mark.slow
def test_files_of_a_model_of_another_task_are_passed_over(
    numbers_watched: Watched, classes_watched: Watched, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    both = {"numbers": numbers_watched, "classes": classes_watched}
    for name, watched in both.items():
        pq.write_table(watched.log(watched.rows), tmp_path / f"{name}.parquet")
    logs.write(tmp_path, logs.FIRST, spenders, fitted(spenders, data__categorical=["plan"]))
    paths = [str(path) for path in tmp_path.rglob("*.parquet")]
    assert len(paths) == 3
    for name, watched in both.items():
        log = Log(str(tmp_path), watched.model.card, watched.model.output.answered)
        found = pa.concat_tables(log.parts(paths, ["prediction"], ["age"]))
        assert found.num_rows == len(watched.rows), name
        assert found["prediction"].null_count == 0
