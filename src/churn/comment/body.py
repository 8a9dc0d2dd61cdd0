"""The text of the comment: the report made inert, and a line that says where it comes from.

The report is written by the pull request's own code, so anything may stand in it. What may come
alive is listed, blocks here and signs in `line`; all else is shown as the characters that it is
made of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from churn.comment import diagram
from churn.comment.artifact import RefusedError
from churn.comment.line import make_inert

MAX_CHARACTERS = 65_000  # GitHub refuses more than 65,536, and the mark needs its place
MAX_DIAGRAMS = 6
MAX_DIAGRAM_CHARACTERS = 20_000
_LANGUAGES = ("bash", "console", "diff", "json", "mermaid", "text", "yaml")
_FENCE = re.compile(rf"```({'|'.join(_LANGUAGES)})?[ \t]*")
_FENCE_END = re.compile(r" {0,3}`{3,}[ \t]*")
_MERGE = "## ✅"


@dataclass(frozen=True)
class Run:
    """The workflow run that the comment tells of, from GitHub's own event.

    Parameters
    ----------
    id : int
    number : int
        As the run is called on GitHub's pages.
    conclusion : str
        ``"success"``, ``"failure"``, ``"cancelled"``, …
    head : str
        Newest commit of the pull request, 40 hexadecimal digits.
    branch : str
        Branch of the pull request, in `source`.
    source : str
        Repository that the pull request comes from, ``owner/name``; a fork perhaps.
    repository : str
        Address of the repository that it goes to, such as ``https://github.com/owner/name``.
    base : str
        Default branch of `repository`.
    """

    id: int
    number: int
    conclusion: str
    head: str
    branch: str
    source: str
    repository: str
    base: str

    @property
    def address(self) -> str:
        """Address of the run's page."""
        return f"{self.repository}/actions/runs/{self.id}"


def compose(report: str, run: Run) -> str:
    """Make the comment of a report.

    The report may hold a model for good where the run that it comes from has failed: over a test,
    or because the report is forged. Then the run has the first word.

    Raises
    ------
    RefusedError
        If the report cannot be made inert, or becomes too long.
    """
    shown = inert(report, run.repository)
    if run.conclusion != "success" and shown.startswith(_MERGE):
        said, _, rest = shown.removeprefix(_MERGE).partition("\n")
        shown = (
            f"## ❌ Do not merge: the run ended as {run.conclusion}\n\n"
            f"The report of this run says otherwise: ✅{said}\n\n{rest}"
        ).rstrip()
    body = f"{shown}\n\n---\n\n{footer(run)}\n"
    if len(body) > MAX_CHARACTERS:
        raise RefusedError(f"the comment would have more than {MAX_CHARACTERS:,} characters")
    return body


def notice(reason: str, run: Run) -> str:
    """Make the comment of a run whose report cannot be shown, in words of our own."""
    return f"## ❌ Do not merge: no report\n\n{reason}\n\n---\n\n{footer(run)}\n"


def footer(run: Run) -> str:
    """Say which run and commit a comment belongs to, and how that run has ended."""
    return (
        f"<sub>[Run {run.number}]({run.address}) of {run.head}: {run.conclusion}."
        " The report is written by the code of the pull request; whether it may be merged is"
        " decided by the check `required`.</sub>"
    )


def inert(text: str, repository: str) -> str:
    """Take from a report all that could come alive.

    Fenced blocks stay, as text; only a diagram that is one of the report's own is drawn. Tables,
    emphasis, headings and lists stay, and of what could come alive: addresses of this repository's
    runs, and HTML tags without attributes that the report is laid out with.

    Parameters
    ----------
    text : str
        Markdown; its lines end in a newline alone.
    repository : str
        Address of the repository.

    Returns
    -------
    str

    Raises
    ------
    RefusedError
        If a block or tag that is opened is not closed (it would swallow what follows), if there are
        too many diagrams, or if a hidden or control character is written by its number.
    """
    done: list[str] = []
    fenced: list[str] | None = None
    diagrams = 0
    tags: list[str] = []
    previous = ""
    for line in text.split("\n"):
        # Only behind an empty line: within HTML, GitHub does not take it for the start of a block.
        if fenced is None and not previous.strip(" \t") and _FENCE.fullmatch(line):
            fenced = [line]
            diagrams += line.startswith("```mermaid")
        elif fenced is None:
            done.append(make_inert(line, repository, tags))
        else:
            fenced.append(line)
            if _FENCE_END.fullmatch(line):
                done.append(_shown(fenced))
                fenced = None
        previous = line
    if fenced is not None or tags:
        raise RefusedError("the report leaves a block or an HTML tag open")
    if diagrams > MAX_DIAGRAMS:
        raise RefusedError(f"the report has more than {MAX_DIAGRAMS} diagrams")
    return "\n".join(done).rstrip()


def _shown(block: list[str]) -> str:
    if block[0].startswith("```mermaid") and not diagram.is_ours(block):
        block = ["```text", *block[1:]]
    shown = "\n".join(block)
    if len(shown) > MAX_DIAGRAM_CHARACTERS:
        raise RefusedError(f"a diagram has more than {MAX_DIAGRAM_CHARACTERS:,} characters")
    return shown
