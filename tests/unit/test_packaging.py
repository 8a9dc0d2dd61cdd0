"""Containerfile, compose.yaml and deploy/kubernetes: what no schema says, and that they agree."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from churn.cli.main import cli
from churn.core import params
from churn.core.params import ServeParams
from churn.serve.access import Keys
from churn.serve.app import App
from tests.conftest import ROOT

CONTAINERFILE = (ROOT / "Containerfile").read_text()
MANIFESTS = ROOT / "deploy/kubernetes"
PAGE = (ROOT / "docs/containers.md").read_text()
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
_KILLED_S = 5  # after serve.drain_s; see churn.serve.supervisor
PROGRAMS = {
    "hadolint": "make setup check installs it",
    "kubernetes-validate": "make setup check installs it",
    "kustomize": "install it with scripts/tools .venv/bin kustomize",
}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Containerfile: words in capitals, and what follows them."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def last_stage(text: str) -> list[tuple[str, str]]:
    """Return the instructions of what becomes the image."""
    found = instructions(text)
    return found[max(place for place, (word, _) in enumerate(found) if word == "FROM") :]


def faults(text: str) -> set[str]:
    """Say what is wrong with a Containerfile."""
    everything, image = instructions(text), last_stage(text)
    found = set()
    for _, base in (each for each in everything if each[0] == "FROM"):
        if not re.match(r"[\w./-]+:\d+\.\d+\.\d+-slim-\w+(@sha256:\w{64})?( AS \w+)?$", base):
            found.add(f"not pinned: {base}")
    for word, rest in everything:
        if word == "RUN":
            found |= {f"without hashes: {part.split()[-1]}" for part in rest.split("&&")
                      if re.search(r"pip (install|sync)", part) and "--no-deps" not in part
                      and "--require-hashes" not in part}  # fmt: skip
        if word == "ADD" or re.search(r"https?://(?!127\.0\.0\.1)", rest):
            found.add(f"from elsewhere: {rest.split()[0]}")
    words = dict(image)
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", words.get("USER", "")):
        found.add("the user may be root")
    if not re.fullmatch(r'\["churn", "serve"(, "[^"]+")*\]', words.get("ENTRYPOINT", "")):
        found.add("a shell gets the signals")
    if not re.search(r'CMD \["python", "-c", ', words.get("HEALTHCHECK", "")):
        found.add("no healthcheck")
    if not any(word == "RUN" and "pip uninstall" in rest for word, rest in image):
        found.add("pip stays")
    if any("apt-get install" in rest for word, rest in image if word == "RUN"):
        found.add("programs that are not needed")
    return found


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text())
    return loaded


IMAGE = dict(last_stage(CONTAINERFILE))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
POD: dict[str, Any] = manifest("deployment")["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
COMMAND: list[str] = json.loads(IMAGE["ENTRYPOINT"])
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def test_nothing_is_wrong_with_the_image() -> None:
    assert faults(CONTAINERFILE) == set()


def test_what_is_wrong_with_an_image_is_found() -> None:
    bad = """
FROM python:latest AS build
RUN pip install uv \\
 && pip sync --require-hashes a.txt && pip install --requirement b.txt
