"""`churn retrain`, from a newer table to a pull request, with real git, DVC and pipeline."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from churn.data.synthesize import write
from churn.provenance import listing
from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit, commit_with_lock, edit, make_small, make_untrained
from tests.workflows.fake_github import TOKEN, FakeGitHub, serving

pytestmark = pytest.mark.long

HEAVY = {"dvc", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn"}


@dataclass(frozen=True)
class Shop:
    """A clone whose main has `data.source`, its origin, and the file at that address."""

    clone: Clone
    export: Path

    def retrain(self, *options: str, check: bool = True, **environment: str) -> str:
        """Run it, and return what it prints to stdout; without `check`, to stderr."""
        done = self.clone.run("churn", "retrain", *options, check=check, **environment)
        if check:
            return done.stdout
        assert done.returncode == 2, done.stdout
        assert done.stdout == ""
        return done.stderr.splitlines()[-1]

    def put(self, customers: int = 6000, drift: float = 0.0) -> None:
        write(self.export, customers, 3, drift)

    def state(self) -> dict[str, str]:
        """All that a run must leave as it is where it makes nothing."""
        files = {
            str(path.relative_to(self.clone.root)): hashlib.md5(path.read_bytes()).hexdigest()
            for name in ("data", "build", "reports", "dvc-remote")
            for path in (self.clone.root / name).rglob("*")
            if path.is_file() and path.name != "retrain.md"
        }
        return files | {
            "branches": self.clone.git("for-each-ref", "refs/heads"),
            "status": self.clone.git("status", "--porcelain"),
            "head": self.clone.git("rev-parse", "HEAD"),
            "origin": self.clone.git("ls-remote", "origin"),
        }

    def show(self, revision: str, path: str) -> str:
        return self.clone.git("show", f"{revision}:{path}")

    @property
    def note(self) -> str:
        return (self.clone.root / "build/retrain.md").read_text()


def with_a_source(
    folder: Path, make: Callable[[Path], Clone], save: Callable[[Clone, str], None]
) -> Path:
    """Make a repository that gets newer tables from a file beside it."""
    clone = make(folder)
    edit(clone, {"data.source": "../export.csv"})
    save(clone, "where newer tables are")
    shutil.copy(clone.root / "data/customers.csv", folder / "export.csv")
    return folder


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_a_source(tmp_path_factory.mktemp("shop"), make_small, commit_with_lock)


@pytest.fixture
def shop(_made: Path, tmp_path: Path) -> Shop:
    """Return one whose main has a model and a current lock."""
    return opened(_made, tmp_path)


def opened(made: Path, folder: Path) -> Shop:
    """Copy one, and push it."""
    shutil.copytree(made, folder, dirs_exist_ok=True, symlinks=True)
    clone = Clone(folder / "clone", folder / "home", is_warm=True)
    clone.git("init", "--quiet", "--bare", "../origin.git")
    clone.git("remote", "add", "origin", "../origin.git")
    clone.git("push", "--quiet", "origin", "main")
    return Shop(clone, folder / "export.csv")


@pytest.fixture(scope="module")
def _untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_a_source(tmp_path_factory.mktemp("untrained"), make_untrained, commit)


@pytest.fixture
def untrained(_untrained: Path, tmp_path: Path) -> Shop:
    """Return one without a model, for what ends before anything is trained."""
    return opened(_untrained, tmp_path)


@pytest.fixture(scope="module")
def _unchanged(_untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return opened(_untrained, tmp_path_factory.mktemp("unchanged"))


@pytest.fixture
def unchanged(_unchanged: Shop) -> Iterator[Shop]:
    """Return one without a model that tests share: they change the newer table alone."""
    kept = _unchanged.export.read_bytes()
    yield _unchanged
    _unchanged.export.write_bytes(kept)


@pytest.fixture
def github(shop: Shop, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """Give a GitHub that has origin's branches."""
    with serving(certificate) as state:
        state.git = shop.export.parent / "origin.git"
        for name, value in {
            "SSL_CERT_FILE": str(certificate),
            "GITHUB_SERVER_URL": f"https://{state.host}",
            "GITHUB_REPOSITORY": state.repository,
            "GH_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        yield state


def test_nothing_new_ends_in_one_line_and_loads_nothing_heavy(unchanged: Shop) -> None:
    before = unchanged.state()
    program = (
        "import json, sys\nfrom churn.cli.main import main\nmain(sys.argv[1:])\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = unchanged.clone.run(sys.executable, "-c", program, "retrain", "--no-pull-request")
    line, loaded = done.stdout.splitlines()
    assert line == "nothing new: main has this table (../export.csv)"
    assert done.stderr == ""
    assert "yaml" in json.loads(loaded)
    assert not HEAVY & set(json.loads(loaded))
    assert unchanged.state() == before
    assert unchanged.note.startswith("## Nothing new\n")


def test_the_listing_is_what_dvc_makes_of_the_folder(untrained: Shop) -> None:
    root = untrained.clone.root
    (root / "data/ä b").mkdir()
    (root / "data/ä b/c.txt").write_text("one\r\n")
    untrained.clone.run("dvc", "add", "--quiet", "data")
    found = listing.files(root)
    assert sorted(found) == ["customers.csv", "ä b/c.txt"]
    assert listing.folder_md5(found) == listing.data_md5((root / "data.dvc").read_text())
    assert found["ä b/c.txt"] == hashlib.md5(b"one\r\n").hexdigest()


def test_without_a_source_it_says_how_to_set_one(untrained: Shop) -> None:
    untrained.clone.git("switch", "--quiet", "--create", "none")
    edit(untrained.clone, {"data.source": None})
    untrained.clone.git("commit", "--quiet", "--all", "--message", "none")
    edit(untrained.clone, {"data.source": "elsewhere.csv"})
    local = ("--no-pull-request", "--base", "none")
    assert "no data.source, as there is in this folder; merge it" in untrained.retrain(
        *local, check=False
    )
    untrained.clone.git("checkout", "--quiet", "params.yaml")
    line = untrained.retrain(*local, check=False)
    assert line.startswith("Error: params.yaml on none: data.source is null")
    assert "set it to a file, an address such as s3://" in line
    assert untrained.note.startswith("## ❌ No pull request\n")
    assert "nothing new" in untrained.retrain(*local, "--source", "../export.csv")
    said = untrained.retrain(*local, "--skip-if-not-set-up")
    assert said == "not set up: data.source in params.yaml on none is null (docs/retraining.md)\n"
    assert untrained.note.startswith("## Not set up\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base", "trunk"], "Error: this repository has no branch 'trunk'"),
        (["--source", "gone.csv"], "Error: gone.csv: cannot be fetched (not there)"),
        (["--alarm", "gone.json"], "Error: gone.json: cannot be read"),
    ],
)
def test_bad_options_are_one_line(unchanged: Shop, options: list[str], said: str) -> None:
    before = unchanged.state()
    assert unchanged.retrain("--no-pull-request", *options, check=False).startswith(said)
    assert unchanged.state() == before


