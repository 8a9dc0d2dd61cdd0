"""Results and limits become a verdict; what could not be computed blocks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from churn.evaluation.metric_names import SMALLER_IS_BETTER, TITLES
from churn.params import ChecksParams, GatesParams

Outcome = Literal["judged", "unchanged", "stopped"]


@dataclass(frozen=True)
class Gate:
    """One limit, and whether it is kept.

    Attributes
    ----------
    name : str
        What is limited.
    passed : bool
    value, limit : str
        In words of the report.
    reason : str
        Why it passed or failed, as a sentence's part.
    """

    name: str
    passed: bool
    value: str
    limit: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be merged.

    Attributes
    ----------
    passed : bool
    outcome : {"judged", "unchanged", "stopped"}
        Held against the limits; nothing to judge, because no input differs from the baseline's;
        or stopped before it could be judged, which blocks as well.
    reason : str
        The one reason that a reader needs.
    gates : tuple of Gate
        Most serious kind first.
    """

    passed: bool
    outcome: Outcome
    reason: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Results:
    """What there is to judge; None where it could not be computed.

    Attributes
    ----------
    stale : sequence of str or None
        Inputs that `dvc.lock` does not know as they are.
    foreign : sequence of str or None
        Results that the commit names and its inputs do not give.
    metrics, checks, comparison : dict or None
        As metrics.json, checks.json and comparison.json hold them.
    model_digest : str or None
        Of the model that is judged; a comparison of another one counts for nothing.
    """

    stale: Sequence[str] | None
    foreign: Sequence[str] | None
    metrics: Mapping[str, Any] | None
    checks: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None
    model_digest: str | None


def judge(
    results: Results, gates: GatesParams, checks: ChecksParams, release: bool = False
) -> Verdict:
    """Hold results against the limits of params.yaml.

    Parameters
    ----------
    results : Results
    gates : GatesParams
        Minima and margins.
    checks : ChecksParams
        The checks that must have run and passed.
    release : bool, default=False
        Whether it is to be released, for which Production alone is compared with; else it is to
        be merged.

    Returns
    -------
    Verdict
        Passed only if every gate could be computed and is passed.
    """
    judged = (
        _lock(results.stale),
        # Of a lock that is stale other results are no wonder, and it blocks by itself.
        *([] if results.stale else [_committed(results.foreign)]),
        *_minima(results.metrics, gates),
        *_against_baselines(results.comparison, results.model_digest, gates, release),
        _checks(results.checks, checks),
    )
    failed = [gate for gate in judged if not gate.passed]
    if not failed:
        return Verdict(True, "judged", _praise(results, gates), judged)
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return Verdict(False, "judged", failed[0].reason + more, judged)


def stopped(reason: str) -> Verdict:
    """Return the verdict where a candidate could not be made or judged at all."""
    gate = Gate("pipeline", False, "stopped", "runs to its end", reason)
    return Verdict(False, "stopped", reason, (gate,))


def unchanged(baseline: str) -> Verdict:
    """Return the verdict where nothing that decides the model differs from the baseline."""
    reason = f"no change to the model: every input of the pipeline is as in {baseline}"
    return Verdict(True, "unchanged", reason, ())


def _lock(stale: Sequence[str] | None) -> Gate:
    name, limit = "dvc.lock", "up to date"
    if stale is None:
        return Gate(name, False, "unknown", limit, "whether dvc.lock is up to date is unknown")
    if stale:
        names = sorted({one.partition(": ")[2] for one in stale})
        what = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        reason = (
            f"dvc.lock is stale ({what}); run dvc repro and dvc push, and commit dvc.lock, reports"
            " and dvc-remote"
        )
        return Gate(name, False, "stale", limit, reason)
    return Gate(name, True, "up to date", limit, "it belongs to the inputs")


def _committed(foreign: Sequence[str] | None) -> Gate:
    name, limit = "committed results", "those of the inputs"
    if foreign is None:
        reason = "whether the committed results are those of the inputs is unknown"
        return Gate(name, False, "unknown", limit, reason)
    if foreign:
        reason = (
            f"the commit names results that its inputs do not give: {'; '.join(foreign)};"
            " run dvc repro --force and dvc push, and commit what they change"
        )
        return Gate(name, False, "others", limit, reason)
    return Gate(name, True, "those of the inputs", limit, "they are those of the inputs")


