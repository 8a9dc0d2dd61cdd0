"""Classify the files that a change touches, such as code that judges the change itself.

Standard library only: the comment on a pull request uses it, where no package is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Pull requests are meant to change these; the review judges whether the model gets better.
_MODEL = ("src/churn/model/", "src/churn/data/synthesize.py")
_WORKFLOWS = (".github/",)
_DATA = ("data.dvc", "data/", "dvc-remote/")
# No verdict is computed with these, and the layers of pyproject.toml keep it that way. Releases
# test what the server answers; what a search has found is judged like any other change.
_BESIDE = (
    "src/churn/serve/",
    "src/churn/monitor/",
    "src/churn/batch/",
    "src/churn/spark/",
    "src/churn/tune/",
)
# All other code, and files that start or configure it.
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
# Never run or imported, wherever they are.
_INERT = (".ipynb", ".md", ".pdf", ".png", ".svg")


@dataclass(frozen=True)
class Touched:
    """The files of a change by kind; each file has exactly one kind.

    Attributes
    ----------
    judging, workflows, data, model, others : tuple of str
        Paths from the repository's top folder, sorted.
    parameters : bool
        Whether params.yaml is touched; `churn.review.params_text` finds the changed limits.
    """

    judging: tuple[str, ...]
    workflows: tuple[str, ...]
    data: tuple[str, ...]
    model: tuple[str, ...]
    others: tuple[str, ...]
    parameters: bool


def sort_changes(paths: Iterable[str], top: frozenset[str]) -> Touched:
    """Sort the files of a change by kind.

    Parameters
    ----------
    paths : iterable of str
        Changed, added and deleted files; both names of a renamed file.
    top : frozenset of str
        Names in the project's folder before the change.

    Notes
    -----
    A new name in the project's folder counts as judging code: Python and make search there first,
    so it could shadow a library or the Makefile.
    """
    kinds: dict[str, list[str]] = {name: [] for name in Touched.__annotations__}
    for path in sorted(set(paths)):
        kinds[_kind(path, top)].append(path)
    parameters = bool(kinds.pop("parameters"))
    return Touched(**{name: tuple(found) for name, found in kinds.items()}, parameters=parameters)


def _kind(path: str, top: frozenset[str]) -> str:
    if path == "params.yaml":
        return "parameters"
    for kind, prefixes in _KINDS.items():
        if path.startswith(prefixes):
            return kind
    is_new = path.partition("/")[0] not in top
    return "judging" if is_new and not path.endswith(_INERT) else "others"


# The first match counts.
_KINDS = {
    "workflows": _WORKFLOWS,
    "data": _DATA,
    "model": _MODEL,
    "others": _BESIDE,
    "judging": _JUDGING,
}
