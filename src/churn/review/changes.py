"""How a change differs from a commit, as data: the content of changes.json.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ParameterChange:
    """A parameter that differs between two documents.

    Attributes
    ----------
    key : str
        Dotted key.
    before, after : str
        Values; ``absent`` if the key is missing.
    limit : bool
        Whether it is a limit, by which candidates are judged.
    """

    key: str
    before: str
    after: str
    limit: bool


@dataclass(frozen=True)
class Changes:
    """changes.json: how the work tree differs from a commit.

    Attributes
    ----------
    parameters : list of ParameterChange
    files : list of str
        Changed inputs of the pipeline.
    judge : list of str
        Paths of code that judges the change.
    decided : int or None
        How often changes have been decided on these held-out customers before; None in a shallow
        clone.
    """

    parameters: list[ParameterChange] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    judge: list[str] = field(default_factory=list)
    decided: int | None = None
