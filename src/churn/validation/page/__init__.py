"""checks.json as a self-contained page."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

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
    template = files(__name__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    suites = {
        title: sorted(
            (check for check in report.checks if check.suite == suite),
            key=lambda check: _ORDER[check.status],
        )
        for suite, title in _SUITES.items()
    }
    return environment.from_string(template).render(report=report, suites=suites)
