"""What a worker is started with."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from churn.core.params import ServeParams


class Orders(BaseModel):
    """Orders of a worker, as JSON in its first argument.

    Attributes
    ----------
    socket : int
        Descriptor of the socket that all workers share.
    parent : int
        Descriptor of a pipe that ends with the supervisor.
    store : Path
        Folder of the local copy.
    numbers : Path
        Folder of the numbers of all workers.
    settings : ServeParams
    """

    socket: int
    parent: int
    store: Path
    numbers: Path
    settings: ServeParams
