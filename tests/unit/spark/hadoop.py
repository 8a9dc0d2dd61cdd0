"""A stand-in for Spark's access to files, on this machine, whose renames can be made to fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class HadoopPath:
    """As `org.apache.hadoop.fs.Path`."""

    def __init__(self, files: Files, text: str) -> None:
        self.files, self.path = files, Path(os.path.normpath(text))

    def getFileSystem(self, settings: object) -> Files:  # noqa: N802
        return self.files

    def getParent(self) -> HadoopPath:  # noqa: N802
        return HadoopPath(self.files, str(self.path.parent))

    def getName(self) -> str:  # noqa: N802
        return self.path.name


class Files:
    """As `org.apache.hadoop.fs.FileSystem`."""

    def __init__(self) -> None:
        self.before_rename: Callable[[Path, Path], object] = lambda path, target: None
        self.before_delete: Callable[[Path], object] = lambda path: None
        self.spark: Any = SimpleNamespace(
            _jvm=SimpleNamespace(
                org=SimpleNamespace(
                    apache=SimpleNamespace(
                        hadoop=SimpleNamespace(
                            fs=SimpleNamespace(Path=lambda text: HadoopPath(self, text))
                        )
                    )
                )
            ),
            _jsc=SimpleNamespace(hadoopConfiguration=lambda: None),
        )

    def exists(self, path: HadoopPath) -> bool:
        return path.path.exists()

    def listStatus(self, path: HadoopPath) -> list[SimpleNamespace]:  # noqa: N802
        return [
            SimpleNamespace(
                isDirectory=found.is_dir,
                getPath=lambda found=found: HadoopPath(self, str(found)),
            )
            for found in path.path.iterdir()
        ]

    def mkdirs(self, path: HadoopPath) -> bool:
        path.path.mkdir(parents=True, exist_ok=True)
        return True

    def rename(self, path: HadoopPath, target: HadoopPath) -> bool:
        if self.before_rename(path.path, target.path) is False:
            return False
        into = target.path / path.path.name if target.path.is_dir() else target.path
        path.path.rename(into)
        return True

    def delete(self, path: HadoopPath, recursive: bool) -> bool:
        self.before_delete(path.path)
        if not path.path.exists():
            return False
        if path.path.is_file():
            path.path.unlink()
        elif recursive:
            shutil.rmtree(path.path)
        else:
            path.path.rmdir()
        return True

    def create(self, path: HadoopPath, overwrite: bool) -> Any:
        self.mkdirs(path.getParent())
        return path.path.open("wb")