def _minima(metrics: Mapping[str, Any] | None, gates: GatesParams) -> Iterator[Gate]:
    for metric, minimum in gates.minima.items():
        name, title = f"minimum of {TITLES[metric]}", TITLES[metric]
        value = None if metrics is None else metrics.get("test", {}).get(metric)
        limit = f"at least {minimum:g}"
        if value is None or not math.isfinite(value):
            yield Gate(name, False, "undefined", limit, f"{title} is undefined")
        elif value < minimum:
            reason = f"{title} is {value:.3f}, below the minimum of {minimum:g}"
            yield Gate(name, False, f"{value:.3f}", limit, reason)
        else:
            reason = f"{title} is {value:.3f}, at or above {minimum:g}"
            yield Gate(name, True, f"{value:.3f}", limit, reason)


def _against_baselines(
    comparison: Mapping[str, Any] | None, digest: str | None, gates: GatesParams, release: bool
) -> Iterator[Gate]:
    name, limit = "comparison", "with a baseline"
    if comparison is None or not comparison["baselines"]:
        reason = "the candidate was compared with nothing; run churn compare --baseline main"
        yield Gate(name, False, "none", limit, reason)
        return
    if digest is None or comparison["model_digest"] != digest:
        reason = "the comparison is one of another model; run churn compare again"
        yield Gate(name, False, "another model's", limit, reason)
        return
    kinds = {entry.get("kind") for entry in comparison["baselines"]}
    if release and "production" not in kinds:
        reason = "not compared with Production; run churn compare --production"
        yield Gate(name, False, "without Production", limit, reason)
    if not release and kinds == {"production"}:
        reason = "compared with Production alone; run churn compare --baseline main"
        yield Gate(name, False, "Production alone", limit, reason)
    for entry in comparison["baselines"]:
        if reason := entry.get("absent"):
            yield Gate(f"against {entry['name']}", True, "no baseline", limit, reason)
        elif reason := entry.get("incomparable"):
            yield _incomparable(entry["name"], reason, gates)
        else:
            yield from _non_inferiority(entry, gates)
            yield _slices(entry, gates)


def _incomparable(baseline: str, reason: str, gates: GatesParams) -> Gate:
    accepted = gates.incomparable_baseline == "accept"
    if not accepted:
        reason += (
            "; if this change is meant to bring another table, set"
            " gates.incomparable_baseline to accept in it"
        )
    limit = "accepted" if accepted else "comparable"
    return Gate(f"against {baseline}", accepted, "incomparable", limit, reason)


def _non_inferiority(entry: Mapping[str, Any], gates: GatesParams) -> Iterator[Gate]:
    found = {one["metric"]: one for one in entry["metrics"]}
    for metric, margin in gates.margins.items():
        one = found.get(metric)
        title, baseline = TITLES[metric], entry["name"]
        name, limit = f"{title} against {baseline}", f"worse by less than {margin:g}"
        loss = loss_interval(one) if one else None
        if one is None or loss is None:
            reason = f"how {title} compares with {baseline} could not be computed"
            yield Gate(name, False, "undefined", limit, reason)
            continue
        value = f"{one['difference']:+.4f}, 95% interval {one['lower']:+.4f} to {one['upper']:+.4f}"
        passed = loss[1] < margin or one["word"] == "identical"
        kept = "within" if passed else "not within"
        reason = f"{title} against {baseline} is {value}: {kept} the margin of {margin:g}"
        if not passed and one["word"] == "worse":
            reason = f"{title} is worse than {baseline}'s: {value}, margin {margin:g}"
        elif not passed:
            reason += f", which {entry['rows']:,} held-out customers cannot tell"
        yield Gate(name, passed, value, limit, reason)


