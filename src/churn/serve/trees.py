"""treelite's GTIL, called with as little around it as can be.

`treelite.gtil.predict_per_tree` describes each call in JSON and asks for the shape of its result:
several times the time of the trees themselves, for one customer. Here both are done once, by the C
interface that treelite documents (`TreeliteGTILParseConfig`, `TreeliteGTILPredict`).
"""

from __future__ import annotations

import ctypes
import json

import numpy as np
import treelite
from treelite.libpath import find_lib_path

_KINDS = ("score_per_tree", "leaf_id")
_POINTER, _COUNT, _TEXT = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p


def _declared() -> ctypes.CDLL:
    library = ctypes.CDLL(find_lib_path()[0])
    library.TreeliteGetLastError.restype = _TEXT
    library.TreeliteGTILParseConfig.argtypes = [_TEXT, ctypes.POINTER(_POINTER)]
    library.TreeliteGTILDeleteConfig.argtypes = [_POINTER]
    library.TreeliteGTILPredict.argtypes = [_POINTER, _POINTER, _TEXT, _COUNT, _POINTER, _POINTER]
    return library


_library = _declared()


class Trees:
    """The answers of the single trees of a model.

    Parameters
    ----------
    model : treelite.Model
        With thresholds and answers in float64.
    leaves : bool, default=False
        Whether the answer is the number of the leaf, as scikit-learn counts the tree's nodes:
        treelite divides the shares in a leaf by their sum, which changes their last digit.
    """

    def __init__(self, model: treelite.Model, leaves: bool = False) -> None:
        if (model.input_type, model.output_type) != ("float64", "float64"):
            raise TypeError(f"trees of {model.input_type} and {model.output_type}, not float64")
        self._model = model  # keeps what the handle names
        self._n_features: int = model.num_feature
        ask = treelite.gtil.predict_leaf if leaves else treelite.gtil.predict_per_tree
        one = ask(model, np.zeros((1, self._n_features)), nthread=1)
        self._width = one.size  # answers of a customer
        config = json.dumps({"predict_type": _KINDS[leaves], "nthread": 1}).encode()
        self._config = _POINTER()
        _check(_library.TreeliteGTILParseConfig(config, ctypes.byref(self._config)))

    def __del__(self) -> None:
        config = getattr(self, "_config", None)
        if config:
            _library.TreeliteGTILDeleteConfig(config)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return each tree's answer.

        Parameters
        ----------
        features : ndarray of float64, shape (n_customers, n_features)

        Returns
        -------
        ndarray of float64, shape (n_customers, n_trees * n_values)

        Raises
        ------
        ValueError
            If the features are of another shape or type.
        """
        features = np.ascontiguousarray(features)
        if features.dtype != np.float64 or features.shape[1:] != (self._n_features,):
            raise ValueError(f"{features.dtype} of shape {features.shape}")
        count = len(features)
        found = np.zeros((count, self._width))
        code = _library.TreeliteGTILPredict(
            self._model.handle,
            features.ctypes.data,
            b"float64",
            count,
            found.ctypes.data,
            self._config,
        )
        _check(code)
        return found


def _check(code: int) -> None:
    if code:
        raise RuntimeError(f"treelite: {_library.TreeliteGetLastError().decode()}")
