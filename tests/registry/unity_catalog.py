"""A stand-in for Databricks: Unity Catalog's registry of models, and MLflow's tracking beside it.

It speaks the protocol of MLflow's client for ``databricks-uc``, and refuses what Unity Catalog
refuses, as its documentation and MLflow's issues say: names without three levels, tags by its
rules, filters but for one name. It has no stages, and its search returns no tags and no aliases.
Files go through presigned addresses, as in its default storage. What is asked of MLflow's tracking
goes to a real MLflow server, whose files are in a folder.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests

TOKEN = "dapi-of-a-test"
_REGISTRY = "/api/2.0/mlflow/unity-catalog/"
_FILES = "/signed"
_WORKSPACE = (
    "/.well-known/databricks-config"  # asked by Databricks' own package, before it signs in
)
_NAME = re.compile(r"[^./\s]+\.[^./\s]+\.[^./\s]+")
_FILTER = re.compile(r"(name|run_id) ?= ?'([^']*)'")
_RESERVED = set(".,-=/:")
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 50, 255, 1000
_EXPERIMENTS = ("experiments/create", "experiments/update")

Json = dict[str, Any]


class RefusedError(Exception):
    """An answer with an error, as Databricks gives it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.answer = status, {"error_code": code, "message": message}


def _invalid(message: str) -> RefusedError:
    return RefusedError(400, "INVALID_PARAMETER_VALUE", message)