def _slices(entry: Mapping[str, Any], gates: GatesParams) -> Gate:
    margins = gates.slice_margins
    collapsed: list[tuple[Mapping[str, Any], float, str]] = []
    unknown = []
    for part in entry["slices"]:
        where = f"{part['column']} {part['slice']}"
        found = {one["metric"]: one for one in part["metrics"]}
        for metric, margin in margins.items():
            if (one := found.get(metric)) is None:
                unknown.append(where)
                continue
            loss, title = loss_interval(one), TITLES[metric]
            if one["candidate"] is None and one["baseline"] is not None:
                collapsed.append((part, math.inf, f"{where}: {title} is undefined"))
            elif loss is None:
                unknown.append(where)
                # Too few customers for an interval is no leave to fall without one.
                if (fall := _fall(one)) is not None and fall > margin:
                    what = f"{where}: {title} {one['difference']:+.4f}, without an interval"
                    collapsed.append((part, fall / margin if margin else math.inf, what))
            elif loss[0] > margin:
                share = loss[0] / margin if margin else math.inf
                collapsed.append((part, share, f"{where}: {title} {one['difference']:+.4f}"))
    name, n = f"slices against {entry['name']}", len(entry["slices"])
    limit = ", ".join(f"{TITLES[m]} surely worse by at most {v:g}" for m, v in margins.items())
    if collapsed:
        worst = [what for _, _, what in sorted(collapsed, key=lambda one: -one[1])]
        what = "; ".join(worst[:3]) + (" …" if len(worst) > 3 else "")
        slices = {(part["column"], part["slice"]) for part, _, _ in collapsed}
        value = f"{len(slices)} of {n} beyond a margin"
        return Gate(name, False, value, limit, f"worse than {entry['name']} in a slice: {what}")
    aside = f", {len(set(unknown))} of them without an interval" if unknown else ""
    value = f"none of {n} beyond a margin"
    return Gate(name, True, value, limit or "none", f"{n} slices looked at{aside}")


def _fall(one: Mapping[str, Any]) -> float | None:
    """Return how much worse a candidate was seen to be, without regard to chance."""
    change = one["difference"]
    if change is None:
        return None
    return float(change if one["metric"] in SMALLER_IS_BETTER else -change)


def loss_interval(one: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the interval of how much *worse* a candidate is; None where there is none.

    Parameters
    ----------
    one : dict
        A `churn.evaluation.comparison.Difference`.
    """
    lower, upper = one["lower"], one["upper"]
    if lower is None or upper is None:
        return None
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    return (lower, upper) if one["metric"] in SMALLER_IS_BETTER else (-upper, -lower)


def _checks(report: Mapping[str, Any] | None, listed: ChecksParams) -> Gate:
    name, limit = "deepchecks", "all pass"
    wanted = Counter((s, check.check) for s, checks in listed.suites.items() for check in checks)
    total = wanted.total()
    if report is None:
        return Gate(name, False, "unknown", limit, "the checks have no result")
    ran = Counter((check["suite"], check["check"]) for check in report["checks"])
    missing = [check for _, check in wanted - ran]
    bad = [check for check in report["checks"] if check["status"] != "passed"]
    value = f"{len(report['checks']) - len(bad)} of {total} passed"
    if missing:
        return Gate(name, False, value, limit, f"checks that did not run: {', '.join(missing)}")
    if bad:
        crashed = [check["check"] for check in bad if check["status"] == "crashed"]
        failed = [check["check"] for check in bad if check["status"] != "crashed"]
        parts = [f"{', '.join(crashed)} crashed"] if crashed else []
        parts += [f"{', '.join(failed)} failed"] if failed else []
        return Gate(name, False, value, limit, f"deepchecks: {'; '.join(parts)}")
    return Gate(name, True, value, limit, "all ran and passed")


def _praise(results: Results, gates: GatesParams) -> str:
    """Say in one sentence why a candidate may be merged, by the first metric that has a margin."""
    assert results.comparison is not None
    entries = results.comparison["baselines"]
    entry = next((one for one in entries if not one.get("absent")), entries[0])
    if entry.get("absent"):
        return f"minima and checks are kept; {entry['absent']}, so nothing was compared"
    if entry.get("incomparable"):
        return "minima and checks are kept; the baseline is not comparable, as this change accepts"
    if entry["model_digest"] == results.model_digest:
        return f"the model is {entry['name']}'s, byte for byte"
    metric = next(iter(gates.margins))
    one = next(one for one in entry["metrics"] if one["metric"] == metric)
    change = f"{one['difference']:+.4f} (95% interval {one['lower']:+.4f} to {one['upper']:+.4f})"
    word = {
        "better": f"better than {entry['name']}",
        "worse": f"a little worse than {entry['name']}, within the margin",
    }.get(one["word"], f"no worse than {entry['name']} within the margin")
    return f"{word}: {TITLES[metric]} {change}"
