"""Command `retrain`: fetch the newest table, check it, train on it, and propose it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from churn.core import params
from churn.core.errors import ArtifactError, ParamsError
from churn.core.params import DvcAddress, Params
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.provenance import listing, remote, tracked_data
from churn.provenance.worktree import begin_branch, worktree
from churn.retrain import branch, pipeline, pull_request
from churn.retrain import place as places
from churn.retrain.outcome import Outcome
from churn.retrain.place import Place
from churn.retrain.source import Source
from churn.review.report.text import prose

if TYPE_CHECKING:  # its packages take a second, and most runs find nothing new
    from churn.retrain.description import Retrained

_KEPT = "refs/churn/base"


@dataclass(frozen=True)
class Plan:
    """Options of a retraining.

    Attributes
    ----------
    base : str
        The branch to propose it to.
    source : str or None
        In place of `data.source`.
    why : tuple of str
        The reasons, as sentences; a regular run has none.
    opens_pull_request : bool
        Whether to push and open a pull request; else it ends with a branch here.
    production : bool
        Whether to compare with the model in Production as well.
    may_lack_source : bool
        Whether a missing `data.source` is no error.
    """

    base: str = "main"
    source: str | None = None
    why: tuple[str, ...] = ()
    opens_pull_request: bool = True
    production: bool = False
    may_lack_source: bool = False


@dataclass(frozen=True)
class _Job:
    """A retraining in its work tree.

    Attributes
    ----------
    root, project : Path
        The user's folder, and the same folder of the work tree.
    base : str
        The commit that is checked out there.
    plan : Plan
    say : callable
    settings : Params
        Those of the commit.
    source : Source
    table : PurePosixPath
        The table's place in ``data/``.
    """

    root: Path
    project: Path
    base: str
    plan: Plan
    say: Say
    settings: Params
    source: Source
    table: PurePosixPath


def run(root: Path, plan: Plan, say: Say) -> Outcome:
    """Propose the newest table, if there is one.

    All is done in a temporary work tree of the branch to propose it to. The user's folder stays as
    it is; what is made appears when it is whole.

    Parameters
    ----------
    root : Path
        The project's folder, in a git repository.
    plan : Plan
    say : callable
        Called with the name of each step.

    Raises
    ------
    ParamsError
        If `data.source` is missing.
    DataError
        If the table cannot be fetched, or is refused.
    ArtifactError
        If the pipeline, git or DVC fails, or somebody else has committed to the branch.
    GitHubError
        If GitHub refuses.
    """
    if not (root / "params.yaml").exists():
        raise ParamsError(f"{root.resolve()}: no project there; run churn in its folder")
    base = _base(root, plan)
    with worktree(root, base, share_cache=True) as project:
        tracked_data.require_data_file(project)
        settings = params.load(Workspace(project).params)
        if plan.may_lack_source and not (plan.source or settings.data.source):
            return _not_set_up(plan)
        source = Source(root, _address(root, settings, plan))
        return _propose(_Job(root, project, base, plan, say, settings, source, _table(settings)))


def _base(root: Path, plan: Plan) -> str:
    """Return the newest commit of the branch to propose it to."""
    if plan.opens_pull_request:
        found, where = remote.fetch(root, plan.base, _KEPT), "origin"
    else:
        found, where = branch.find(root, plan.base), "this repository"
    if not found:
        raise ArtifactError(f"{where} has no branch {plan.base!r}; name another one with --base")
    return found


def _not_set_up(plan: Plan) -> Outcome:
    why = f"data.source in params.yaml on {plan.base} is null (docs/retraining.md)"
    return Outcome("not set up", f"not set up: {why}", markdown=f"## Not set up\n\n{why}\n")


def _address(root: Path, settings: Params, plan: Plan) -> str | DvcAddress:
    if address := plan.source or settings.data.source:
        return address
    where = f"params.yaml on {plan.base}"
    if params.load(Workspace(root).params).data.source:
        raise ParamsError(
            f"{where}: no data.source, as there is in this folder; merge it first, or pass --source"
        )
    raise ParamsError(
        f"{where}: data.source is null, so there is nowhere to get a newer table from; set it to a"
        " file, an address such as s3://bucket/customers.csv, or a DVC repository (repo, path)"
    )


def _table(settings: Params) -> PurePosixPath:
    path = PurePosixPath(os.path.normpath(settings.data.path))
    if path.parts[0] != "data" or len(path.parts) < 2:
        raise ParamsError(f"data.path: {path} is not below data/, which data.dvc tracks")
    if set(str(path)) & set("*?["):
        raise ParamsError(
            f"data.path: {path} is a pattern; churn retrain replaces one file or one folder"
        )
    return PurePosixPath(*path.parts[1:])


def _propose(job: _Job) -> Outcome:
    name = job.table.as_posix()
    # Most often it ends here, without a download or at least without the table of today.
    if any(listing.is_the_only_file(job.project, name, md5) for md5 in job.source.known_md5s()):
        return _nothing_new(job, f"{job.plan.base} has this table")
    newest = job.project / ".dvc/tmp/newest" / job.table.name
    fetched = {(job.table / path).as_posix(): md5 for path, md5 in job.source.fetch(newest).items()}
    if [*fetched] == [name] and listing.is_the_only_file(job.project, name, fetched[name]):
        return _nothing_new(job, f"{job.plan.base} has this table")
    today = listing.files(job.project)
    is_of_table = [path for path in today if PurePosixPath(path).is_relative_to(job.table)]
    others = {path: md5 for path, md5 in today.items() if path not in is_of_table}
    data_md5 = listing.folder_md5(others | fetched)
    if data_md5 == listing.folder_md5(today):
        return _nothing_new(job, f"{job.plan.base} has this table")

    place = places.find(job.root, job.plan.base, job.plan.opens_pull_request)
    if place.tip:
        branch.require_own(job.root, place.branch, place.tip, job.base)
        same = branch.has_same(job.root, place.tip, job.base, data_md5)
        # A reason that somebody gives has to get into the text.
        if place.is_complete and same and not job.plan.why:
            return _nothing_new(job, f"{place.shown} has this table")
    return _train(job, place, newest, data_md5)


def _nothing_new(job: _Job, why: str) -> Outcome:
    line = f"nothing new: {why} ({job.source.shown})"
    return Outcome("nothing new", line, markdown=f"## Nothing new\n\n{prose(line)}\n")


def _train(job: _Job, place: Place, newest: Path, data_md5: str) -> Outcome:
    from churn.retrain import tables
    from churn.retrain.description import Retrained

    job.say("check against today's table")
    tracked_data.get(job.project)
    table = job.project / "data" / job.table
    change = tables.compare(table, newest, job.source.shown, job.settings.data)
    if change.is_none:
        return _nothing_new(job, f"{job.plan.base} has these customers, in another file")
    begin_branch(job.root, job.project, job.base, job.plan.base, place.branch)
    pipeline.install(newest, table)
    pipeline.dvc(job.project, "add", "--quiet", "data")
    tunes = job.settings.retrain.tune
    if tunes:
        job.say("churn tune")
        pipeline.tune(job.project)
    job.say("dvc repro")
    # Without `track`: a run is logged for what is merged.
    pipeline.dvc(job.project, "repro", "validate")
    job.say("dvc push")
    pipeline.dvc(job.project, "push", "--quiet")
    made = Retrained(job.source.shown, data_md5, change, job.plan.why, tunes)
    commit = branch.commit(job.root, job.project, made.message)
    job.say("churn review")
    headline, report = pipeline.review(job.root, job.project, job.plan.base, job.plan.production)
    return _hand_over(job, place, commit, made.reviewed(headline, report))


def _hand_over(job: _Job, place: Place, commit: str, made: Retrained) -> Outcome:
    """Give the result its branch, here or as a pull request."""
    change = asdict(made.change)
    if place.github is None:
        branch.keep(job.root, job.project, commit, place.branch)
        line = f"branch {place.branch}: {made.title}"
        return Outcome(
            "committed", line, place.branch, commit, change=change, markdown=made.summary(line)
        )
    job.say("pull request")
    branch.keep(job.root, job.project, commit)
    branch.publish(job.root, commit, place.branch, place.tip)
    opened = pull_request.write(
        place.github, place.found, place.branch, job.plan.base, made.title, made.body
    )
    verb = "updated" if place.found else "opened"
    line = f"pull request #{opened.number} {verb}: {made.title}"
    if pull_request.waits(opened):
        line += "; its checks wait until somebody approves them on its page"
    return Outcome("proposed", line, place.branch, commit, opened.address, change,
                   made.summary(f"{line} ({opened.address})"))  # fmt: skip
