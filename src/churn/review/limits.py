"""The limits that a candidate is judged by: main's, and its own if it changes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from churn.core.document import first_problem, parse
from churn.core.errors import ArtifactError, BaselineError, DataError, ParamsError
from churn.core.params import DataParams, GatesParams, Limits, Params
from churn.data import sources, streams
from churn.provenance.candidate import data_md5
from churn.provenance.git import git

_REPAIRS = 3
# In this section only the listed keys are limits; the candidate may change the others freely. Of
# decision, each task lists its own.
_PARTS = {"evaluation": ("slices",)}


def own(settings: Params) -> Limits:
    """Return the limits of the candidate's params.yaml."""
    sections = {name: getattr(settings, name) for name in Limits.model_fields if name != "whose"}
    return Limits(whose="own", **sections)


def judged_by(root: Path, commit: str | None, settings: Params) -> list[Limits]:
    """Return main's limits, and the candidate's own if they differ; without main's commit these."""
    mine = own(settings)
    if commit is None:
        return [mine]
    main = of_commit(root, commit, settings)
    return [main] if mine.same_as(main) else [main, mine]


def of_commit(root: Path, commit: str, settings: Params) -> Limits:
    """Return the limits of a commit that the current code supports.

    A key that this code no longer supports is dropped. A key that the commit does not have yet is
    taken from the candidate, as are keys that are not limits.

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
        If the limits cannot be read.
    """
    name = f"params.yaml of {commit[:12]}"
    ours = json.loads(own(settings).model_dump_json())
    try:
        document = parse(git(root, "show", f"{commit}:./params.yaml"))
        limits = {key: document[key] for key in ours if key not in ("whose", "task", "decision")}
        task = document.get("task", "binary")
        limits |= {"task": task, "decision": ours["decision"]}
        parts: dict[str, tuple[str, ...]] = dict(_PARTS)
        # The costs of another task say nothing here; its other limits hold, and what they limit is
        # undefined.
        if task == settings.task:
            parts["decision"] = settings.decision.LIMITS
        for section, keys in parts.items():
            fields = type(getattr(settings, section)).model_fields
            theirs = {key: _named({**document[section]}, key, fields[key]) for key in keys}
            limits[section] = ours[section] | theirs
    except (ParamsError, KeyError, TypeError) as error:
        raise BaselineError(f"{name}: its limits cannot be read ({error})") from error
    limits["whose"] = "main"
    for _ in range(_REPAIRS):
        try:
            return Limits.model_validate_json(json.dumps(limits))
        except ValidationError as error:
            reason = first_problem(error, Limits)
            for problem in error.errors():
                _repair(problem["type"], problem["loc"], limits, ours)
    raise BaselineError(f"{name}: its limits cannot be read ({reason})")


def _named(section: Mapping[str, object], key: str, field: FieldInfo) -> Any:
    """Return main's value of a limit; its default if main names none, never the candidate's."""
    if key in section or field.is_required():
        return section[key]
    return field.get_default(call_default_factory=True)


def _repair(kind: str, loc: tuple[int | str, ...], limits: Any, ours: Any) -> None:
    """Drop an unknown key, or add the candidate's value of a missing one."""
    *parents, last = loc
    for part in parents:
        limits = limits[part]
        ours = ours.get(part, {}) if isinstance(ours, dict) else {}
    if kind == "extra_forbidden":
        del limits[last]
    elif kind == "missing" and last in ours:
        limits[last] = ours[last]


def columns_of(root: Path, revision: str) -> frozenset[str]:
    """Return the columns that a revision's model needs: id, target and inputs.

    Empty if its params.yaml cannot be read. Without an id its rows are numbered, which needs no
    column.
    """
    try:
        data = parse(git(root, "show", f"{revision}:./params.yaml"))["data"]
        inputs = [*data["numeric"], *data.get("dates", []), *data.get("categorical", [])]
        return frozenset(map(streams.bare, filter(None, [data["id"], data["target"], *inputs])))
    except (ArtifactError, ParamsError, KeyError, TypeError, AttributeError):
        return frozenset()


def replaces(root: Path, commit: str, data: DataParams) -> bool:
    """Tell whether the table lacks a column of a commit's model, which then cannot be compared.

    The table's file counts, and not the columns that params.yaml names: a change that only names
    others has the same customers.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    commit : str
    data : DataParams
        The change's.
    """
    needed = columns_of(root, commit)
    try:
        files = sources.files(root / data.path)
        return any(needed - streams.header(streams.File.local(f), data.csv) for f in files)
    except (DataError, OSError):
        return False


def accepts(root: Path, gates: GatesParams, before: str) -> bool:
    """Tell whether `gates.accept` is valid for this change.

    It must name the change's table, while the commit before has another table and has not accepted
    this one.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    gates : GatesParams
        The gates of the change.
    before : str
        The commit before the change.
    """
    if gates.accept is None or gates.accept != data_md5(root):
        return False
    try:
        table = parse(git(root, "show", f"{before}:./data.dvc"))["outs"][0]["md5"]
        accepted = parse(git(root, "show", f"{before}:./params.yaml"))["gates"].get("accept")
    except (ArtifactError, ParamsError, KeyError, IndexError, TypeError, AttributeError):
        return True  # no table before, or an unreadable one
    return gates.accept not in (table, accepted)
