"""What decides the last digits of a result beside the inputs: the kind of machine."""

from __future__ import annotations

import platform

import numpy as np

# Of the libraries that have been loaded; the import is for that.
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info


def describe() -> dict[str, str]:
    """Describe this machine as far as floating-point arithmetic depends on it.

    Returns
    -------
    dict of str to str
        ``system``, ``processor``, ``libc``, ``python`` (3.12), ``simd`` (the newest instructions
        that NumPy uses) and ``blas`` (the kernels that OpenBLAS has chosen). Where two of these are
        equal, the same inputs give the same bytes.
    """
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    kernels = {str(library.get("architecture", "")) for library in threadpool_info()} - {""}
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "simd": (simd["found"] or simd["baseline"] or ["none"])[-1],
        "blas": ", ".join(sorted(kernels)),
    }
