"""Let new files take the place of old ones, such that at any moment one of both is whole.

::

    new/…           what is to be there, by the paths that it will have
    swap/old/…      what was there
    swap/aside      all of the old is below ``swap/old``; what is in its place is new
    swap/moved      all of the new is in its place

The old is removed at the end. After a failure or a kill `restore` puts it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from churn.spark.files import Folder

NEW, _SWAP = "new", "swap"
_OLD, _ASIDE, _MOVED = f"{_SWAP}/old", f"{_SWAP}/aside", f"{_SWAP}/moved"


@dataclass(frozen=True)
class Swap:
    """Replaces what is in a folder by what was written below it.

    Attributes
    ----------
    folder : Folder
    own : str
        Subfolder in which ``new`` is.
    depth : int
        How many levels of partitions the folder has; 0 if files are replaced.
    """

    folder: Folder
    own: str
    depth: int

    def places(self, below: str, kinds: Sequence[str]) -> list[str]:
        """Return the partitions below a subfolder, without the kind; files are in one, ``""``."""
        leaves = [self.folder.leaves(self.depth, f"{below}/{kind}") for kind in kinds]
        return sorted({name for found in leaves for name in found})

    def run(self, kinds: Sequence[str]) -> None:
        """Replace partition by partition, of each of the kinds.

        Parameters
        ----------
        kinds : sequence of str
            Subfolders that have the same partitions: data, and bad rows.

        Raises
        ------
        ChurnError
            If something cannot be moved; of that partition the old is back then.
        """
        for name in self.places(f"{self.own}/{NEW}", kinds):
            try:
                self._one([f"{kind}/{name}".strip("/") for kind in kinds])
            except BaseException:
                self.restore(kinds)
                raise

    def restore(self, kinds: Sequence[str]) -> None:
        """Put back what was set aside, unless all that is new was moved."""
        old = f"{self.own}/{_OLD}"
        if not self.folder.exists(f"{self.own}/{_MOVED}"):
            names = self.places(old, kinds)
            slots = [f"{kind}/{name}".strip("/") for name in names for kind in kinds]
            if self.folder.exists(f"{self.own}/{_ASIDE}"):
                for slot in slots:
                    self._take_back(slot)
                self.folder.remove(f"{self.own}/{_ASIDE}")  # what is there from now on is old
            for entry in [entry for slot in slots for entry in self._entries(old, slot)]:
                self.folder.move(f"{old}/{entry}", entry)
        self._end()

    def _one(self, slots: Sequence[str]) -> None:
        new = f"{self.own}/{NEW}"
        for entry in [entry for slot in slots for entry in self._entries("", slot)]:
            self.folder.move(entry, f"{self.own}/{_OLD}/{entry}")
        self.folder.touch(f"{self.own}/{_ASIDE}")
        for entry in [entry for slot in slots for entry in self._entries(new, slot)]:
            self.folder.move(f"{new}/{entry}", entry)
        self.folder.touch(f"{self.own}/{_MOVED}")
        self._end()

    def _take_back(self, slot: str) -> None:
        for entry in self._entries("", slot):
            # Where a move is a copy, both are there after one that has failed.
            if self.folder.exists(f"{self.own}/{NEW}/{entry}"):
                self.folder.remove(entry)
            else:
                self.folder.move(entry, f"{self.own}/{NEW}/{entry}")

    def _end(self) -> None:
        self.folder.remove(f"{self.own}/{_OLD}")  # before what says that it may go
        self.folder.remove(f"{self.own}/{_SWAP}")

    def _entries(self, below: str, slot: str) -> list[str]:
        """Return what is moved at once: a whole partition, or else each file."""
        if self.depth:
            return [slot] if self.folder.exists(f"{below}/{slot}") else []
        files = self.folder.names(f"{below}/{slot}")[1]
        return [f"{slot}/{file}".strip("/") for file in files if file != "_SUCCESS"]
