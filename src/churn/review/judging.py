"""What kinds of files a change touches, those that judge it among them.

Standard library only: the comment on a pull request asks as well, where nothing is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# A change of these is what pull requests are for; that it is a better one is what is judged.
_MODEL = ("src/churn/model/", "src/churn/data/synthesize.py")
# Runs where the deployed model is at work, and never where a change is judged.
_AT_WORK = ("src/churn/serve/", "src/churn/monitor/", "src/churn/batch/")
_WORKFLOWS = (".github/",)
_DATA = ("data.dvc", "data/", "dvc-remote/")
# All other code, and what runs it or chooses what it runs with.
_JUDGING = (
    "src/",
    ".dvc/",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "Makefile",
    "dvc.yaml",
    "pyproject.toml",
    "requirements/",
    "scripts/",
    "tests/integration/",
    "tests/__init__.py",
    "tests/conftest.py",  # pytest loads it for tests/integration as well
    "tests/workflows/__init__.py",
    "tests/workflows/fake_github.py",  # and it imports this
)
# Files that nothing runs or imports, wherever they are.
_READ_ONLY = (".ipynb", ".md", ".pdf", ".png", ".svg")


@dataclass(frozen=True)
class Touched:
    """The files of a change by kind; each is in one of them.

    Attributes
    ----------
    judging, workflows, data, model, others : tuple of str
        Paths from the repository's top folder, sorted.
    parameters : bool
        Whether params.yaml is one of the files; which of its sections differ, its text says.
    """

    judging: tuple[str, ...]
    workflows: tuple[str, ...]
    data: tuple[str, ...]
    model: tuple[str, ...]
    others: tuple[str, ...]
    parameters: bool


def sort_changes(paths: Iterable[str], top: frozenset[str]) -> Touched:
    """Tell what kinds of files a change touches.

    Parameters
    ----------
    paths : iterable of str
        Files that are changed, added or deleted; of a renamed one both names.
    top : frozenset of str
        Names in the project's folder before the change.

    Notes
    -----
    A new name in the project's folder is judging code as well: Python and make look there first, so
    it may be taken in place of a library or of the Makefile.
    """
    kinds: dict[str, list[str]] = {name: [] for name in Touched.__annotations__}
    for path in sorted(set(paths)):
        kinds[_kind(path, top)].append(path)
    parameters = bool(kinds.pop("parameters"))
    return Touched(**{name: tuple(found) for name, found in kinds.items()}, parameters=parameters)


def _kind(path: str, top: frozenset[str]) -> str:
    if path == "params.yaml":
        return "parameters"
    for kind, beginnings in _KINDS.items():
        if path.startswith(beginnings):
            return kind
    is_new = path.partition("/")[0] not in top
    return "judging" if is_new and not path.endswith(_READ_ONLY) else "others"


# The first that fits.
_KINDS = {
    "workflows": _WORKFLOWS,
    "data": _DATA,
    "model": _MODEL,
    "others": _AT_WORK,
    "judging": _JUDGING,
}
