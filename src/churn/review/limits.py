"""What a candidate is judged by: main's limits, and its own where it changes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from churn.core.document import first_problem, parse
from churn.core.errors import ArtifactError, BaselineError, ParamsError
from churn.core.params import GatesParams, Limits, Params
from churn.provenance.candidate import data_md5
from churn.provenance.git import git

_REPAIRS = 3
# Of these sections only some keys judge; the others are the candidate's own business.
_PARTS = {
    "decision": ("cost_false_negative", "cost_false_positive"),
    "evaluation": ("slices",),
}


def own(settings: Params) -> Limits:
    """Return the limits of the candidate's params.yaml."""
    sections = {name: getattr(settings, name) for name in Limits.model_fields if name != "whose"}
    return Limits(whose="own", **sections)


def of_commit(root: Path, commit: str, settings: Params) -> Limits:
    """Return the limits of a commit, as far as the code here knows them.

    A key that this code no longer knows limits nothing; one that the commit does not have yet is
    the candidate's, as are the parts of a section that judge nobody.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    commit : str
    settings : Params
        The candidate's.

    Raises
    ------
    BaselineError
        If they cannot be read.
    """
    name = f"params.yaml of {commit[:12]}"
    ours = json.loads(own(settings).model_dump_json())
    try:
        document = parse(git(root, "show", f"{commit}:./params.yaml"))
        limits = {key: document[key] for key in ours if key != "whose"}
        for section, keys in _PARTS.items():
            theirs = {key: document[section][key] for key in keys}
            limits[section] = ours[section] | theirs
    except (ParamsError, KeyError, TypeError) as error:
        raise BaselineError(f"{name}: its limits cannot be read ({error})") from error
    limits["whose"] = "main"
    for _ in range(_REPAIRS):
        try:
            return Limits.model_validate_json(json.dumps(limits))
        except ValidationError as error:
            why = first_problem(error, Limits)
            for problem in error.errors():
                _repair(problem["type"], problem["loc"], limits, ours)
    raise BaselineError(f"{name}: its limits cannot be read ({why})")


def _repair(kind: str, loc: tuple[int | str, ...], limits: Any, ours: Any) -> None:
    """Take out a key that is not known here, or put in one that is not there yet."""
    *parents, last = loc
    for part in parents:
        limits = limits[part]
        ours = ours.get(part, {}) if isinstance(ours, dict) else {}
    if kind == "extra_forbidden":
        del limits[last]
    elif kind == "missing" and last in ours:
        limits[last] = ours[last]


def accepts(root: Path, gates: GatesParams, before: str) -> bool:
    """Tell whether `gates.accept` is a permission for this very change.

    It names the change's table, and the commit before has another one, and has not accepted it.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    gates : GatesParams
        The change's.
    before : str
        What the change is made to.
    """
    if gates.accept is None or gates.accept != data_md5(root):
        return False
    try:
        table = parse(git(root, "show", f"{before}:./data.dvc"))["outs"][0]["md5"]
        accepted = parse(git(root, "show", f"{before}:./params.yaml"))["gates"].get("accept")
    except (ArtifactError, ParamsError, KeyError, IndexError, TypeError, AttributeError):
        return True  # there was no table, or none that can be read
    return gates.accept not in (table, accepted)