@dataclass
class Catalog:
    """The registered models, and what was refused to whom."""

    files: Path
    models: dict[str, Json] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def aliases(self, name: str) -> dict[str, int]:
        return {alias: int(number) for alias, number in self.models[name]["aliases"].items()}

    def tags(self, name: str, number: int) -> dict[str, str]:
        return dict(self._version(name, str(number))["tags"])

    def answer(self, method: str, path: str, asked: Json) -> Json:
        """Answer a question about the registry."""
        name = asked.get("name")
        if name is not None and not _NAME.fullmatch(name):
            raise _invalid(
                f"{name} is not a valid name: specify all three levels of the Unity Catalog"
                " namespace (catalog.schema.model)"
            )
        what = f"_{method.lower()}_{re.sub(r'[^a-z]', '_', path)}"
        handler = getattr(self, what, None)
        if handler is None:
            raise RefusedError(404, "ENDPOINT_NOT_FOUND", f"{method} {path}")
        answer: Json = handler(asked)
        return answer

    def _model(self, name: str) -> Json:
        if name not in self.models:
            raise RefusedError(
                404, "RESOURCE_DOES_NOT_EXIST", f"Routine or Model '{name}' does not exist."
            )
        return self.models[name]

    def _version(self, name: str, number: str) -> Json:
        versions: dict[str, Json] = self._model(name)["versions"]
        if number not in versions:
            raise RefusedError(
                404, "RESOURCE_DOES_NOT_EXIST", f"Model Version '{name}' {number} does not exist."
            )
        return versions[number]

    def _described(self, model: Json) -> Json:
        aliases = [{"alias": a, "version": v} for a, v in model["aliases"].items()]
        return {"registered_model": {"name": model["name"], "aliases": aliases,
                                     "description": model["description"]}}  # fmt: skip

    def _version_described(self, version: Json) -> Json:
        model = self.models[version["name"]]
        aliases = [a for a, v in model["aliases"].items() if v == version["version"]]
        tags = [{"key": key, "value": value} for key, value in version["tags"].items()]
        return {"model_version": version | {
            "tags": tags, "aliases": [{"alias": a, "version": version["version"]} for a in aliases],
        }}  # fmt: skip

    def _post_registered_models_create(self, asked: Json) -> Json:
        name = asked["name"]
        if name in self.models:
            raise RefusedError(
                400, "RESOURCE_ALREADY_EXISTS",
                f"Routine or Model '{name}' already exists in schema",
            )  # fmt: skip
        self.models[name] = {
            "name": name, "description": asked.get("description", ""),
            "aliases": {}, "versions": {}, "made": 0,
        }  # fmt: skip
        return self._described(self.models[name])

    def _patch_registered_models_update(self, asked: Json) -> Json:
        model = self._model(asked["name"])
        model["description"] = asked.get("description", model["description"])
        return self._described(model)

    def _delete_registered_models_delete(self, asked: Json) -> Json:
        self._model(asked["name"])
        del self.models[asked["name"]]
        return {}

    def _get_registered_models_get(self, asked: Json) -> Json:
        return self._described(self._model(asked["name"]))

    def _post_model_versions_create(self, asked: Json) -> Json:
        model = self._model(asked["name"])
        tags = {tag["key"]: tag.get("value", "") for tag in asked.get("tags", [])}
        _require_tags(tags)
        model["made"] += 1
        number = str(model["made"])
        kept = {key: asked[key] for key in ("name", "source", "run_id", "description", "model_id")
                if key in asked}  # fmt: skip
        model["versions"][number] = {
            **kept, "version": number, "tags": tags, "status": "PENDING_REGISTRATION",
            "storage_location": "",
        }  # fmt: skip
        return self._version_described(model["versions"][number])

    def _post_model_versions_finalize(self, asked: Json) -> Json:
        version = self._version(asked["name"], asked["version"])
        version["status"] = "READY"
        return self._version_described(version)

    def _get_model_versions_get(self, asked: Json) -> Json:
        return self._version_described(self._version(asked["name"], asked["version"]))

    def _get_model_versions_search(self, asked: Json) -> Json:
        found = _FILTER.fullmatch(asked.get("filter", ""))
        if found is None:
            raise _invalid(f"Unsupported filter query: {asked.get('filter')}")
        key, value = found.groups()
        if key == "name" and not _NAME.fullmatch(value):
            raise _invalid(f"{value}: specify all three levels of the Unity Catalog namespace")
        every = [v for model in self.models.values() for v in model["versions"].values()]
        found_versions = [
            {k: v for k, v in version.items() if k != "tags"}
            for version in every if version.get(key) == value
        ]  # fmt: skip
        start = int(asked.get("page_token") or 0)
        end = start + min(int(asked.get("max_results", 100)), 2)  # pages, to be gone through
        more = {"next_page_token": str(end)} if end < len(found_versions) else {}
        return {"model_versions": found_versions[start:end], **more}

    def _get_model_versions_get_download_uri(self, asked: Json) -> Json:
        self._version(asked["name"], asked["version"])
        return {"artifact_uri": ""}

    def _post_model_versions_generate_temporary_credentials(self, asked: Json) -> Json:
        self._version(asked["name"], asked["version"])
        return {"credentials": {"storage_mode": "DEFAULT_STORAGE"}}

    def _post_registered_models_alias(self, asked: Json) -> Json:
        self._version(asked["name"], asked["version"])
        self._model(asked["name"])["aliases"][asked["alias"]] = asked["version"]
        return {}

    def _delete_registered_models_alias(self, asked: Json) -> Json:
        self._model(asked["name"])["aliases"].pop(asked["alias"], None)
        return {}

    def _get_registered_models_alias(self, asked: Json) -> Json:
        number = self._model(asked["name"])["aliases"].get(asked["alias"])
        if number is None:
            raise RefusedError(
                404, "RESOURCE_DOES_NOT_EXIST", f"Alias {asked['alias']} does not exist."
            )
        return self._version_described(self._version(asked["name"], number))

    def _post_model_versions_set_tag(self, asked: Json) -> Json:
        tags = self._version(asked["name"], asked["version"])["tags"]
        changed = {**tags, asked["key"]: asked.get("value", "")}
        _require_tags(changed)
        tags.update(changed)
        return {}

    def _delete_model_versions_delete_tag(self, asked: Json) -> Json:
        self._version(asked["name"], asked["version"])["tags"].pop(asked["key"], None)
        return {}

    def _get_registered_models_is_databricks_sdk_models_artifact_repository_enabled(
        self, asked: Json
    ) -> Json:
        return {"is_databricks_sdk_models_artifact_repository_enabled": False}


