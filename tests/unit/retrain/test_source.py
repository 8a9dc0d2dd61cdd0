"""Where the newest table is fetched from."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import DvcAddress
from churn.retrain.source import Source, md5s

CONTENT = b'id,site\n1,"<a href=""https://example.org"">"\n'  # with an address in it
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.mark.parametrize(
    "info",
    [
        {"ETag": f'"{MD5}"'},  # S3
        {"md5Hash": base64.b64encode(bytes.fromhex(MD5)).decode()},  # GCS
        {"content_settings": {"content_md5": bytearray(bytes.fromhex(MD5))}},  # Azure
        {"md5": MD5.upper()},
        {"Content-MD5": base64.b64encode(bytes.fromhex(MD5)).decode()},
    ],
)
def test_each_store_tells_the_md5_in_its_own_way(info: dict[str, Any]) -> None:
    assert md5s({"size": 3, "type": "file"} | info) == {MD5}


@pytest.mark.parametrize(
    "info",
    [{}, {"ETag": f'"{MD5}-12"'}, {"ETag": 'W/"abc"'}, {"md5Hash": "?"}, {"content_settings": 3}],
)
def test_what_is_no_md5_is_none(info: dict[str, Any]) -> None:
    assert md5s(info) == frozenset()


def test_a_file_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "export.csv").write_bytes(CONTENT)
    source = Source(tmp_path / "project", "../export.csv")
    assert source.fetch(tmp_path / "new/customers.csv") == {"": MD5}
    assert (tmp_path / "new/customers.csv").read_bytes() == CONTENT


def test_a_folder_of_parquet_files_without_what_spark_leaves_there(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "day=1").mkdir(parents=True)
    pd.DataFrame({"a": [1]}).to_parquet(folder / "day=1/part-0.parquet")
    pd.DataFrame({"a": [2]}).to_parquet(folder / "part-1.parquet")
    (folder / "_SUCCESS").touch()
    source = Source(tmp_path, str(folder))
    assert source.known_md5s() == frozenset()
    found = source.fetch(tmp_path / "new/customers")
    assert sorted(found) == ["day=1/part-0.parquet", "part-1.parquet"]
    below = [path for path in tmp_path.glob("new/customers/**/*") if path.is_file()]
    assert sorted(path.name for path in below) == ["part-0.parquet", "part-1.parquet"]


def test_a_folder_that_cannot_be_read_in_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2):
        (tmp_path / f"export/day={day}").mkdir(parents=True)
        pd.DataFrame({"a": [day]}).to_parquet(tmp_path / f"export/day={day}/part-0.parquet")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if os.fspath(path).endswith("export/day=2"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"export: cannot be fetched .*Input/output error"):
        Source(tmp_path, "export").fetch(tmp_path / "new")


def test_a_folder_without_parquet_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export/a.txt").touch()
    with pytest.raises(DataError, match=r"export: a folder without Parquet files$"):
        Source(tmp_path, "export").fetch(tmp_path / "new")


class _Server(BaseHTTPRequestHandler):
    def __init__(self, asked: list[str], *arguments: Any) -> None:
        self.asked = asked
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(CONTENT)

    def _answer(self, content: bytes) -> None:
        self.asked.append(self.command)
        is_there = self.path.startswith("/export.csv")
        self.send_response(200 if is_there else 403)
        self.send_header("ETag", f'"{MD5}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web(asked: list[str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, asked))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_over_http_it_is_a_file_and_its_md5_is_known_before_it_is_fetched(tmp_path: Path) -> None:
    asked: list[str] = []
    with web(asked) as host:
        source = Source(tmp_path, f"{host}/export.csv?signature=secret")
        assert source.known_md5s() == {MD5}
        assert set(asked) == {"HEAD"}
        assert source.fetch(tmp_path / "new.csv") == {"": MD5}
        assert source.shown == f"{host}/export.csv"


@pytest.mark.slow
def test_what_cannot_be_fetched_is_one_line_without_secrets(tmp_path: Path) -> None:
    with web([]) as host:
        address = host.replace("//", "//me:password@") + "/gone.csv?signature=secret"
        with pytest.raises(DataError) as caught:
            Source(tmp_path, address).fetch(tmp_path / "new.csv")
    said = str(caught.value)
    assert said.startswith(f"{host}/gone.csv: cannot be fetched (")
    assert "403" in said or "not there" in said
    assert not any(word in said for word in ("password", "secret", "\n"))
    with pytest.raises(DataError, match=r"^gone\.csv: cannot be fetched \(not there\); correct"):
        Source(tmp_path, "gone.csv").known_md5s()
    with pytest.raises(DataError, match="cannot be fetched"):
        Source(tmp_path, "what://is/this").known_md5s()


def test_a_dvc_address_is_shown_with_its_path_and_without_a_password() -> None:
    address = DvcAddress(repo="https://me:secret@github.com/octo/data", path="c.csv", rev="v2")
    assert Source(Path(), address).shown == "c.csv in https://github.com/octo/data@v2"
