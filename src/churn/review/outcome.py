"""A verdict and its gates, as data: the content of verdict.json.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gate:
    """A limit, and whether it is met.

    Attributes
    ----------
    name : str
    passed : bool
    value, limit : str
        As shown in the report.
    reason : str
        Why it passed or failed, as a clause.
    undecided : bool
        Whether a person has to decide: there are too few customers, and `gates.undecided` says
        whether that passes; or the table is another one, to which main's limit does not apply.
    """

    name: str
    passed: bool
    value: str
    limit: str
    reason: str
    undecided: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be merged.

    Attributes
    ----------
    passed : bool
    outcome : {"judged", "unchanged", "stopped"}
        Judged by the limits; nothing to judge, because no input differs from the baseline's; or
        stopped before it could be judged, which blocks as well.
    reason : str
        The most important reason.
    gates : tuple of Gate
        Most serious kind first.
    moved : tuple of str
        Limits that the change itself moves, by their keys in params.yaml. Who merges the change
        approves them as well, so the report always shows them.
    undecided : bool
        Whether no gate has failed, and at least one is undecided.
    """

    passed: bool
    outcome: Literal["judged", "unchanged", "stopped"]
    reason: str
    gates: tuple[Gate, ...]
    moved: tuple[str, ...] = ()
    undecided: bool = False


def stopped(reason: str) -> Verdict:
    """Return the verdict for a candidate that could not be built or judged."""
    gate = Gate("pipeline", False, "stopped", "runs to its end", reason)
    return Verdict(False, "stopped", reason, (gate,))


def unchanged(baseline: str) -> Verdict:
    """Return the verdict for a change without changed inputs."""
    reason = f"no change to the model: every input of the pipeline is as in {baseline}"
    return Verdict(True, "unchanged", reason, ())
