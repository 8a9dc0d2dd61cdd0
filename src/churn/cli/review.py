"""Commands that compare and judge a change, and build a candidate."""

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

    On all customers, each predicted by a fit that has not seen that customer, and on the held-out
    ones alone. Prints the difference in each metric with its 95% interval, which `churn gate`
    judges.
    """
    if baseline is None and not production:
        raise click.UsageError("give --baseline, --production or both")
    from rich.console import Console

    from churn.cli.summary import comparison_tables
    from churn.review import compare

    report = compare.run(Workspace(), baseline, production)
    Console().print(*comparison_tables(report))


@cli.command()
@click.option("--write", is_flag=True, help="Widen margins in params.yaml that are too small.")
def margins(write: bool) -> None:
    """Show which margins this table supports.

    For each margin: the difference that is noticed in 4 of 5 cases, how often an equally good model
    fails the margin, and the smallest margin that 9 of 10 equally good models keep.
    """
    from churn.stages import margins

    margins.run(Workspace().root, write)


@cli.command()
@click.option("--release", is_flag=True, help="Judge it for a release: against Production only.")
def gate(release: bool) -> None:
    """Judge the candidate by the limits of params.yaml.

    Run `churn compare` first. Exit code 0: it may be merged. 1: a gate has failed. 2: an error,
    such as a comparison that is missing.
    """
    from churn.review import verdict

    judged = verdict.run(Workspace(), release)
    click.echo("\n".join(verdict.lines(judged, "Release" if release else "Merge")))
    if not judged.passed:
        raise SystemExit(1)


@cli.command()
def report() -> None:
    """Write reports/report.md and reports/report.html.

    They show the verdict of `churn gate` and its reasons, as Markdown for a comment and as a page.
    """
    from churn.review import report

    report.run(Workspace())
    click.echo(f"{Workspace().report}\n{Workspace().report_page}")


@cli.command()
@click.option("--baseline", metavar="REV", help="The revision to merge into, such as main.")
@click.option("--production", is_flag=True, help="Compare with the model in Production as well.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Run every stage and ignore earlier results, as a runner does.",
)
@CANDIDATE
def review(baseline: str | None, production: bool, from_scratch: bool, output: Path) -> None:
    """Review the work tree as the pull request's job does.

    Runs the pipeline, compares, judges, writes the report and packs the candidate. Trains nothing
    if no input of the pipeline differs from the baseline's. Needs --baseline, or --production,
    which alone judges a release instead of a merge.

    Exit code 0: it may be merged. 1: a gate has failed. 2: an error, which blocks as well.
    """
    if baseline is None and not production:
        raise click.UsageError("give --baseline, --production or both")
    from churn.provenance.candidate import changed_inputs
    from churn.review import run as review
    from churn.review import verdict

    plan = review.Plan(baseline, production, from_scratch)
    judged = review.run(Workspace(), plan, output, announce)
    click.echo("\n".join(verdict.lines(judged, "Merge" if baseline else "Release")))
    click.echo(f"report: {output / 'report.md'}, {output / 'report.html'}")
    if new := changed_inputs(Path(), "HEAD"):
        more = " …" if len(new) > 5 else ""
        click.echo(f"not committed, so not part of a pull request: {', '.join(new[:5])}{more}")
    if not judged.passed:
        raise SystemExit(2 if judged.outcome == "stopped" else 1)


@cli.group(cls=Group)
def candidate() -> None:
    """Build, pack, verify and show a candidate."""


@candidate.command()
@COMMIT
@CANDIDATE
def make(commit: str, output: Path) -> None:
    """Build the candidate of a commit on main from scratch.

    Trains, tests, compares with Production and judges, and says whether the model is the reviewed
    one, which the commit's dvc.lock names. If Production has a model of the same inputs, there is
    nothing to release, and no candidate is written.

    Exit code 0: it was built, or there is nothing to release. 1: a gate has failed. 2: an error.
    """
    from churn.deploy import release_candidate

    made = release_candidate.make(Path(), commit, output, announce)
    click.echo("\n".join(made.lines))
    raise SystemExit(made.code)


@candidate.command()
@CANDIDATE
def pack(output: Path) -> None:
    """Pack model, results and report into one folder."""
    from churn.provenance import bundle

    manifest = bundle.pack(Workspace(), output)
    click.echo(f"{output}: {len(manifest.files)} files")


@candidate.command()
@click.argument("folder", type=FOLDER)
@click.option("--commit", metavar="REV", help="Commit whose inputs it must have.")
def verify(folder: Path, commit: str | None) -> None:
    """Check the candidate in FOLDER against its manifest, and with --commit its inputs."""
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
    """Resolve merge conflicts in dvc.lock and reports/.

    Runs the pipeline on the merged inputs, and stages its results. Resolve conflicts in other files
    first: until then this command changes nothing.
    """
    from churn.review import resolve
    from churn.review.run import reproduce

    # With the user's credentials: the stage `track` logs a run.
    made = resolve.run(Path(), partial(reproduce, environment=os.environ))
    if not made:
        click.echo("no conflict")
        return
    click.echo(f"regenerated: {', '.join(made)}; now `dvc push`, `git add --all` and `git commit`")
