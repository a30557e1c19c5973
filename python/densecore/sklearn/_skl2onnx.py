"""The estimators as steps of pipelines that skl2onnx converts."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._base.dtypes import Array
from .._base.lazy import imports
from ..export.onnx_graph import OPSET, TYPES, Graph
from ._classifier import MLPClassifier
from ._export import answers, dtype_of
from ._regressor import MLPRegressor


class _Container(Graph):
    """A graph whose nodes go into the one that skl2onnx makes."""

    def __init__(self, dtype: str, scope: Any, container: Any) -> None:
        super().__init__(dtype)
        self._scope, self._container = scope, container

    def of_dtype(self, dtype: str) -> "Graph":
        return self  # networks and answers are of one type here

    def fresh(self, wanted: str) -> str:
        return str(self._scope.get_unique_variable_name(wanted))

    def _append_tensor(self, name: str, array: Array) -> None:
        kind = TYPES[array.dtype.name]
        self._container.add_initializer(name, kind, list(array.shape), array.ravel().tolist())

    def _append_node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: Mapping[str, Any],
    ) -> None:
        self._container.add_node(
            operator, list(inputs), [output], op_domain=domain,
            op_version=2 if domain else OPSET,
            name=self._scope.get_unique_operator_name(operator), **attributes,
        )  # fmt: skip


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = _Container(dtype_of(estimator), scope, container)
    x = g.node("Cast", operator.inputs[0].full_name, to=TYPES[g.dtype])
    found = answers(estimator, g, x)
    for (name, (value, kind)), wanted in zip(found.items(), operator.outputs, strict=True):
        if name == "label":
            g.node("Identity", value, output=wanted.full_name)
        else:
            g.node("Cast", value, output=wanted.full_name, to=TYPES["float32"])
        assert kind


def register_skl2onnx() -> None:
    """Make ``skl2onnx.convert_sklearn`` and ``to_onnx`` know `MLPClassifier` and `MLPRegressor`.

    Pipelines, column transformers and searches that have one as their last step are converted then.

    Raises
    ------
    ImportError
        skl2onnx is not installed.

    Examples
    --------
    >>> from densecore.sklearn import register_skl2onnx
    >>> register_skl2onnx()  # doctest: +SKIP
    """
    try:
        with imports:
            from skl2onnx import update_registered_converter
            from skl2onnx.common.data_types import FloatTensorType
            from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
    except ImportError:
        raise ImportError("register_skl2onnx needs skl2onnx: pip install skl2onnx") from None

    def shape_of_regressor(operator: Any) -> None:
        target = operator.raw_operator._target
        columns = target.objective.outputs * max(len(target.levels), 1)
        operator.outputs[0].type = FloatTensorType([None, columns])

    update_registered_converter(
        MLPClassifier, "DensecoreMLPClassifier", calculate_linear_classifier_output_shapes,
        _convert, options={"zipmap": [True, False, "columns"], "nocl": [True, False],
                           "output_class_labels": [False, True]},
    )  # fmt: skip
    update_registered_converter(MLPRegressor, "DensecoreMLPRegressor", shape_of_regressor, _convert)