def test_a_pattern_is_refused(untrained: Shop) -> None:
    edit(untrained.clone, {"data.path": "data/*.csv"})
    untrained.clone.git("commit", "--quiet", "--all", "--message", "a pattern")
    line = untrained.retrain("--no-pull-request", check=False)
    assert "data/*.csv is a pattern; churn retrain replaces one file or one folder" in line


def test_origin_that_is_no_github_is_told_before_anything_is_trained(unchanged: Shop) -> None:
    unchanged.put(6100)
    line = unchanged.retrain(check=False)
    assert line.startswith("Error: origin is no repository on GitHub; --no-pull-request")


Table = pd.DataFrame
BROKEN: dict[str, tuple[Callable[[Table], Table], str]] = {
    "a column is gone": (lambda t: t.drop(columns="age"), "column 'age' is missing"),
    "an id twice": (lambda t: pd.concat([t, t.tail(1)]), "is also in row 6000"),
    "rows are gone": (lambda t: t.head(5000), "5,000 rows, 83% of today's 6,000"),
    "labels are swapped": (lambda t: t.assign(churned=1 - t["churned"]), "have churned, 27.6%"),
}


@pytest.mark.parametrize(
    "name",
    [
        "a column is gone",
        pytest.param("an id twice", marks=pytest.mark.exhaustive),
        pytest.param("rows are gone", marks=pytest.mark.exhaustive),
        "labels are swapped",
    ],
)
def test_a_broken_table_is_refused_and_nothing_is_left(name: str, unchanged: Shop) -> None:
    change, said = BROKEN[name]
    change(pd.read_csv(unchanged.export)).to_csv(unchanged.export, index=False)
    before = unchanged.state()

    line = unchanged.retrain("--no-pull-request", check=False)

    assert line.startswith("Error: ../export.csv: refused: ")
    assert said in line
    assert unchanged.state() == before
    assert said in re.sub("&#39;|&#x27;", "'", unchanged.note)