FROM python:3.12-slim
ADD https://example.org/churn.tar.gz /
RUN apt-get install gcc
USER churn
ENTRYPOINT churn serve
"""
    assert faults(bad) == {
        "not pinned: python:latest AS build",
        "not pinned: python:3.12-slim",
        "without hashes: uv",
        "without hashes: b.txt",
        "from elsewhere: https://example.org/churn.tar.gz",
        "the user may be root",
        "a shell gets the signals",
        "no healthcheck",
        "pip stays",
        "programs that are not needed",
    }
    assert "the user may be root" in faults(CONTAINERFILE.replace("USER 10001", "USER 0"))


def test_its_python_is_that_of_the_workflows() -> None:
    setup = yaml.safe_load((ROOT / ".github/actions/setup/action.yml").read_text())
    wanted = setup["inputs"]["python-version"]["default"]
    found = {base.partition(":")[2] for word, base in instructions(CONTAINERFILE) if word == "FROM"}
    assert len({tag.partition(" ")[0] for tag in found}) == 1  # or the environment has no Python
    assert all(tag.startswith(f"{wanted}.") for tag in found)
    assert set(re.findall(r"python(3\.\d+)", CONTAINERFILE)) == {wanted}


def allowed(name: str) -> bool:
    """Tell whether a file goes into the build, as .dockerignore says: the last line decides."""
    goes, parents = True, [str(parent) for parent in Path(name).parents if parent.name]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").replace("**/", "*")
        if line.startswith("#"):
            continue
        if any(fnmatch.fnmatch(part, pattern) for part in (name, *parents)):
            goes = line.startswith("!")
    return goes


def test_what_is_copied_goes_into_the_build_and_nothing_else() -> None:
    copied = {
        source
        for word, rest in instructions(CONTAINERFILE)
        if word == "COPY" and "--from=" not in rest
        for source in rest.split()[:-1]
    }
    assert all((ROOT / name).exists() and allowed(name) for name in copied)
    named = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(named) == copied
    for name in (".env", ".git/config", "data/customers.csv", "mlflow.db", "requirements/dev.txt",
                 "build/model/pipeline.skops", "src/churn/__pycache__/a.pyc"):  # fmt: skip
        assert not allowed(name), name
    assert allowed("src/churn/serve/app.py")


def test_all_have_one_user() -> None:
    security = POD["securityContext"]
    assert IMAGE["USER"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["fsGroup"] == security["runAsGroup"]
    user, group = IMAGE["USER"].split(":")
    for made in (f"--uid {user}", f"--gid {group}", f"--owner={user} --group={group}"):
        assert made in IMAGE["RUN"]


def test_all_have_one_port() -> None:
    [port] = [word.partition("=")[2] for word in COMMAND if word.startswith("--port=")]
    assert IMAGE["EXPOSE"] == port
    assert f"http://127.0.0.1:{port}/" in IMAGE["HEALTHCHECK"]
    assert COMPOSE["serve"]["ports"][0].endswith(f":{port}")
    assert f"http://127.0.0.1:{port}/" in COMPOSE["serve"]["healthcheck"]["test"][-1]
    [http] = CONTAINER["ports"]
    assert str(http["containerPort"]) == port
    assert {CONTAINER[probe]["httpGet"]["port"] for probe in PROBES} == {http["name"]}
    assert manifest("service")["spec"]["ports"][0]["targetPort"] == http["name"]
    ingress = manifest("networkpolicy")["spec"]["ingress"]
    assert ingress == [{"ports": [{"protocol": "TCP", "port": int(port)}]}]


def test_all_write_into_the_store_and_tmp_only() -> None:
    [store] = [word.partition("=")[2] for word in COMMAND if word.startswith("--store=")]
    place = f"{IMAGE['WORKDIR']}/{store}"
    assert IMAGE["VOLUME"] == place
    assert place in IMAGE["RUN"]
    # The default log is in there too.
    assert str(params.load(ROOT / "params.yaml").serve.log).startswith(f"{store}/")
    [volume] = COMPOSE["serve"]["volumes"]
    assert volume.partition(":")[2] == place
    assert COMPOSE["serve"]["read_only"] is True
    assert [one.partition(":")[0] for one in COMPOSE["serve"]["tmpfs"]] == ["/tmp"]
    mounted = {one["mountPath"]: one["name"] for one in CONTAINER["volumeMounts"]}
    assert set(mounted) == {place, "/tmp"}
    assert {one["name"] for one in POD["volumes"]} == set(mounted.values())


def test_no_right_is_left_that_is_not_needed() -> None:
    assert COMPOSE["serve"]["cap_drop"] == ["ALL"]
    assert COMPOSE["serve"]["security_opt"] == ["no-new-privileges:true"]
    # What the Pod Security Standard "restricted" demands, and a read-only file system.
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False


def status(path: str) -> int:
    """Ask a server that has a key and serves nothing yet, without the key."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = App(ServeParams(), Keys(["a key of this test"]))
    asyncio.run(app({"path": path, "headers": [], "method": "GET"}, receive, send))
    return int(sent[0]["status"])


