"""The command line: parse, call, print, exit code; nothing heavy before a command runs."""

from __future__ import annotations

import gc
import math
import os
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from churn.core.errors import ChurnError, ParamsError
from churn.core.paths import Workspace
from churn.core.progress import announce

if TYPE_CHECKING:
    from churn.core.params import Params
    from churn.review.experiment import Tried

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of params.yaml, such as data.path=other.csv or"
    " model.hyperparameters.max_depth=4. May be given more than once; an empty value is as if"
    " not given.",
)


_CANDIDATE = click.option(
    "--output",
    type=_FOLDER,
    default=Workspace().candidate,
    show_default=True,
    help="Folder of the packed candidate.",
)
_COMMIT = click.option(
    "--commit", metavar="REV", default="HEAD", show_default=True, help="Whose model it is."
)
# Before the command or behind it; `main` gives the object in which it is noted, because the
# context is gone by the time that an error arrives there.
_TRACEBACK = click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="Show where in the code an error comes from.",
    callback=lambda context, _, given: given and context.ensure_object(set).add("traceback"),
)


class _Group(click.Group):
    """Commands in the order of the pipeline, not of the alphabet, each with `--traceback`."""

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        super().add_command(_TRACEBACK(command), name)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="churn", prog_name="churn")
@_TRACEBACK
def cli() -> None:
    """Train, test, track and release a churn model.

    `dvc repro` runs the stages prepare, train, evaluate, validate and track as far as something
    has changed; each is a command here. Run them in the project's folder.
    """


@cli.command()
def prepare() -> None:
    """Stage 1: check the customer table and split it."""
    from churn.stages import prepare

    prepare.run(Workspace())


@cli.command()
@_SETTINGS
def train(settings: tuple[str, ...]) -> None:
    """Stage 2: fit the model and choose the threshold.

    With --set: an experiment. Prepares, trains and evaluates apart from the pipeline's files, and
    logs an MLflow run.
    """
    if not settings:
        from churn.stages import train

        train.run(Workspace())
        return
    from churn.review import experiment

    _show(experiment.train_with(Path(), _with(settings)))


@cli.command()
@click.option("--model", metavar="URI", help="Another model: a folder, runs:/… or models:/….")
@_SETTINGS
def evaluate(model: str | None, settings: tuple[str, ...]) -> None:
    """Stage 3: predictions, metrics, slices and plots.

    With --model: evaluates that model on the held-out customers, touches none of the pipeline's
    files, and logs an MLflow run.
    """
    if model is None:
        if settings:
            raise click.UsageError("--set goes with --model")
        from churn.stages import evaluate

        evaluate.run(Workspace())
        return
    from churn.review import experiment

    _show(experiment.evaluate_model(Path(), model, _with(settings)))


@cli.command()
def validate() -> None:
    """Stage 4: test data and predictions with deepchecks."""
    from churn.stages import validate

    validate.run(Workspace())


@cli.command()
def track() -> None:
    """Stage 5: log the candidate to MLflow, or find its run again."""
    from churn.stages import track

    tracked = track.run(Workspace())
    click.echo(f"MLflow run {tracked.run_id}{'' if tracked.new else ' (tracked before)'}")


@cli.command()
def data() -> None:
    """Get the data that data.dvc names; changes of yours in data/ are kept."""
    from churn.provenance import tracked_data

    if not tracked_data.get(Path()):
        click.echo(
            "data/ holds changes of yours; they are used as they are"
            " (undo: dvc checkout --force data.dvc)"
        )


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
@_CANDIDATE
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


@cli.group(cls=_Group)
def candidate() -> None:
    """Make, pack, verify and show a candidate."""


@candidate.command()
@_COMMIT
@_CANDIDATE
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
@_CANDIDATE
def pack(output: Path) -> None:
    """Copy model, results and report into one folder."""
    from churn.provenance import bundle

    manifest = bundle.pack(Workspace(), output)
    click.echo(f"{output}: {len(manifest.files)} files")


@candidate.command()
@click.argument("folder", type=_FOLDER)
@click.option("--commit", metavar="REV", help="Whose inputs it must have been made from.")
def verify(folder: Path, commit: str | None) -> None:
    """Check every byte of the candidate in FOLDER, and whose inputs it was made from."""
    from churn.provenance import bundle

    manifest = bundle.verify(folder, Path(), commit)
    click.echo(f"{folder}: model {manifest.model_digest}, as its manifest says")


@candidate.command("show")
@click.argument("folder", type=_FOLDER)
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


