"""Which files judge a change, and what kinds of files a change touches.

Standard library only: the comment on a pull request asks as well, where nothing is installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Everything that is run, by whoever: a review, a release, the comment; MLflow runs the last one.
_PROGRAMS = ("checks.__main__", "churn.__main__", "churn.comment.__main__", "churn.serving")
# A change of these is what pull requests are for; that it is a better one is what is judged.
_MODEL = ("src/churn/model/", "src/churn/data/synthesize.py")
_WORKFLOWS = (".github/",)
_DATA = ("data.dvc", "data/", "dvc-remote/")
# What runs the code, or chooses what it runs with.
_AROUND = (
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


def sort_changes(paths: Iterable[str], judging: frozenset[str], top: frozenset[str]) -> Touched:
    """Tell what kinds of files a change touches.

    Parameters
    ----------
    paths : iterable of str
        Files that are changed, added or deleted; of a renamed one both names.
    judging : frozenset of str
        As `judging_code` gives it.
    top : frozenset of str
        Names in the repository's top folder before the change.

    Notes
    -----
    A new file is judging code as well where Python or make would take it in place of another: a
    package beside a module of the same name, byte code, or any new name in the top folder or right
    below ``src``, which may shadow a library.
    """
    kinds: dict[str, list[str]] = {name: [] for name in Touched.__annotations__}
    for path in sorted(set(paths)):
        kinds[_kind(path, judging, top)].append(path)
    parameters = bool(kinds.pop("parameters"))
    return Touched(**{name: tuple(found) for name, found in kinds.items()}, parameters=parameters)


def _kind(path: str, judging: frozenset[str], top: frozenset[str]) -> str:
    if path == "params.yaml":
        return "parameters"
    if path.startswith(_WORKFLOWS):
        return "workflows"
    if path.startswith(_DATA):
        return "data"
    if path.startswith(_MODEL):
        return "model"
    if path in judging or path.startswith(_AROUND):
        return "judging"
    if path.endswith(_READ_ONLY):
        return "others"
    is_new = path.partition("/")[0] not in top
    return "judging" if is_new or _is_taken_instead(path, judging) else "others"


def _is_taken_instead(path: str, judging: frozenset[str]) -> bool:
    """Tell whether Python would import a file below ``src`` in place of what judges."""
    source, *parts = PurePosixPath(path).parts
    if source != "src":
        return False
    names = [part.partition(".")[0] for part in parts if part != "__pycache__"]
    packages = {file.split("/")[1] for file in judging if file.startswith("src/")}
    if names[0] not in packages:
        return True
    modules = {file.removesuffix(".py") for file in judging}
    prefixes = ["/".join(["src", *names[:length]]) for length in range(1, len(names) + 1)]
    return any(prefix in modules for prefix in prefixes)


def judging_code(root: Path) -> frozenset[str]:
    """Compute which files decide about a change, from what runs.

    Every module that the programs of a review, a release and a comment import, anywhere in it and
    however far away, but for the code of the model; and what lies beside these modules and is no
    Python. Of the tests what is imported where a release runs some of them. If a program cannot be
    found, all code below ``src`` but that of the model.

    Parameters
    ----------
    root : Path
        The repository's top folder.

    Returns
    -------
    frozenset of str
        Paths from `root`.
    """
    todo, seen = [*_PROGRAMS, "tests.conftest"], set()
    if any(_source(root, program) is None for program in _PROGRAMS):
        return frozenset(_without_model(root, (root / "src").rglob("*.*")))
    while todo:
        module = todo.pop()
        file = _source(root, module)
        if file is None or file in seen:
            continue
        seen.add(file)
        if "." in module:
            todo.append(module.rpartition(".")[0])
        todo.extend(_imported(file, module))
    packages = {file.parent for file in seen if file.name == "__init__.py"}
    beside = (file for folder in packages for file in folder.glob("*.*") if file.suffix != ".py")
    return frozenset(_without_model(root, [*seen, *beside]))


def _without_model(root: Path, files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        path = file.relative_to(root).as_posix()
        if file.is_file() and not path.startswith(_MODEL) and "__pycache__" not in file.parts:
            yield path


def _source(root: Path, module: str) -> Path | None:
    folder = root if module.startswith("tests") else root / "src"
    path = folder.joinpath(*module.split("."))
    return next(
        (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None
    )


def _imported(file: Path, module: str) -> set[str]:
    """Name the modules that a file imports, and what it imports from them, which may be modules."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # it cannot run, either
        return set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return names