def test_the_same_customers_in_another_file_are_nothing_new(unchanged: Shop) -> None:
    table = pd.read_csv(unchanged.export).sample(frac=1, random_state=1)
    table.to_csv(unchanged.export, index=False, lineterminator="\r\n")
    before = unchanged.state()
    assert "nothing new: main has these customers" in unchanged.retrain("--no-pull-request")
    assert unchanged.state() == before


@pytest.mark.exhaustive
def test_a_newer_table_becomes_a_branch_that_is_whole(shop: Shop) -> None:
    shop.put(6300, drift=1)
    (shop.clone.root / "README.md").write_text("A change that is not committed.\n")
    before = shop.state()

    said = json.loads(shop.retrain("--no-pull-request", "--json", "--why", "age has drifted"))

    name = said["branch"]
    assert (said["what"], said["pull_request"]) == ("committed", None)
    assert said["change"]["rows"] == [6000, 6300]
    assert said["change"]["added"] == 300
    after = shop.state()
    assert name in after.pop("branches")
    before.pop("branches")
    assert after == before
    commit = shop.clone.git("show", "--name-only", "--format=%s%n%b", name)
    assert commit.startswith("Retrain on 6,300 customers (+300), ")
    assert "age has drifted" in commit
    files = {
        line.partition("/")[0] for line in commit.splitlines()[-400:] if "/" in line or "." in line
    }
    assert {"data.dvc", "dvc.lock", "reports", "dvc-remote"} <= files
    assert shop.clone.git("rev-parse", f"{name}^") == shop.clone.git("rev-parse", "main")

    # Another clone gets all of it from the branch, and has nothing to run.
    fresh = Clone(shop.export.parent / "fresh", shop.clone.home, is_warm=True)
    shop.clone.git("clone", "--quiet", "--branch", name, ".", str(fresh.root))
    fresh.run("dvc", "pull", "--quiet")
    assert (fresh.root / "data/customers.csv").read_bytes() == shop.export.read_bytes()
    assert json.loads(fresh.run("dvc", "status", "--json").stdout).keys() <= {"track"}
    fresh.git("branch", "main", f"{name}^")
    review = fresh.run("churn", "review", "--baseline", "main", check=False)
    assert "pass  committed results" in review.stdout, review.stdout

    # A second run has nothing to do. One with another table replaces the branch, as that of a pull
    # request (below).
    assert f"nothing new: branch {name} has this table" in shop.retrain("--no-pull-request")

    # What somebody has added to it is not lost.
    shop.clone.git("checkout", "--quiet", "README.md")
    shop.clone.git("switch", "--quiet", name)
    shop.clone.git("commit", "--quiet", "--allow-empty", "--message", "by hand")
    shop.clone.git("switch", "--quiet", "main")
    shop.put(6250)
    before = shop.state()
    line = shop.retrain("--no-pull-request", check=False)
    assert f"branch {name}: commit " in line and "is not one of `churn retrain`" in line
    assert shop.state() == before


