"""Gates for a candidate alone: reproducible results, minima, and deepchecks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from churn.core.params import ChecksParams, GatesParams
from churn.evaluation.metric_names import TITLES
from churn.review.outcome import Gate
from churn.validation.results import Checks


@dataclass(frozen=True)
class Outputs:
    """How the outputs in a commit's ``dvc.lock`` compare with reproduced outputs.

    Attributes
    ----------
    how : {"same", "rounded", "other", "uncommitted"}
        Equal byte for byte; made on another kind of machine and equal within a tolerance;
        different; or not compared, because no commit has these inputs yet.
    notes : tuple of str
        The tolerance, or one ``path: mismatch`` per output.
    """

    how: Literal["same", "rounded", "other", "uncommitted"]
    notes: tuple[str, ...] = ()


def first_three(parts: Sequence[str], separator: str = "; ") -> str:
    """Join at most three of several parts of a sentence."""
    return separator.join(parts[:3]) + (" …" if len(parts) > 3 else "")


def reproducibility(
    stale: Sequence[str] | None, outputs: Outputs | None, release: bool
) -> Iterator[Gate]:
    """Judge whether ``dvc.lock`` is up to date, and names the outputs of the inputs."""
    name, limit = "dvc.lock", "up to date"
    if stale:
        names = sorted({entry.partition(": ")[2] for entry in stale})
        reason = (
            f"dvc.lock is stale ({first_three(names, ', ')}); run dvc repro and dvc push, and"
            " commit dvc.lock, reports and dvc-remote"
        )
        # The committed results are not judged: what a stale lock names is not of these inputs.
        yield Gate(name, False, "stale", limit, reason)
        return
    if stale is None:
        yield Gate(name, False, "unknown", limit, "whether dvc.lock is up to date is unknown")
    else:
        yield Gate(name, True, "up to date", limit, "it matches the inputs")
    yield Gate("committed results", *_committed(outputs, release))


def _committed(outputs: Outputs | None, release: bool) -> tuple[bool, str, str, str]:
    """Return whether the committed results pass, and value, limit and reason."""
    limit, how = "those of the inputs", outputs and outputs.how
    if outputs is None:
        reason = "whether the committed results are those of the inputs is unknown"
        return False, "unknown", limit, reason
    if how == "same":
        return True, "byte for byte", limit, "they are those of the inputs"
    if how == "uncommitted":
        reason = "no commit has these inputs yet, so there is nothing to compare"
        return True, "none yet", limit, reason
    if how == "rounded":
        reason = f"made on another kind of machine, but equal: {'; '.join(outputs.notes)}"
        return True, "equal within rounding", limit, reason
    what = first_three(outputs.notes)
    if release:  # the candidate was just built from the inputs
        reason = f"the commit names other results, so these are judged as new: {what}"
        return True, "judged as new", limit, reason
    reason = (
        f"the commit names results that its inputs do not give: {what};"
        " run dvc repro --force and dvc push, and commit what they change"
    )
    return False, "others", limit, reason


def minima(
    values: Mapping[str, float | None] | None, gates: GatesParams, where: str = ""
) -> Iterator[Gate]:
    """Judge metrics by their minima; `where` says on which customers, if that has to be said."""
    for metric, minimum in gates.minima.items():
        title = f"{TITLES[metric]}{where}"
        value = None if values is None else values.get(metric)
        passed, shown, reason = False, "undefined", f"{title} is undefined"
        if value is not None and math.isfinite(value):
            passed, shown = value >= minimum, f"{value:.3f}"
            how = "at or above" if passed else "below the minimum of"
            reason = f"{title} is {shown}, {how} {minimum:g}"
        yield Gate(f"minimum of {title}", passed, shown, f"at least {minimum:g}", reason)


def checks(report: Checks | None, listed: ChecksParams) -> Gate:
    """Judge whether all listed checks ran and passed."""
    name, limit = "deepchecks", "all pass"
    if report is None:
        return Gate(name, False, "unknown", limit, "the checks have no results")
    wanted, missing = _listed(listed), _missing(report, listed)
    n_passed = sum(check.status == "passed" for check in report.checks)
    value = f"{n_passed} of {wanted.total()} passed"
    if missing:
        what = ", ".join(check for _, check in missing)
        return Gate(name, False, value, limit, f"checks that did not run: {what}")
    bad = [
        f"{', '.join(names)} {status}"
        for status in ("crashed", "failed")
        if (names := [check.check for check in report.checks if check.status == status])
    ]
    if bad:
        return Gate(name, False, value, limit, f"deepchecks: {'; '.join(bad)}")
    return Gate(name, True, value, limit, "all ran and passed")


def is_computed(report: Checks | None, listed: ChecksParams) -> bool:
    """Tell whether all listed checks ran to their end, whatever they found."""
    return (
        report is not None
        and not _missing(report, listed)
        and all(check.status != "crashed" for check in report.checks)
    )


def _listed(listed: ChecksParams) -> Counter[tuple[str, str]]:
    return Counter((s, check.check) for s, checks in listed.suites.items() for check in checks)


def _missing(report: Checks, listed: ChecksParams) -> Counter[tuple[str, str]]:
    return _listed(listed) - Counter((check.suite, check.check) for check in report.checks)
