"""scikit-learn's multilayer perceptrons on densecore's core: ``MLPClassifier``, ``MLPRegressor``.

They take scikit-learn's parameters and give its fitted attributes, and work in its pipelines,
searches and cross-validations. scikit-learn is imported here and nowhere else in densecore.
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
from ._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