def test_probes_ask_what_the_server_answers_without_a_key() -> None:
    paths = {probe: CONTAINER[probe]["httpGet"]["path"] for probe in PROBES}
    # A pod that has loaded nothing yet gets no requests, and is not restarted for it.
    assert {probe: status(path) for probe, path in paths.items()} == {
        "startupProbe": 200,
        "livenessProbe": 200,
        "readinessProbe": 503,
    }
    assert status("/v2/health/readyy") == 404
    assert status("/metrics") == 401
    for text in (IMAGE["HEALTHCHECK"], COMPOSE["serve"]["healthcheck"]["test"][-1]):
        [path] = re.findall(r"127\.0\.0\.1:\d+(/[\w/]+)", text)
        assert path == paths["readinessProbe"]


def test_both_healthchecks_are_one() -> None:
    how, _, text = IMAGE["HEALTHCHECK"].partition("CMD ")
    own = COMPOSE["serve"]["healthcheck"]
    assert ["CMD", *json.loads(text)] == own["test"]
    given = dict(re.findall(r"--([a-z-]+)=(\w+)", how))
    assert given == {k.replace("_", "-"): str(v) for k, v in own.items() if k != "test"}


@pytest.mark.parametrize("arguments", [CONTAINER["args"], COMPOSE["serve"]["command"]])
def test_the_server_takes_the_arguments(arguments: list[str]) -> None:
    program, name, *rest = [*COMMAND, *arguments]
    assert program == "churn"
    cli.commands[name].make_context(name, rest, parent=click.Context(cli))


def test_there_is_time_to_finish_requests() -> None:
    drain_s = params.load(ROOT / "params.yaml").serve.drain_s + _KILLED_S
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > before + drain_s
    assert float(COMPOSE["serve"]["stop_grace_period"].removesuffix("s")) > drain_s
    [stop] = re.findall(r"--stop-timeout (\d+)", PAGE)
    assert float(stop) > drain_s
    source = (ROOT / "src/churn/serve/supervisor.py").read_text()
    assert f"drain_s + {_KILLED_S}" in source


def test_the_variables_are_those_that_the_server_reads() -> None:
    given = {one["name"]: one["valueFrom"] for one in CONTAINER["env"]}
    assert set(given) == set(COMPOSE["serve"]["environment"])
    assert [name for name in given if name not in SOURCE] == []
    [generated] = manifest("kustomization")["configMapGenerator"]
    literals = dict(line.split("=", 1) for line in generated["literals"])
    for name, source in given.items():
        [(kind, reference)] = source.items()
        assert reference["key"] == name
        if kind == "configMapKeyRef":
            assert name in literals
            assert reference["name"] == generated["name"]
        else:  # which the page says how to make
            assert f"secret generic {reference['name']} " in PAGE
            assert f"--from-literal={name}=" in PAGE
    assert all(f"--env {name}" in PAGE for name in given)


@pytest.mark.slow
def test_the_registry_is_within_reach_and_answers_to_its_name() -> None:
    from mlflow.server.security_utils import is_allowed_host_header  # which takes seconds

    [generated] = manifest("kustomization")["configMapGenerator"]
    address = urlsplit(generated["literals"][0].partition("=")[2])
    ports = [port["port"] for rule in manifest("networkpolicy")["spec"]["egress"]
             for port in rule["ports"]]  # fmt: skip
    assert address.port in ports
    for uri in (address, urlsplit(COMPOSE["serve"]["environment"]["MLFLOW_TRACKING_URI"])):
        hosts = COMPOSE["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
        names = re.sub(r"\$\{\w+:-\}", "", hosts).split(",")
        assert is_allowed_host_header(names, uri.netloc)
        assert is_allowed_host_header(names, "127.0.0.1:5000")
        assert not is_allowed_host_header(names, "example.org:5000")


def test_all_manifests_are_about_the_same_pods() -> None:
    files = {path.stem for path in MANIFESTS.glob("*.yaml")} - {"kustomization"}
    assert {Path(name).stem for name in manifest("kustomization")["resources"]} == files
    deployment = manifest("deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert set(labels) == {"app.kubernetes.io/name", "app.kubernetes.io/component"}
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("pdb")["spec"]["selector"]["matchLabels"],
        manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in POD["topologySpreadConstraints"]),
        *(manifest(name)["metadata"]["labels"] for name in files),
    ]
    assert [one for one in selectors if one != labels] == []
    target = manifest("hpa")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_something_answers_while_pods_change() -> None:
    deployment, hpa = manifest("deployment")["spec"], manifest("hpa")["spec"]
    assert "replicas" not in deployment  # or each apply undoes what the autoscaler has done
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert manifest("pdb")["spec"]["maxUnavailable"] < hpa["minReplicas"]
    assert CONTAINER["resources"]["requests"]["cpu"]  # of which the autoscaler takes a share