@cli.command()
@click.argument("folder", type=_FOLDER, required=False)
@_COMMIT
@click.option("--digest", metavar="DIGEST", help="Of the manifest that FOLDER has to have.")
@click.option(
    "--until",
    type=click.Choice(["staging", "integration", "production"]),
    default="production",
    show_default=True,
    help="The last step. The same command without it goes on from there.",
)
@click.option("--why", default="released", help="For the audit trail.")
@click.option(
    "--embedded",
    is_flag=True,
    help="Only where there is no server and everything is committed; else say so and do nothing.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Release nothing: only note that the commit has the model in Production, if it has.",
)
def release(
    folder: Path | None,
    commit: str,
    digest: str | None,
    until: str,
    why: str,
    embedded: bool,
    confirm: bool,
) -> None:
    """Bring the candidate in FOLDER into Production.

    Verifies it, checks it against Production, registers it, moves it to Staging, tests it as it is
    served, moves it to Production, and looks whether it works there; if not, the version from
    before is put back. Without FOLDER: what is here is run, judged and packed first. Started again,
    it goes on where it was killed.

    Exit code 0: it is in Production, or as far as --until says. 1: a gate or a test has stopped it.
    2: an error.
    """
    from churn.tracking.local_store import reason_not_to_release

    if confirm:
        if folder is not None or until != "production" or embedded:
            raise click.UsageError("--confirm goes with no FOLDER, --until or --embedded")
        from churn.deploy import commands

        commands.confirm(Path(), commit)
        return
    if embedded and (reason := reason_not_to_release(Path())):
        click.echo(f"not released: {reason}")
        return
    # skops looks for each of SciPy's functions in all modules, in the order in which they were
    # loaded: without this in hundreds of MLflow's first, which takes a second.
    import scipy.special  # noqa: F401

    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, until, why, embedded, digest))


@cli.command()
@click.argument("folder", type=_FOLDER, default=Workspace().candidate)
@_COMMIT
def register(folder: Path, commit: str) -> None:
    """Register the candidate in FOLDER, or find its version."""
    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, "registered", "registered", False))


@cli.command()
@click.argument("version", type=click.IntRange(1))
@click.option(
    "--to", type=click.Choice(["staging", "production"]), required=True, help="Where it goes."
)
@click.option("--why", default="by hand", help="For the audit trail.")
def promote(version: int, to: str, why: str) -> None:
    """Move VERSION to Staging or Production by hand.

    Its files have to be those of its manifest. Into Production goes only what has passed the
    integration tests, and never an older commit's model.
    """
    from churn.deploy import commands

    commands.promote(Path(), version, to, why)


@cli.command()
@click.option(
    "--to",
    "version",
    default="previous",
    show_default=True,
    metavar="VERSION",
    help="Number of the version, or previous.",
)
@click.option("--why", default="by hand", help="For the audit trail.")
def rollback(version: str, why: str) -> None:
    """Put an earlier version back into Production.

    One that was there before. What was rolled back is not released again by itself.
    """
    from churn.deploy import commands

    if version != "previous" and not version.isdecimal():
        raise click.BadParameter("a number, or previous", param_hint="--to")
    commands.rollback(Path(), None if version == "previous" else int(version), why)


@cli.command()
@click.option(
    "--source",
    metavar="URI",
    default="sqlite:///mlflow.db",
    show_default=True,
    help="The MLflow that has the versions.",
)
def migrate(source: str) -> None:
    """Copy all versions to another MLflow, such as a server.

    To the one that MLFLOW_TRACKING_URI names, with their runs, files, numbers, aliases and audit
    trail. The source stays as it is. Started again, it copies what is missing.
    """
    from churn.deploy import commands

    commands.migrate(Path(), source)


@cli.command()
@click.option("--markdown", is_flag=True, help="For the summary of a workflow's run.")
def status(markdown: bool) -> None:
    """Show what is in Production, and where it comes from."""
    from churn.deploy import commands

    commands.status(Path(), markdown)


@cli.command()
def history() -> None:
    """Show who moved which version, when and why."""
    from churn.deploy import commands

    commands.history(Path())


@cli.group(cls=_Group)
def setup() -> None:
    """Set up what is around the project."""


@setup.command()
@click.option(
    "--plan",
    type=click.Choice(["free", "pro", "team", "enterprise"]),
    help="Of who owns the repository, where GitHub does not say.",
)
@click.option(
    "--reviewer",
    "reviewers",
    metavar="NAME",
    multiple=True,
    help="A user, or organisation/team, who is asked before Production; may be given again.",
)
@click.option("--registry", metavar="URI", help="MLflow server that is the registry.")
@click.option("--alone", is_flag=True, help="There is nobody else to approve a pull request.")
@click.option("--apply", is_flag=True, help="Run the calls, instead of printing them.")
def github(
    plan: Any, reviewers: tuple[str, ...], registry: str | None, alone: bool, apply: bool
) -> None:
    """Print the calls that set the repository on GitHub, or run them.

    Rules of the default branch, environments that only it can use, and variables. Needs `gh`,
    logged in as who administers the repository. Given again, it changes nothing.
    """
    from churn.deploy import setup_github

    setup_github.run(
        Path(), plan, reviewers, registry, alone, apply, click.echo, partial(click.echo, err=True)
    )


