"""checks.json as a self-contained page."""

from __future__ import annotations

from churn.core import page
from churn.validation.results import Checks

_ORDER = {"crashed": 0, "failed": 1, "passed": 2}
_SUITES = {
    "data_integrity": "Data integrity",
    "train_test": "Held-out customers against training rows",
    "model": "Model",
}


def render(report: Checks) -> str:
    """Render the results of the checks: failed checks first, passed checks folded.

    Parameters
    ----------
    report : Checks

    Returns
    -------
    str
        HTML without external links; all text is escaped.
    """
    suites = {
        title: sorted(
            (check for check in report.checks if check.suite == suite),
            key=lambda check: _ORDER[check.status],
        )
        for suite, title in _SUITES.items()
    }
    return page.render(__name__, report=report, suites=suites)
