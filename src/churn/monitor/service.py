"""How well the server does: its metrics, the number of answers, and the time to each."""

from __future__ import annotations

import statistics
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from scipy import stats

from churn.core.addresses import public, reason
from churn.core.errors import ArtifactError
from churn.core.params import EffectsParams
from churn.monitor.results import Measure, Window

_TIMEOUT_S = 10
_MIN_DAYS = 3  # before it is known what is usual
_PREDICTING = ("/invocations", "/v2/models/infer")  # not those that ask whether it is alive


def metrics(address: str, key: str = "") -> dict[str, Counter[str]]:
    """Read the counters of a server.

    Parameters
    ----------
    address : str
        URL of its `/metrics`, or a file with what was there.
    key : str, optional
        The API key that the server asks for.

    Returns
    -------
    dict of str to Counter
        ``status``: requests for predictions by HTTP status; ``dropped``: predictions that are not
        in the log, by reason.

    Raises
    ------
    ArtifactError
        If they cannot be read.
    """
    shown = public(address)
    try:
        if address.startswith(("http://", "https://")):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            request = urllib.request.Request(address, headers=headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                text = answer.read().decode()
        else:
            text = Path(address).read_text(encoding="utf-8")
        families = list(text_string_to_metric_families(text))
    except (OSError, HTTPException, ValueError) as error:
        raise ArtifactError(f"{shown}: no metrics of a server ({reason(error)})") from error
    if not any(family.name == "churn_requests" for family in families):
        raise ArtifactError(f"{shown}: no metrics of a server (churn_requests_total is not there)")
    found: dict[str, Counter[str]] = {"status": Counter(), "dropped": Counter()}
    wanted = {"churn_requests_total": "status", "churn_log_dropped_rows_total": "dropped"}
    labels = {"status": "status", "dropped": "reason"}
    for family in families:
        for sample in family.samples:
            endpoint = sample.labels.get("endpoint", _PREDICTING[0])
            if (kind := wanted.get(sample.name)) and endpoint in _PREDICTING:
                found[kind][sample.labels.get(labels[kind], "")] += int(sample.value)
    return found


def of_server(
    counters: dict[str, Counter[str]], effects: EffectsParams, level: float
) -> Iterator[Measure]:
    """Yield what a server's counters say, since it was started.

    Parameters
    ----------
    counters : dict
        As `metrics` returns them.
    effects : EffectsParams
    level : float
        Probability of being above a limit by chance.
    """
    status = counters["status"]
    requests, failed = status.total(), sum(n for code, n in status.items() if code >= "500")
    if requests:
        chance = float(stats.binom.isf(level, requests, effects.errors)) / requests - effects.errors
        yield Measure(
            kind="service",
            name="requests that failed",
            column="",
            value=failed / requests,
            effect=effects.errors,
            noise=max(chance, 0.0),
            shown=f"{failed:,} of {requests:,} requests failed because of the server",
        )
    dropped = counters["dropped"].total()
    yield Measure(
        kind="service",
        name="predictions that are not in the log",
        column="",
        value=float(dropped),
        effect=0.0,
        noise=0.0,
        shown=f"{dropped:,} predictions are not in the log",
    )


def latency(window: Window, p95_ms: float) -> Measure | None:
    """Return the time to a prediction against its limit, `release.p95_ms`; None without any."""
    if "0.95" not in window.latency_ms:
        return None
    value = window.latency_ms["0.95"]
    return Measure(
        kind="service",
        name="time to a prediction",
        column="",
        value=value,
        effect=p95_ms,
        noise=0.0,
        shown=f"95 of 100 predictions took up to {value:.1f} ms, allowed are {p95_ms:g} ms",
    )


def volume(before: Sequence[int], answers: int, effect: float) -> Measure | None:
    """Return by how much a day's answers differ from those of a usual day.

    Parameters
    ----------
    before : sequence of int
        Answers of the days before it.
    answers : int
    effect : float
        The change that matters, as a share of a usual day.

    Returns
    -------
    Measure or None
        None if there are fewer than three days before it. What is usual is their median; noise is
        three times their median absolute deviation, in standard deviations of a normal
        distribution: traffic differs from day to day by more than chance.
    """
    if len(before) < _MIN_DAYS or not (usual := statistics.median(before)):
        return None
    deviation = 1.4826 * statistics.median(abs(count - usual) for count in before)
    change = answers / usual - 1
    return Measure(
        kind="volume",
        name="number of answers",
        column="",
        value=abs(change),
        effect=effect,
        noise=3 * deviation / usual,
        shown=f"{answers:,} answers, {change:+.0%} of a usual day's {usual:,.0f}",
    )