@pytest.mark.exhaustive
def test_a_second_run_updates_the_pull_request_of_the_first(
    shop: Shop, github: FakeGitHub, tmp_path: Path
) -> None:
    shop.put(6300)
    alarms = tmp_path / "monitor.json"
    alarms.write_text(json.dumps({"alarms": [{"kind": "data", "shown": "age has drifted"}]}))
    github.permits_pulls = False
    line = shop.retrain(check=False)
    assert "churn setup github --retrain --apply" in line
    github.permits_pulls = True
    pushed = github_branches(github)

    said = shop.retrain("--alarm", str(alarms)).splitlines()

    [name] = pushed  # the branch that was pushed is taken up
    [pull] = github.pulls
    assert said[0].startswith("pull request #1 opened: Retrain on 6,300 customers (+300), ")
    assert said[0].endswith("its checks wait until somebody approves them on its page")
    assert said[1] == f"https://{github.host}/octo/shop/pull/1"
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (name, "main")
    assert "- alarm, data: age has drifted\n" in pull["body"]
    assert "| added |  | 300 |" in pull["body"]
    assert "### Metrics against `main`" in pull["body"]
    assert "pull request" in shop.note and "| added |  | 300 |" in shop.note
    assert name not in shop.clone.git("branch", "--list", "retrain/*")

    # A week later, with main ahead and another table; the pull request keeps its branch.
    github.author = "our-app[bot]"
    assert "nothing new: pull request #1 has this table" in shop.retrain()
    assert "nothing new: pull request #1 has this" in shop.retrain("--alarm", str(alarms))
    shop.clone.git("commit", "--quiet", "--allow-empty", "--message", "main moves on")
    shop.clone.git("push", "--quiet", "origin", "main")
    shop.put(6400)
    first = github_branches(github)[name]

    said = shop.retrain().splitlines()

    assert said[0].startswith("pull request #1 updated: Retrain on 6,400 customers (+400), ")
    assert "wait" not in said[0]
    assert github.pulls == [pull]
    assert "A newer table is there." in pull["body"]
    assert "age has drifted" not in pull["body"]
    second = github_branches(github)
    assert [*second] == [name] and second[name] != first
    assert shop.clone.git("rev-parse", f"{second[name]}^") == shop.clone.git("rev-parse", "main")
    posts = [asked for asked in github.asked if not asked.startswith("GET")]
    assert [asked.split()[0] for asked in posts] == ["POST", "POST", "PATCH"]


