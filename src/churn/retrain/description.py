"""What a commit, a pull request and a summary say of a newest table (pure functions)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from churn.retrain.branch import MARK
from churn.retrain.tables import TableChange
from churn.review.report.text import clip, code, prose

_MOST = 60_000  # characters of a body; GitHub takes 65,536
_MOST_REASONS = 20
_MOST_REASON = 500  # characters


def gives(message: str, why: Iterable[str]) -> bool:
    """Tell whether a commit's message gives these reasons already.

    Figures may differ: an alarm of today is that of yesterday with other ones.
    """
    given = {_without_figures(line) for line in message.splitlines()}
    return all(_without_figures(clip(reason, _MOST_REASON)) in given for reason in why)


def _without_figures(text: str) -> str:
    # Not the digits in a name, such as v1.
    return re.sub(r"(?<!\w)[-+]?\d[\d.,]*", "", " ".join(text.split()))


@dataclass(frozen=True)
class Retrained:
    """A newest table that was trained on.

    Attributes
    ----------
    source : str
        Where the table is from.
    data_md5 : str
        The MD5 by which data.dvc names it.
    change : TableChange
    why : tuple of str
        The reasons; none if it is a regular run.
    tuned : bool
        Whether hyperparameters were searched for.
    headline, report : str
        The review's, as Markdown.
    """

    source: str
    data_md5: str
    change: TableChange
    why: tuple[str, ...]
    tuned: bool
    headline: str = ""
    report: str = ""

    def reviewed(self, headline: str, report: str) -> Retrained:
        """Return it with what the review says."""
        return replace(self, headline=headline, report=report)

    @property
    def title(self) -> str:
        """The subject of the commit, and the pull request's title."""
        before, now = self.change.rows
        more = f"{now - before:+,}" if now != before else "as many"
        rate = self.change.label_rate
        churned = "" if rate is None else f", {rate[1]:.1%} churned"
        return f"Retrain on {now:,} customers ({more}){churned}"

    @property
    def message(self) -> str:
        """The commit's message."""
        lines = [self.title, "", *(clip(line, _MOST_REASON) for line in self._reasons)]
        lines += ["", f"Table: {clip(self.source, 300)}", f"Data: {self.data_md5}", MARK]
        return "\n".join(lines)

    @property
    def _reasons(self) -> tuple[str, ...]:
        left = len(self.why) - _MOST_REASONS
        more = (f"and {left} more",) if left > 0 else ()
        return (*self.why[:_MOST_REASONS], *more) or ("A newer table is there.",)

    @property
    def body(self) -> str:
        """The pull request's text."""
        parts = [
            "## Why",
            "\n".join(f"- {prose(reason, _MOST_REASON)}" for reason in self._reasons),
            *(["Hyperparameters were searched for on it (`retrain.tune`)."] if self.tuned else []),
            "## What has changed in the data",
            self.table,
            f"From {code(self.source, 300)}, `data.dvc` names it {code(self.data_md5)}.",
            "## What the review says",
            self.headline,
        ]
        whole = "\n\n".join(parts)
        report = (
            "\n\n<details><summary>The report, as it was when this was opened</summary>\n\n"
            f"{self.report}\n\n</details>"
        )
        note = (
            "\n\nThe comment below is from the pull request's own run, which makes the model again."
            " When there is a newer table, `churn retrain` replaces this branch, unless somebody"
            " has added a commit to it."
        )
        is_short = len(whole) + len(report) + len(note) <= _MOST
        return whole + (report if is_short else "") + note + "\n"

    def summary(self, line: str) -> str:
        """Return what the summary of a workflow run says, below a line about the outcome."""
        return "\n\n".join([f"## {prose(line, 500)}", self.table, self.headline]) + "\n"

    @property
    def table(self) -> str:
        """How the tables differ, as a Markdown table."""
        change = self.change
        rows = [
            ("customers", *(f"{rows:,}" for rows in change.rows)),
            *((prose(what, 100), before, now) for what, before, now in change.target),
        ]
        if change.label_rate is not None:
            rows.append(("have churned", *(f"{rate:.1%}" for rate in change.label_rate)))
        counts = {
            "added": change.added,
            "removed": change.removed,
            "with another value": change.edited,
            "with another label": change.relabelled,
        }
        rows += [(what, "", f"{n:,}") for what, n in counts.items() if n is not None]
        lines = [" | ".join(row) for row in rows]
        head = "| | today's table | this table |\n| --- | ---: | ---: |\n"
        return head + "\n".join(f"| {line} |" for line in lines)
