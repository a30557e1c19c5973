"""Estimators for scikit-learn's pipelines, searches and cross-validations.

``MLPClassifier`` and ``MLPRegressor`` are scikit-learn's multilayer perceptrons on densecore's
core, with its parameters and fitted attributes. ``KerasClassifier`` and ``KerasRegressor`` train a
model that a function builds, with SciKeras's parameters.
"""

try:
    import scipy.optimize as _scipy_optimize  # noqa: F401
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "densecore.sklearn needs scikit-learn and SciPy: pip install 'densecore[sklearn]'"
    ) from error

from ._classifier import MLPClassifier
from ._from_sklearn import from_sklearn
from ._keras import KerasClassifier, KerasRegressor
from ._regressor import MLPRegressor
from ._skl2onnx import register_skl2onnx

__all__ = [
    "KerasClassifier",
    "KerasRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "from_sklearn",
    "register_skl2onnx",
]
