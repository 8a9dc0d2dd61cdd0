"""Commands that compare and judge a change, up to the packed candidate."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from churn.cli.group import CANDIDATE, COMMIT, FOLDER, Group, cli
from churn.core.paths import Workspace
from churn.core.progress import announce


@cli.command()
@click.option("--baseline", metavar="REV", help="A revision of git, such as main.")
@click.option("--production", is_flag=True, help="Compare with the model in Production as well.")
def compare(baseline: str | None, production: bool) -> None:
    """Compare the candidate with other models.

    On held-out customers that none of them was trained on. Gives each metric's difference with its
    95% interval; `churn gate` judges by it.
    """
    if baseline is None and not production:
        raise click.UsageError("name a --baseline, or --production, or both")
    from rich.console import Console

    from churn.cli.summary import comparison_tables
    from churn.review import compare

    report = compare.run(Workspace(), baseline, production)
    Console().print(*comparison_tables(report))


@cli.command()
@click.option(
    "--write", is_flag=True, help="Write the margins that are too small into params.yaml."
)
def margins(write: bool) -> None:
    """Show what this table can tell, beside each margin of params.yaml.

    The difference that would be noticed in 4 of 5 cases, how often an equally good model would not
    be seen to keep the margin, and the smallest margin that 9 of 10 are seen to keep.
    """
    from churn.stages import margins

    margins.run(Workspace().root, write)


@cli.command()
@click.option(
    "--release", is_flag=True, help="Judge it for a release: against Production, not a revision."
)
def gate(release: bool) -> None:
    """Judge the candidate by the limits of params.yaml.

    Exit code 0: it may be merged. 1: a gate is not passed. 2: something could not be computed,
    which blocks as well. `churn compare` has to come first.
    """
    from churn.review import verdict

    judged = verdict.run(Workspace(), release)
    click.echo("\n".join(verdict.lines(judged, "Release" if release else "Merge")))
    if not judged.passed:
        raise SystemExit(1)


@cli.command()
def report() -> None:
    """Write reports/report.md and reports/report.html.

    The verdict of `churn gate` and all that led to it: for a comment, and as a page.
    """
    from churn.review import report

    report.run(Workspace())
    click.echo(f"{Workspace().report}\n{Workspace().report_page}")


@cli.command()
@click.option("--baseline", metavar="REV", help="Where it would be merged to: main.")
@click.option("--production", is_flag=True, help="Compare with the model in Production as well.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Run every stage, and trust nothing that was computed before, as a runner does.",
)
@CANDIDATE
def review(baseline: str | None, production: bool, from_scratch: bool, output: Path) -> None:
    """Do all that a pull request's job does.

    Runs the pipeline, compares, judges, writes the report and packs the candidate. Trains nothing
    where no input of the pipeline differs from the baseline's. With --production alone: what is
    here is judged for a release. Exit codes as those of `churn gate`.
    """
    if baseline is None and not production:
        raise click.UsageError("name a --baseline, or --production, or both")
    from churn.provenance.candidate import changed_inputs
    from churn.review import run as review
    from churn.review import verdict

    plan = review.Plan(baseline, production, from_scratch)
    judged = review.run(Workspace(), plan, output, announce)
    click.echo("\n".join(verdict.lines(judged, "Merge" if baseline else "Release")))
    click.echo(f"report: {output / 'report.md'}, {output / 'report.html'}")
    if new := changed_inputs(Path(), "HEAD"):
        more = " …" if len(new) > 5 else ""
        click.echo(f"not committed yet, and no pull request has it: {', '.join(new[:5])}{more}")
    if not judged.passed:
        raise SystemExit(2 if judged.outcome == "stopped" else 1)


@cli.group(cls=Group)
def candidate() -> None:
    """Make, pack, verify and show a candidate."""


@candidate.command()
@COMMIT
@CANDIDATE
def make(commit: str, output: Path) -> None:
    """Make the candidate of a commit on main, from scratch.

    Trains, tests, compares with Production and judges what the commit holds, and says whether the
    model is the one that was reviewed: the one that the commit's dvc.lock names. Where Production
    has a model of the same inputs, there is nothing to release and no candidate is written.

    Exit code 0: it is there, or there is nothing to release. 1: it is blocked by a gate. 2: an
    error.
    """
    from churn.deploy import release_candidate

    made = release_candidate.make(Path(), commit, output, announce)
    click.echo("\n".join(made.lines))
    raise SystemExit(made.code)


@candidate.command()
@CANDIDATE
def pack(output: Path) -> None:
    """Copy model, results and report into one folder."""
    from churn.provenance import bundle

    manifest = bundle.pack(Workspace(), output)
    click.echo(f"{output}: {len(manifest.files)} files")


@candidate.command()
@click.argument("folder", type=FOLDER)
@click.option("--commit", metavar="REV", help="Whose inputs it must have been made from.")
def verify(folder: Path, commit: str | None) -> None:
    """Check every byte of the candidate in FOLDER, and whose inputs it was made from."""
    from churn.provenance import bundle

    manifest = bundle.verify(folder, Path(), commit)
    click.echo(f"{folder}: model {manifest.model_digest}, as its manifest says")


@candidate.command("show")
@click.argument("folder", type=FOLDER)
def show_candidate(folder: Path) -> None:
    """Print the manifest of the candidate in FOLDER."""
    from rich.console import Console

    from churn.provenance import bundle

    Console().print_json(bundle.read_manifest(folder).text)


@cli.command()
def resolve() -> None:
    """End a merge in which dvc.lock and reports/ are in conflict.

    Runs the pipeline on what was merged, and adds its results to the merge. Files of yours that are
    in conflict come first: this command changes nothing before they are resolved.
    """
    from churn.review import resolve
    from churn.review.run import reproduce

    # With the user's MLflow server: its last stage logs the run.
    made = resolve.run(Path(), partial(reproduce, environment=os.environ))
    if not made:
        click.echo("no conflict")
        return
    click.echo(f"made again: {', '.join(made)}; now `dvc push`, `git add --all` and `git commit`")
