"""Sums, broadcasting and noise, as functions of symbols make them, in other programs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import normal
from densecore import layers
from densecore.layers.symbols import Symbol
from test_export_graphs import in_c

os.environ.setdefault("KERAS_BACKEND", "jax")


def _vectors(x: Symbol) -> Any:
    return layers.Reshape((2, 3))(layers.Dense(6)(x))


KINDS: dict[str, Callable[[Symbol], Any]] = {
    "sums": lambda x: layers.RowSum(axes=[1])(_vectors(x)),
    "means": lambda x: layers.RowSum(axes=[2], mean=True, keepdims=True)(_vectors(x)),
    "a number": lambda x: layers.Reshape((1,))(layers.RowSum()(_vectors(x))),
    "no axes": lambda x: layers.RowSum(axes=[])(_vectors(x)),
    "spread": lambda x: layers.Spread((2, 3))(layers.Reshape((1, 3))(layers.Dense(3)(x))),
    "spread from in front": lambda x: layers.Spread((4, 3))(layers.Dense(3)(x)),
    "normal noise": lambda x: layers.Add()([layers.Dense(4)(x), layers.Noise(4)(x)]),
    "uniform noise": lambda x: layers.Add()([layers.Dense(4)(x), layers.Noise(4, uniform=True)(x)]),
}
X = normal(6, 5)


def made(kind: str) -> Any:
    inputs = dc.Input(5)
    result = KINDS[kind](inputs)
    flat = layers.Flatten()(result) if len(result.row) > 1 else result
    return dc.Model(inputs, layers.Dense(2, activation="tanh")(flat), seed=3)


def _onnx(model: Any, folder: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    model.export(folder / "model.onnx")
    session = runtime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})[0]


def _c(model: Any, folder: Path) -> Any:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return in_c([model], [[X]], folder)[0][0]


def _torch(model: Any, folder: Path) -> Any:
    torch = pytest.importorskip("torch")
    return model.to_torch()(torch.from_numpy(X)).detach().numpy()


def _jax(model: Any, folder: Path) -> Any:
    pytest.importorskip("jax")
    apply, parameters = model.to_jax()
    return apply(parameters, X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [_onnx, _c, _torch, _jax])
def test_the_prediction_is_the_same(
    where: Callable[[Any, Path], Any], kind: str, tmp_path: Path
) -> None:
    model = made(kind)
    if where is _torch and "noise" in kind:
        pytest.importorskip("torch")
        with pytest.raises(ValueError, match="layer noise: found Noise, wanted one of: Activation"):
            model.to_torch()
        return
    np.testing.assert_allclose(where(model, tmp_path), model.predict(X), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("kind", ["sums", "spread", "normal noise"])
def test_keras_has_no_such_layers(kind: str) -> None:
    pytest.importorskip("keras")
    with pytest.raises(ValueError, match="wanted one of: Activation"):
        made(kind).to_keras()
