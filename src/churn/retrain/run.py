"""Command `retrain`: fetch the newest table, check it, train on it, and propose it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.provenance import listing, tracked_data
from churn.provenance.worktree import begin_branch, worktree
from churn.retrain import branch, pipeline, place, pull_request
from churn.retrain import job as jobs
from churn.retrain.job import Job, Plan
from churn.retrain.outcome import Outcome
from churn.retrain.place import Place
from churn.retrain.source import Source
from churn.review.report.text import prose

if TYPE_CHECKING:  # its packages take a second, and most runs find nothing new
    from churn.retrain.description import Retrained


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
    base = jobs.base(root, plan)
    with worktree(root, base, share_cache=True) as project:
        tracked_data.require_data_file(project)
        settings = params.load(Workspace(project).params)
        if plan.may_lack_source and not (plan.source or settings.data.source):
            return _not_set_up(plan)
        source = Source(root, jobs.address(root, settings, plan))
        table = jobs.table(settings)
        return _propose(Job(root, project, base, plan, say, settings, source, table))


def _not_set_up(plan: Plan) -> Outcome:
    why = f"data.source in params.yaml on {plan.base} is null (docs/retraining.md)"
    return Outcome("not set up", f"not set up: {why}", markdown=f"## Not set up\n\n{why}\n")


def _nothing_new(job: Job, why: str) -> Outcome:
    line = f"nothing new: {why} ({job.source.shown})"
    return Outcome("nothing new", line, markdown=f"## Nothing new\n\n{prose(line)}\n")


def _propose(job: Job) -> Outcome:
    # Most often it ends with one of the first two, which need neither today's table nor GitHub.
    has_it = f"{job.plan.base} has this table"
    if any(_is_all(job, {job.table.as_posix(): md5}) for md5 in job.source.known_md5s()):
        return _nothing_new(job, has_it)
    newest = job.project / ".dvc/tmp/newest" / job.table.name
    fetched = {(job.table / path).as_posix(): md5 for path, md5 in job.source.fetch(newest).items()}
    if _is_all(job, fetched):
        return _nothing_new(job, has_it)
    today = listing.files(job.project)
    data_md5 = _data_md5(job, today, fetched)
    if data_md5 == listing.folder_md5(today):
        return _nothing_new(job, has_it)
    found = place.find(job.root, job.plan.base, job.plan.opens_pull_request)
    if found.tip:
        branch.require_own(job.root, found.branch, found.tip, job.base)
        same = branch.has_same(job.root, found.tip, job.base, data_md5)
        # A reason that is new has to get into the text.
        if found.is_complete and same and _gives_reasons(job, found.tip):
            return _nothing_new(job, f"{found.shown} has this table")
    return _train(job, found, newest, data_md5)


def _gives_reasons(job: Job, tip: str) -> bool:
    from churn.retrain import description

    return not job.plan.why or description.gives(branch.message(job.root, tip), job.plan.why)


def _is_all(job: Job, files: Mapping[str, str]) -> bool:
    """Tell whether data.dvc names these files and no others."""
    text = (job.project / "data.dvc").read_text(encoding="utf-8")
    return listing.folder_md5(files) == listing.data_md5(text)


def _data_md5(job: Job, today: Mapping[str, str], fetched: Mapping[str, str]) -> str:
    """Return the MD5 of data/ with the newest table in place of today's."""
    others = {
        path: md5
        for path, md5 in today.items()
        if not PurePosixPath(path).is_relative_to(job.table)
    }
    return listing.folder_md5({**others, **fetched})


def _train(job: Job, found: Place, newest: Path, data_md5: str) -> Outcome:
    from churn.retrain import tables
    from churn.retrain.description import Retrained

    job.say("check against today's table")
    tracked_data.get(job.project)
    table = job.project / "data" / job.table
    change = tables.compare(table, newest, job.source.shown, job.settings.data)
    if change.is_none:
        return _nothing_new(job, f"{job.plan.base} has these customers, in another file")
    begin_branch(job.root, job.project, job.base, job.plan.base, found.branch)
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
    return _hand_over(job, found, commit, made.reviewed(headline, report))


def _hand_over(job: Job, found: Place, commit: str, made: Retrained) -> Outcome:
    """Give the result its branch, here or as a pull request."""
    change = asdict(made.change)
    if found.github is None:
        branch.keep(job.root, job.project, commit, found.branch)
        line = f"branch {found.branch}: {made.title}"
        return Outcome(
            "committed", line, found.branch, commit, change=change, markdown=made.summary(line)
        )
    job.say("pull request")
    branch.keep(job.root, job.project, commit)
    branch.publish(job.root, commit, found.branch, found.tip)
    opened = pull_request.write(
        found.github, found.pull, found.branch, job.plan.base, made.title, made.body
    )
    verb = "updated" if found.pull else "opened"
    line = f"pull request #{opened.number} {verb}: {made.title}"
    if pull_request.waits(opened):
        line += "; its checks wait until somebody approves them on its page"
    return Outcome("proposed", line, found.branch, commit, opened.address, change,
                   made.summary(f"{line} ({opened.address})"))  # fmt: skip