def github_branches(github: FakeGitHub) -> dict[str, str]:
    """Return the branches of origin but main, with their commits."""
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"],
        cwd=github.git, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = dict(line.split() for line in listed.splitlines())
    return {name: commit for name, commit in found.items() if name != "main"}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("check against", marks=pytest.mark.exhaustive),
        pytest.param("dvc repro", marks=pytest.mark.exhaustive),
        "dvc push",
        pytest.param("churn review", marks=pytest.mark.exhaustive),
    ],
)
def test_killed_in_the_middle_it_leaves_nothing_and_works_the_next_time(
    shop: Shop, moment: str, tmp_path: Path
) -> None:
    shop.put(6300)
    before, scratch = shop.state(), tmp_path / "scratch"
    scratch.mkdir()
    options = ["retrain", "--no-pull-request"]
    with subprocess.Popen(
        [sys.executable, "-m", "churn", *options],  # a process of its own, which can be killed
        cwd=shop.clone.root,
        env=shop.clone.environment | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stderr is not None
        assert any(line.startswith(f"== {moment}") for line in running.stderr)
        os.killpg(running.pid, signal.SIGKILL)
    assert shop.state() == before
    assert [*scratch.iterdir()]

    done = shop.clone.run("churn", *options, TMPDIR=str(scratch))

    assert done.stdout.startswith("branch retrain/")
    assert [*scratch.iterdir()] == []
    assert (shop.clone.root / "data/customers.csv").read_bytes() != shop.export.read_bytes()


TUNE = """

@cli.command("tune")
@click.option("--write", is_flag=True, required=True)
def _tune(write: bool) -> None:
    import os
    from pathlib import Path

    assert "GH_TOKEN" not in os.environ  # which may write, and is not for what trains
    assert Path("build/train.parquet").exists()
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("max_iter: 40", "max_iter: 45"))
"""


@pytest.mark.exhaustive
def test_hyperparameters_are_searched_for_if_that_is_wanted(shop: Shop) -> None:
    """With a stand-in for the search, which has tests of its own."""
    shop.clone.git("switch", "--quiet", "main")
    edit(shop.clone, {"retrain.tune": True})
    main = shop.clone.root / "src/churn/cli/main.py"
    main.write_text(main.read_text() + TUNE)
    commit_with_lock(shop.clone, "a search")
    shop.put(6300)
    said = shop.retrain("--no-pull-request", "--json", GH_TOKEN="may-write")
    name = json.loads(said)["branch"]
    assert "max_iter: 45" in shop.show(name, "params.yaml")
    hyperparameters = yaml.safe_load(shop.show(name, "dvc.lock"))["stages"]["train"]["params"]
    assert hyperparameters["params.yaml"]["model"]["hyperparameters"]["max_iter"] == 45


@pytest.mark.exhaustive
def test_a_table_that_dvc_tracks_elsewhere(shop: Shop, tmp_path: Path) -> None:
    other = Clone(tmp_path / "other", shop.clone.home, is_warm=True)
    other.root.mkdir()
    other.git("init", "--quiet", "--initial-branch=main")
    other.run("dvc", "init", "--quiet")
    shutil.copy(shop.export, other.root / "c.csv")
    other.run("dvc", "add", "--quiet", "c.csv")
    other.git("add", "--all")
    other.git("commit", "--quiet", "--message", "today")
    other.git("tag", "today")
    write(other.root / "c.csv", 6300, 3)
    other.run("dvc", "add", "--quiet", "c.csv")
    other.git("commit", "--quiet", "--all", "--message", "a newer one")
    edit(shop.clone, {"data.source": {"repo": "../other", "path": "c.csv", "rev": "today"}})
    shop.clone.git("commit", "--quiet", "--all", "--message", "today's")
    # DVC tells the MD5: the table need not be there.
    hidden = shutil.move(other.root / ".dvc/cache", tmp_path / "hidden")
    (other.root / "c.csv").unlink()
    assert "nothing new: main has this table (c.csv in ../other@today)" in shop.retrain(
        "--no-pull-request"
    )
    shutil.move(hidden, other.root / ".dvc/cache")
    edit(shop.clone, {"data.source": {"repo": "../other", "path": "c.csv"}})
    commit_with_lock(shop.clone, "the newest")
    assert "Retrain on 6,300 customers (+300)" in shop.retrain("--no-pull-request")


@pytest.mark.exhaustive
def test_a_folder_is_replaced_as_a_whole_and_what_is_beside_it_stays(shop: Shop) -> None:
    data, export = shop.clone.root / "data", shop.export.parent / "export"
    (data / "customers.csv").unlink()
    (data / "note.txt").write_text("about the customers")
    for folder in (data / "customers", export):
        write(folder / "day=1/part.parquet", 6000, 3)
    (export / "_SUCCESS").touch()
    edit(shop.clone, {"data.path": "data/customers", "data.source": str(export)})
    shop.clone.run("dvc", "add", "--quiet", "data")
    commit_with_lock(shop.clone, "a folder")
    assert "nothing new: main has this table" in shop.retrain("--no-pull-request")

    shutil.rmtree(export / "day=1")
    shop.put(6300)
    table = pd.read_csv(shop.export)
    table.head(3000).to_parquet(export / "0.parquet")
    table.tail(3300).to_parquet(export / "1.parquet")
    name = json.loads(shop.retrain("--no-pull-request", "--json"))["branch"]

    files = {f"customers/{part}.parquet": export / f"{part}.parquet" for part in (0, 1)}
    files["note.txt"] = data / "note.txt"
    md5s = {path: hashlib.md5(file.read_bytes()).hexdigest() for path, file in files.items()}
    assert listing.data_md5(shop.show(name, "data.dvc")) == listing.folder_md5(md5s)
