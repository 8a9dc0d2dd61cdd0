"""A working copy of a registry that a branch stores: a temporary folder for one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import mlflow

from churn.core.errors import FasterError, NotNowError, RegistryError
from churn.core.files import scratch
from churn.core.params import ReleaseParams
from churn.core.progress import announce
from churn.registry.branch import DATABASE, Branch
from churn.registry.moves import Registry
from churn.tracking import connection, local_store

T = TypeVar("T")
_PREFIX = "churn-registry-"
_TRIES = 3


@contextmanager
def working_copy(root: Path) -> Iterator[WorkingCopy | None]:
    """Use the newest registry, if a branch stores it.

    MLflow uses a copy until the block ends. Changes of the copy are published by
    `WorkingCopy.move` only.

    Parameters
    ----------
    root : Path
        The repository.

    Yields
    ------
    WorkingCopy or None
        None if the registry is a server or the store in this folder; then nothing is copied.

    Raises
    ------
    RegistryError
        If the branch cannot be read.
    """
    name = local_store.registry_branch()
    if name is None:
        yield None
        return
    with scratch(_PREFIX) as folder:
        copy = WorkingCopy(root, Branch(root, name), folder)
        try:
            copy.refresh()
            yield copy
        finally:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # unset, as it was


@contextmanager
def exported(root: Path, name: str) -> Iterator[str]:
    """Give the MLflow address of a copy of the registry that a branch stores.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        The branch's name.

    Raises
    ------
    RegistryError
        If there is no such branch, or it cannot be read.
    """
    branch = Branch(root, name)
    with scratch(_PREFIX) as folder:
        commit = branch.fetch()
        if not commit:
            raise RegistryError(f"branch {name}: not there")
        branch.lay_out(commit, folder)
        local_store.relocate_artifact_uris(folder, whole=True)
        yield _address(folder)


class WorkingCopy:
    """A registry that was read from a branch, with the changes made since.

    Parameters
    ----------
    root : Path
        The repository.
    branch : Branch
    folder : Path
        A temporary folder.
    """

    def __init__(self, root: Path, branch: Branch, folder: Path) -> None:
        self._root, self._branch, self._scratch = root, branch, folder
        self._number = 0
        self._read = ""

    def refresh(self) -> None:
        """Read the newest registry, and drop the changes made here.

        Raises
        ------
        RegistryError
            If the branch cannot be read.
        """
        self._lay_out(self._branch.fetch())

    @property
    def _folder(self) -> Path:
        return self._scratch / str(self._number)

    def _lay_out(self, commit: str) -> None:
        self._number += 1  # a new folder each time: MLflow keeps the old database open
        self._folder.mkdir()
        if commit:
            self._branch.lay_out(commit, self._folder)
        mlflow.set_tracking_uri(_address(self._folder))
        if not commit:
            with connection.translate_errors():
                mlflow.MlflowClient().search_experiments()  # creates the database
        local_store.relocate_artifact_uris(self._folder, whole=True)
        self._read = commit

    def move(self, act: Callable[[], T], settings: ReleaseParams, again: bool = False) -> T:
        """Call a function that changes the registry, and publish the changes, even if it fails.

        Parameters
        ----------
        act : callable
            Changes the registry that MLflow uses when it is called.
        settings : ReleaseParams
        again : bool
            Whether it may be called again, on the newest registry, if another process has
            published a change meanwhile.

        Raises
        ------
        NotNowError
            If another process has published first; nothing is published then.
        RegistryError
            If the changes cannot be published; MLflow then uses the registry as it was read.
        ChurnError
            Raised by `act`.
        """
        tries = _TRIES if again else 1
        while True:
            try:
                return self._move(act, settings)
            except FasterError as error:
                self.refresh()
                reason = f"another one was faster: {_newest(self._root, settings)}"
                tries -= 1
                if not tries:
                    raise NotNowError(
                        f"{reason}; nothing of this command was kept: look at churn status, and run"
                        " it again if it is still right"
                    ) from error
                announce(f"{reason}; trying again, on the newest registry")

    def _move(self, act: Callable[[], T], settings: ReleaseParams) -> T:
        before = self._branch.tree(self._folder)
        try:
            done = act()
        except Exception as error:
            try:
                self._publish(before, settings)
            except FasterError:
                raise
            except RegistryError as unpublished:
                raise RegistryError(f"{unpublished}; and before that: {error}") from error
            raise
        self._publish(before, settings)
        return done

    def _publish(self, before: str, settings: ReleaseParams) -> None:
        after = self._branch.tree(self._folder)
        if after == before:
            return
        try:
            self._read = self._branch.publish(after, self._read, _newest(self._root, settings))
        except RegistryError:
            self._lay_out(self._read)  # so that status shows no change that was not published
            raise


def _newest(root: Path, settings: ReleaseParams) -> str:
    """Describe the newest event in the registry."""
    versions = Registry(root, settings).versions()
    found = [(event, version.number) for version in versions for event in version.events]
    if not found:
        return "nothing is registered"
    event, number = max(found, key=lambda pair: pair[0].when)
    return f"{event.what} of version {number} by {event.by} at {event.when[:19]} UTC ({event.why})"


def _address(folder: Path) -> str:
    return f"sqlite:///{(folder / DATABASE).resolve()}"
