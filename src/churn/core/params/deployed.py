"""The sections of params.yaml about the deployed model: from release to retrain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from churn.core.params.section import Margin, Schedule, Section, Share, Unit


class CanaryParams(Section):
    """A trial in front of customers, between Staging and Production.

    Attributes
    ----------
    share : float
        Part of the customers for whom the new version predicts.
    shadow : bool
        Whether the old version answers them all the same.
    hours : float
        Minimum hours before the new version moves to Production.
    customers : int
        Minimum number of customers for whom it has predicted by then.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    shadow: bool = False
    hours: Annotated[float, Field(ge=0)] = 24
    customers: Annotated[int, Field(ge=1)] = 1000


class ReleaseParams(Section):
    """The registered model, and the limits that it must keep when it is served.

    Attributes
    ----------
    model : str
        Name in the registry (in Unity Catalog: catalog.schema.name).
    stages : bool
        False if the registry has aliases only (Unity Catalog).
    parity_rows : int
        Number of held-out customers for which the served model predicts.
    start_s : float
        Maximum seconds until the served model answers.
    p95_ms : float
        Maximum milliseconds for 95 of 100 single requests.
    canary : CanaryParams or None
        A trial in front of customers before Production; null for none.
    """

    model: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+){0,2}$")]
    stages: bool
    parity_rows: Annotated[int, Field(ge=50, le=10_000)]
    start_s: Annotated[float, Field(gt=0)]
    p95_ms: Annotated[float, Field(gt=0)]
    canary: CanaryParams | None = None


class ServeParams(Section):
    """The server of the deployed model.

    Attributes
    ----------
    poll_s : float
        Seconds between two looks at the registry.
    log : str or None
        Where predictions are logged: a folder, or an address such as s3://bucket/folder. Null for
        no log.
    flush_s : float
        Maximum seconds until a prediction is in the log.
    log_days : int or None
        Number of days that predictions are kept, beside today; null for all.
    log_queue_rows : int
        Maximum number of predictions that wait to be logged; more are dropped and counted.
    redact : tuple of str
        Columns that are not logged.
    max_body_mb : float
        Maximum size of a request, in megabytes.
    max_rows : int
        Maximum number of customers of a request.
    max_explained : int
        Maximum number of customers of a request for reasons.
    max_in_flight : int
        Maximum number of requests that a worker answers at once; others get 503.
    timeout_s : float
        Maximum seconds in which a request must be there, and be answered.
    drain_s : float
        Maximum seconds for the requests that are there when the server is stopped.
    monitor : str or None
        What `churn monitor` has written for Prometheus, which `/metrics` shows too. Null for none.
    """

    poll_s: Annotated[float, Field(gt=0)] = 5
    log: str | None = "served/log"
    flush_s: Annotated[float, Field(gt=0)] = 5
    log_days: Annotated[int, Field(ge=1)] | None = None
    log_queue_rows: Annotated[int, Field(ge=1)] = 100_000
    redact: tuple[str, ...] = ()
    max_body_mb: Annotated[float, Field(gt=0)] = 16
    max_rows: Annotated[int, Field(ge=1)] = 50_000
    max_explained: Annotated[int, Field(ge=1)] = 100
    max_in_flight: Annotated[int, Field(ge=1)] = 256
    timeout_s: Annotated[float, Field(gt=0)] = 30
    drain_s: Annotated[float, Field(gt=0)] = 20
    monitor: str | None = "build/monitor/monitor.prom"


class EffectsParams(Section):
    """Changes that matter; smaller ones are no alarm, however certain.

    Attributes
    ----------
    numeric : float
        Of a numeric column: Wasserstein's distance, in standard deviations of the training rows.
    categorical : float
        Of a categorical column: Jensen and Shannon's distance, in [0, 1].
    missing : float
        Of a column's share of missing values.
    unseen : float
        Share of customers with a category that the training rows did not have, beyond what is
        expected.
    out_of_range : float
        Share of customers with a number below or above all training rows.
    score : float
        Of the predicted probabilities: as for `numeric`, compared with held-out customers.
    predicted : float
        Of the share of customers that are predicted to churn.
    volume : float
        Of the number of answers of a day, as a share of the usual number.
    errors : float
        Share of requests that failed because of the server.
    """

    numeric: Margin = 0.05
    categorical: Margin = 0.05
    missing: Unit = 0.02
    unseen: Unit = 0.01
    out_of_range: Unit = 0.01
    score: Margin = 0.05
    predicted: Unit = 0.03
    volume: Margin = 0.5
    errors: Unit = 0.01


class MonitorParams(Section):
    """How the deployed model is watched.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs `churn monitor`: minute, hour, day of the month, month and day of
        the week, as in cron, in UTC. GitHub's schedule is in monitor.yml.
    log : str or None
        Where the prediction log is; null for `serve.log`.
    labels : str or None
        What became of customers: a file with id and target; a path, or an address such as
        s3://bucket/labels.parquet. Null for none.
    date : str or None
        Column of the labels with the day on which each was known. Null: all are known today.
    false_alarms : float
        Probability of any alarm in a week in which nothing has changed, at most.
    needed : int
        An alarm needs this many days above a limit, the newest day among them,
    of : int
        among this many newest days.
    min_rows : int
        Days with fewer customers are not judged.
    effects : EffectsParams
        Changes that matter. Those of metrics are the margins of `gates.margins`.
    """

    schedule: Schedule = "41 4 * * *"
    log: str | None = None
    labels: str | None = None
    date: str | None = None
    false_alarms: Share = 0.05
    needed: Annotated[int, Field(ge=1)] = 2
    of: Annotated[int, Field(ge=1, le=60)] = 5
    min_rows: Annotated[int, Field(ge=20)] = 50
    effects: EffectsParams = EffectsParams()

    @model_validator(mode="after")
    def _can_be_met(self) -> MonitorParams:
        if self.needed > self.of:
            raise ValueError(f"needed ({self.needed}) is larger than of ({self.of})")
        return self


class RetrainParams(Section):
    """What `churn retrain` does beside training on the newest table.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs `churn retrain`, as `monitor.schedule`. GitHub's schedule is in
        retrain.yml.
    tune : bool
        Whether hyperparameters are searched for first (churn tune).
    """

    schedule: Schedule = "17 5 * * 1"
    tune: bool = False


class BatchParams(Section):
    """The table that is predicted regularly.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs it, as `monitor.schedule`. GitHub's schedule is in batch.yml.
    input : str or None
        A file, a folder, a pattern, or an address of one of these, such as
        s3://bucket/customers. Null: nowhere, and nothing is predicted. ``{date}`` is replaced by
        the day, in UTC, as in s3://bucket/customers/day={date}.
    output : str
        A folder, or its address; with ``{date}`` as well, so that each day has its own.
    bad_rows : {"refuse", "quarantine"}
        Whether a row that cannot be read stops the run, or is written to another file.
    reasons : int
        Number of columns that are named for each prediction, those with most effect on it.
    """

    schedule: Schedule = "11 4 * * *"
    input: str | None = None
    output: str = "scored/{date}"
    bad_rows: Literal["refuse", "quarantine"] = "refuse"
    reasons: Annotated[int, Field(ge=0)] = 0


class CardParams(Section):
    """What the model card says that no result does.

    Attributes
    ----------
    purpose : str
        What the model is for, and who uses it.
    out_of_scope : str
        What it is not for.
    owner : str
        Who answers for it, and how to reach them.
    """

    purpose: str = ""
    out_of_scope: str = ""
    owner: str = ""