def _require_tags(tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if _RESERVED & set(key):
            raise _invalid(
                f"Tag name {key} contains one or more of the reserved characters:"
                " List(., ,, -, =, /, :)"
            )
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise _invalid(f"Tag {key} is too long")
        if (key, value) != (key.strip(), value.strip()):
            raise _invalid(f"Tag {key} has leading or trailing spaces")
    if len(tags) > _MOST_TAGS:
        raise RefusedError(400, "RESOURCE_EXHAUSTED", f"more than {_MOST_TAGS} tags")


class _Handler(BaseHTTPRequestHandler):
    """Answer for the workspace; `catalog` and `tracking` are set by `serving`."""

    protocol_version = "HTTP/1.1"
    catalog: Catalog
    tracking: str

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        try:
            if address.path.startswith(_FILES):
                self._send(200, self._file(address.path, body))
                return
            if address.path == _WORKSPACE:
                self._send(200, json.dumps({"oidc_endpoint": "", "workspace_id": "1"}).encode())
                return
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise RefusedError(401, "UNAUTHENTICATED", "Credential was not sent or was invalid")
            asked = {**dict(parse_qsl(address.query)), **(json.loads(body) if body else {})}
            self._answer(address.path, asked, body)
        except RefusedError as refused:
            if refused.status != 404 and "already exists" not in str(refused):  # asked on purpose
                self.catalog.refused.append(f"{self.command} {self.path}: {refused}")
            self._send(refused.status, json.dumps(refused.answer).encode())

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _any  # noqa: N815

    def _answer(self, path: str, asked: Json, body: bytes) -> None:
        if path.startswith(_REGISTRY):
            with self.catalog.lock:
                answer = self.catalog.answer(self.command, path.removeprefix(_REGISTRY), asked)
        elif path.startswith("/api/2.0/fs/"):
            answer = self._directory(path.removeprefix("/api/2.0/fs/"), asked)
        elif re.match(r"/api/\d\.\d/mlflow/(registered-models|model-versions)/", path):
            raise RefusedError(
                404, "ENDPOINT_NOT_FOUND", "the workspace's own registry is disabled"
            )
        else:
            self._track(path, asked, body)
            return
        self._send(200, json.dumps(answer).encode())

    def _track(self, path: str, asked: Json, body: bytes) -> None:
        if path.endswith(_EXPERIMENTS) and not asked.get("name", "/").startswith("/"):
            raise _invalid(
                f"Got an invalid experiment name '{asked['name']}'. An experiment name must be an"
                " absolute path within the Databricks workspace, e.g."
                " '/Users/<some-username>/my-experiment'."
            )
        answer = requests.request(
            self.command, f"{self.tracking}{self.path}", data=body, timeout=60,
            headers={"Content-Type": self.headers.get("Content-Type", "application/json")},
        )  # fmt: skip
        self._send(answer.status_code, answer.content)

    def _path(self, name: str) -> Path:
        return self.catalog.files / unquote(name).strip("/")

    def _directory(self, path: str, asked: Json) -> Json:
        if path in ("create-upload-url", "create-download-url"):
            host = self.headers["Host"]
            return {"url": f"http://{host}{_FILES}{asked['path']}", "headers": []}
        listed = self._path(path.removeprefix("directories"))
        if not listed.is_dir():
            raise RefusedError(404, "NOT_FOUND", f"{path} is no directory")
        return {"contents": [
            {"path": f"/{entry.relative_to(self.catalog.files)}", "is_directory": entry.is_dir(),
             "file_size": entry.stat().st_size}
            for entry in sorted(listed.iterdir())
        ]}  # fmt: skip

    def _file(self, path: str, body: bytes) -> bytes:
        file = self._path(path.removeprefix(_FILES))
        if self.command == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            return b""
        if not file.is_file():
            raise RefusedError(404, "NOT_FOUND", f"{path} is not there")
        return file.read_bytes()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Workspace:
    """The stand-in at work."""

    url: str
    catalog: Catalog

    @property
    def environment(self) -> dict[str, str]:
        """What docs/operations.md tells to set."""
        return {
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_REGISTRY_URI": "databricks-uc",
            "MLFLOW_EXPERIMENT_NAME": "/Shared/churn",
            "DATABRICKS_HOST": self.url,
            "DATABRICKS_TOKEN": TOKEN,
        }


@contextmanager
def serving(folder: Path, tracking: str) -> Iterator[Workspace]:
    """Serve an empty catalog, with the MLflow server at `tracking` beside it."""
    catalog = Catalog(folder)
    handler = type("Handler", (_Handler,), {"catalog": catalog, "tracking": tracking})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Workspace(f"http://127.0.0.1:{server.server_port}", catalog)
    finally:
        server.shutdown()
        server.server_close()
