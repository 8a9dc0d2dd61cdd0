"""Describe the machine: besides the inputs, a result's last digits depend on it."""

from __future__ import annotations

import platform

import numpy as np

# Imported so that its BLAS is loaded: `threadpool_info` lists loaded libraries only.
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info


def describe() -> dict[str, str]:
    """Describe what floating-point results depend on: the platform and its libraries.

    Returns
    -------
    dict of str to str
        ``system``, ``processor``, ``libc``, ``python`` (3.12), ``simd`` (the newest instructions
        that NumPy uses) and ``blas`` (the kernels that OpenBLAS has chosen). On two machines with
        equal descriptions, the same inputs give the same bytes.
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
