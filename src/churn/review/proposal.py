"""Describe a change by git: its parameters, its inputs, and changes to code that judges it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from churn.core.document import read_document
from churn.core.files import write_json
from churn.core.params import Scalar, flatten
from churn.core.paths import Workspace
from churn.provenance.candidate import INPUTS
from churn.provenance.git import changed, git
from churn.review import judging, params_text
from churn.review.changes import Changes, ParameterChange

# A change of these changes the limits by which it is judged itself.
_LIMITS = frozenset(
    f"{section}.{key}"
    for section in params_text.SECTIONS
    for key in params_text.KEYS.get(section, ("",))
)
_ABSENT = "absent"
# Strings that look like another type, such as "1" or "true", are shown in quotes.
_AMBIGUOUS = re.compile(rf"{_ABSENT}|null|true|false|[-+.\d][\w.+-]*", re.IGNORECASE)


def write(workspace: Workspace, commit: str) -> None:
    """Write ``build/changes.json``: how the work tree differs from a commit."""
    write_json(workspace.changes, against(workspace, commit))


def against(workspace: Workspace, commit: str) -> Changes:
    """Describe how the work tree differs from a commit.

    Parameters
    ----------
    workspace : Workspace
        In the top folder of the repository.
    commit : str

    Raises
    ------
    ArtifactError
        If the commit is not in this clone.
    """
    root = workspace.root
    after = texts(read_document(workspace.params))
    before = _params(workspace, commit)
    return Changes(
        # The first pull request adds the limits and the judging code; it does not change them.
        parameters=[] if before is None else parameter_changes(before, after),
        files=changed(root, commit, INPUTS),
        judge=[] if before is None else _judges(root, commit),
        decided=_decided(root, commit),
    )


def _decided(root: Path, commit: str) -> int | None:
    """Count the commits that changed the metrics since main's table or split last changed.

    Commits of main, and of the change without its newest, which is being decided. Pushes that a
    squash merge has dropped from the history are not counted.
    """
    if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        return None
    latest = ["log", "-1", "--format=^%H"]
    table = git(root, *latest, commit, "--", "data.dvc").split()
    of_split = [*latest, "-G", r"^  (test_share|salt):", commit, "--", "params.yaml"]
    since = [*table, *git(root, *of_split).split()]

    def count(*revisions: str) -> int:
        return int(git(root, "rev-list", "--count", *revisions, "--", "reports/metrics.json"))

    of_change = count("HEAD", f"^{commit}", *since)
    return count(commit, *since) + max(0, of_change - 1)


def _judges(root: Path, commit: str) -> list[str]:
    """List the changed files that judge the change itself."""
    top = git(root, "ls-tree", "--name-only", "-z", commit).split("\0")
    paths = {*changed(root, commit, ["."]), *_at_top_level(root, commit)}
    touched = judging.sort_changes(paths, frozenset(top))
    return sorted([*touched.judging, *touched.workflows])


def _at_top_level(root: Path, commit: str) -> list[str]:
    """List the changed workflows and attributes at the top of the repository."""
    top = Path(git(root, "rev-parse", "--show-toplevel").rstrip("\n"))
    return changed(top, commit, (".github", ".gitattributes"))


def _is_limit(key: str) -> bool:
    """Tell whether a dotted key, or one that it is below, is a limit."""
    section, _, rest = key.partition(".")
    return bool({f"{section}.", f"{section}.{rest.partition('.')[0]}"} & _LIMITS)


def _params(workspace: Workspace, commit: str) -> dict[str, str] | None:
    """Return the texts of a commit's params.yaml: empty if unreadable, None if it has none."""
    name = workspace.params.name
    if not git(workspace.root, "ls-tree", "--name-only", commit, name):
        return None
    try:
        document = yaml.safe_load(git(workspace.root, "show", f"{commit}:./{name}"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return texts(document) if isinstance(document, dict) else {}


def parameter_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[ParameterChange]:
    """List the parameters that differ between two documents; both as returned by `texts`."""
    return [
        ParameterChange(
            key=key,
            before=before.get(key, _ABSENT),
            after=after.get(key, _ABSENT),
            limit=_is_limit(key),
        )
        for key in dict.fromkeys([*before, *after])
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    ]


def texts(document: Any) -> dict[str, str]:
    """Return each value of a params.yaml as text, unvalidated, by its dotted key."""
    return {key: _text(value) for key, value in flatten(_by_name(document)).items()}


def _text(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and _AMBIGUOUS.fullmatch(value) else str(value)


def _by_name(node: Any) -> Any:
    """Key a list of mappings by name, so that inserting one does not shift the others."""
    if isinstance(node, dict):
        return {key: _by_name(value) for key, value in node.items()}
    if isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        named = {}
        for item in node:
            name = str(item.get("check") or "/".join(map(str, item.values())))
            while name in named:
                name += "'"
            named[name] = {key: _by_name(v) for key, v in item.items() if key != "check"} or "there"
        return named
    return node
