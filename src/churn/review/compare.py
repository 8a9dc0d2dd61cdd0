"""Command `compare`: compare the candidate with other models on customers unseen in training.

On main's held-out customers, and on the candidate's own if they differ; by main's limits, and by
the candidate's own if they differ. If both models have out-of-fold predictions, training rows are
added, which gives five times as many customers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

from churn.core import params
from churn.core.errors import IncomparableError
from churn.core.files import write_json
from churn.core.params import Limits, Params
from churn.core.paths import Workspace
from churn.core.progress import Advance, bar
from churn.evaluation.bootstrap import LEVEL
from churn.provenance.candidate import model_digest
from churn.review import fairness, limits, measured, pair, proposal, registered, revisions
from churn.review.baseline import PRODUCTION, Baseline
from churn.review.comparison import (
    Absent,
    Compared,
    Comparison,
    Entry,
    Found,
    Incomparable,
    Kind,
)
from churn.review.exam import Candidate, Exam, exams
from churn.stages import validate


def run(
    workspace: Workspace, revision: str | None, production: bool, share_cache: bool = True
) -> Comparison:
    """Compare the candidate with a revision's model, with the model in Production, or both.

    If the revision lists other checks than params.yaml, these are run as well.

    Parameters
    ----------
    workspace : Workspace
    revision : str or None
        The baseline, main, which provides exam and limits.
    production : bool
        Compare with the model in Production as well.
    share_cache : bool, default=True
        See `churn.review.revisions.of_revision`.

    Returns
    -------
    Comparison
        Written to ``build/comparison.json`` as well.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a stage's output is invalid.
    BaselineError, TrackingError
        If a baseline is unavailable.
    """
    settings = params.load(workspace.params)
    baselines: dict[str, Baseline | None] = {}
    main = None
    with ExitStack() as opened:
        if revision is not None:
            commit = revisions.resolve(workspace.root, revision)
            proposal.write(workspace, commit)
            source = revisions.of_revision(workspace.root, revision, share_cache)
            name = revisions.shown_name(revision, commit)
            baselines[name] = main = opened.enter_context(source)
        if production:
            released = registered.in_production(workspace.root, settings.release)
            baselines[PRODUCTION] = opened.enter_context(released)
        return against(workspace, settings, baselines, main)


def against(
    workspace: Workspace,
    settings: Params,
    baselines: dict[str, Baseline | None],
    main: Baseline | None = None,
) -> Comparison:
    """Compare the candidate with given baselines; see `run`.

    Parameters
    ----------
    workspace : Workspace
    settings : Params
    baselines : dict of str to Baseline or None
        By name; None if a baseline does not exist.
    main : Baseline, optional
        Provides exam and limits; by default they are the candidate's.
    """
    candidate = Candidate(workspace, settings)
    to_sit, changed = exams(candidate, main)
    judged_by = limits.judged_by(workspace.root, main.identity if main else None, settings)
    _run_main_checks(judged_by, workspace, settings)
    entries: list[Entry] = []
    with bar("comparing", len(baselines) * len(to_sit) * (1 + len(judged_by))) as advance:
        for name, found in baselines.items():
            entries += _entries(name, found, candidate, to_sit, judged_by, advance)
    report = Comparison(
        model_digest=candidate.digest,
        level=LEVEL,
        resamples=settings.comparison.resamples,
        exam=changed if changed is not None and changed.any else None,
        baselines=entries,
        fairness=[
            found
            for exam in to_sit
            for judging in judged_by
            for found in fairness.measure(exam, judging, candidate)
        ],
    )
    write_json(workspace.comparison, report)
    return report


def _run_main_checks(judged_by: Sequence[Limits], workspace: Workspace, settings: Params) -> None:
    """Run main's checks as well if the candidate has changed them; not those of another task."""
    workspace.main_checks.unlink(missing_ok=True)
    if judged_by[0].task == settings.task and judged_by[0].checks != settings.checks:
        write_json(workspace.main_checks, validate.check(workspace, settings, judged_by[0].checks))


def _entries(
    name: str,
    found: Baseline | None,
    candidate: Candidate,
    to_sit: Sequence[Exam],
    judged_by: Sequence[Limits],
    advance: Advance,
) -> Iterator[Entry]:
    """Compare with a baseline, on each exam and by each set of limits."""
    kind: Kind = "production" if name == PRODUCTION else "revision"
    if found is None:
        yield Absent(name=name, kind=kind, absent=_absence_reason(name))
        return
    data_change = measured.data_change(found, candidate)
    for exam in to_sit:
        entry = Found(
            name=name,
            kind=kind,
            identity=found.identity,
            source=found.source,
            model_digest=model_digest(found.model),
            exam=exam.whose,
        )
        for result in _on_exam(entry, found, exam, candidate, judged_by, advance):
            yield replace(result, data=data_change)
            data_change = None  # only in the first entry


def _on_exam(
    entry: Found,
    found: Baseline,
    exam: Exam,
    candidate: Candidate,
    judged_by: Sequence[Limits],
    advance: Advance,
) -> Iterator[Incomparable | Compared]:
    """Compare with a baseline on one exam, by each set of limits."""
    try:
        alone = pair.held_out(found, exam, candidate)
    except IncomparableError as error:
        yield Incomparable(**asdict(entry), incomparable=str(error))
        return
    advance("scored")
    everyone = pair.everyone(found, alone, candidate)
    for judging in judged_by:
        yield measured.compared(
            entry, alone, everyone, exam.train, candidate.settings.data, judging
        )
        advance("compared")


def _absence_reason(name: str) -> str:
    if name == PRODUCTION:
        if os.environ.get("CHURN_FORK") == "true":
            return "a run of a fork has no access to a registry on a server, and finds no other"
        return "nothing is in Production in the configured registry"
    return f"{name} has no pipeline yet"