@cli.command()
def summary() -> None:
    """Show metrics, checks, and where everything is."""
    from rich.console import Console

    from churn.cli import summary

    summary.show(Workspace(), Console())


@cli.command()
@click.option("--customers", type=click.IntRange(1), required=True, help="Number of customers.")
@click.option("--seed", type=click.IntRange(0), required=True, help="Seed of all that is random.")
@click.option(
    "--drift",
    type=click.FloatRange(0, 24),
    default=0.0,
    show_default=True,
    help="Months by which population and behaviour have moved on.",
)
@click.option("--output", type=_FILE, required=True, help="File to write: .csv or .parquet.")
def synthesize(customers: int, seed: int, drift: float, output: Path) -> None:
    """Make up customers that behave like customers."""
    from churn.core.progress import bar
    from churn.data import synthesize

    if not math.isfinite(drift):
        raise click.BadParameter("must be a number from 0 to 24", param_hint="--drift")

    with bar("synthesizing", -(-customers // synthesize.CHUNK_ROWS)) as advance:
        synthesize.write(output, customers, seed, drift, advance)
    click.echo(f"{output}: {customers:,} customers")


@cli.command()
@click.option("--metric", default="test_roc_auc", show_default=True, help="Metric that orders.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most rows.")
def runs(metric: str, limit: int) -> None:
    """List the runs of the MLflow experiment, best first."""
    from churn.cli import runs

    runs.show(Path(), metric, limit)


@cli.command()
@click.option(
    "--model", metavar="URI", required=True, help="A folder (build/model), runs:/… or models:/…."
)
@click.option("--input", "source", type=_FILE, required=True, help="Customers: .csv or .parquet.")
@click.option("--output", type=_FILE, required=True, help="File to write: .csv or .parquet.")
def predict(model: str, source: Path, output: Path) -> None:
    """Predict for customers: id, probability, and 0 or 1."""
    from churn.model import prediction
    from churn.registry.loading import load_model

    count = prediction.predict(load_model(model, Path()), source, output)
    click.echo(f"{output}: {count:,} customers")


def _with(settings: tuple[str, ...]) -> Params:
    """Read params.yaml with other values in it."""
    from churn.core import params

    return params.load(Workspace().params, _overrides(settings))


def _overrides(settings: tuple[str, ...]) -> dict[str, Any]:  # any keys, any values
    """Turn ``key=value`` words into dotted keys and YAML values."""
    from churn.core.document import parse

    overrides = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise ParamsError(f"--set {setting}: write it as KEY=VALUE")
        if not value:
            continue
        try:
            overrides[key] = parse(value)
        except ParamsError as error:
            raise ParamsError(f"--set {setting[:80]}: {error}") from error
    return overrides


def _show(tried: Tried) -> None:
    from rich.console import Console

    from churn.cli.summary import metrics_table

    Console().print(metrics_table(tried.threshold, tried.sides))
    click.echo(f"MLflow run {tried.run.run_id}")


def main(arguments: list[str] | None = None) -> None:
    """Run a command; an error is one line, a defect its traceback as well, and both exit code 2."""
    # Before scikit-learn loads OpenMP: threads that wait sleep instead of spinning. On a machine
    # with other work, spinning made training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # MLflow reads this when it is imported, which some commands do before `tracking.connection`.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    given: set[str] = set()
    # A command lives for seconds and imports half a million objects, none of which are garbage:
    # looking through them again and again, once more at the exit, took a third of `track`'s time.
    gc.disable()
    try:
        cli(arguments, standalone_mode=False, obj=given)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except click.Abort as error:
        raise SystemExit(130) from error
    except (ChurnError, OSError) as error:
        if "traceback" in given:
            traceback.print_exc()
        what = str(error)
        if isinstance(error, OSError) and error.filename:
            what = f"{error.filename}: {error.strerror or error}"
        one_line = " ".join(what.split())
        click.secho(f"Error: {one_line}", fg="red", err=True)
        raise SystemExit(2) from error
    except Exception as error:
        # Not Python's own exit code: 1 says that a gate or a test has blocked.
        traceback.print_exc()
        click.secho(
            f"Error: a defect of churn itself: {type(error).__name__}: {error}", fg="red", err=True
        )
        raise SystemExit(2) from error
    finally:
        gc.freeze()
        gc.enable()