def test_the_image_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert CONTAINER["image"].endswith(f":{version}")
    assert set(re.findall(r"(?:newTag: |churn:)([\d.]+)", PAGE)) == {version}


def check(root: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/lint-containers"],
        cwd=root,
        env=os.environ | ({} if path is None else {"PATH": path}),
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with what is checked, where every program is here that checks it."""
    for name, how in PROGRAMS.items():
        if not shutil.which(name):
            pytest.skip(f"{name} is missing; {how}")
    for name in ("scripts", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Containerfile", tmp_path)
    return tmp_path


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("bash", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = check(ROOT, str(tmp_path))
    assert done.returncode == 0
    said = [line.partition(" is not installed")[0] for line in done.stdout.splitlines()]
    assert said == ["skipped: hadolint", "skipped: kubernetes-validate"]


@pytest.mark.slow
def test_the_check_passes(copy: Path) -> None:
    done = check(copy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "good", "bad", "said"),
    [
        ("deployment", "maxUnavailable: 0", "maxUnavailble: 0", "'maxUnavailble' was unexpected"),
        ("deployment", "periodSeconds: 2", "periodSeconds: often", "periodSeconds"),
        ("hpa", "autoscaling/v2", "autoscaling/v3", "autoscaling/v3"),  # a kind without a schema
        ("networkpolicy", "port: 8000", "port: [8000]", "networkpolicy/churn-serve"),
        ("kustomization", "- pdb.yaml", "- pbd.yaml", "pbd.yaml"),
    ],
)
def test_a_broken_manifest_is_refused(
    copy: Path, name: str, good: str, bad: str, said: str
) -> None:
    path = copy / f"deploy/kubernetes/{name}.yaml"
    assert good in path.read_text()
    path.write_text(path.read_text().replace(good, bad, 1))
    done = check(copy)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_a_broken_containerfile_is_refused(copy: Path) -> None:
    text = CONTAINERFILE.replace("python:3.12.13-slim-trixie", "python:latest")
    (copy / "Containerfile").write_text(text)
    done = check(copy)
    assert done.returncode != 0
    assert "DL3007" in done.stdout  # the tag latest


@pytest.mark.slow
def test_the_overlay_of_the_page_is_one(copy: Path) -> None:
    [text] = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", PAGE, re.DOTALL)
    (copy / "deploy/production").mkdir()
    (copy / "deploy/production/kustomization.yaml").write_text(text)
    script = copy / "scripts/lint-containers"
    script.write_text(script.read_text().replace("deploy/kubernetes)", "deploy/production)"))
    done = check(copy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = subprocess.run(
        ["kustomize", "build", "deploy/production"],
        cwd=copy, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    by_kind = {one["kind"]: one for one in yaml.safe_load_all(made)}
    [container] = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "images.example.com/churn:0.1.0"
    assert by_kind["ConfigMap"]["data"] == {"MLFLOW_TRACKING_URI": "https://mlflow.example.com"}
    rules = by_kind["NetworkPolicy"]["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[53, 53], [443]]


def test_no_secret_is_in_the_manifests() -> None:
    texts = [path.read_text() for path in MANIFESTS.iterdir()]
    assert not any("kind: Secret" in text or "secretGenerator" in text for text in texts)
    secret = {one["name"] for one in CONTAINER["env"] if "secretKeyRef" in one["valueFrom"]}
    assert secret == set(COMPOSE["serve"]["environment"]) - {"MLFLOW_TRACKING_URI"}
