"""ONNX files as models: our own, those of other writers, and files that nothing can be made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.export import export
from test_export import ACTIVATIONS, trained
from test_export_layers import random_network

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_our_files_come_back(
    name: str, parameters: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    model, x = trained(dc.activations.Activation(name, **parameters), dtype)
    export(model, tmp_path / "m.onnx")
    back = dc.from_onnx(tmp_path / "m.onnx")
    wanted = model.predict(x, verbose=0)
    assert back.dtype == dtype
    assert back.name == model.name
    assert back.predict(x, verbose=0) == pytest.approx(wanted, abs=2e-6, rel=1e-5)
    dense = [layer for layer in back._all_layers() if isinstance(layer, dc.Dense)]
    wanted_function = dc.activations.Activation(name, **parameters)
    z = np.linspace(-9, 9, 91)[:, np.newaxis]
    if name != "log_softmax":  # which is taken with the normalisation after it: that undoes it
        assert dc.activations.get(dense[0].activation)(z) == pytest.approx(
            wanted_function(z), rel=1e-6
        )


@pytest.mark.parametrize("seed", range(16))
def test_random_networks_come_back(seed: int, tmp_path: Path) -> None:
    model, x = random_network(seed, "float32")
    if any(isinstance(layer, dc.layers.PeriodicEmbedding) for layer in model._all_layers()):
        pytest.skip("its sums of cosines are no layers of a dense graph")
    export(model, tmp_path / "m.onnx")
    back = dc.from_onnx(tmp_path / "m.onnx")
    wanted = model.predict(x, verbose=0)
    found = back.predict(x, verbose=0)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


# Other writers ------------------------------------------------------------------------------------


def written(
    nodes: list[Any], constants: dict[str, Any], row: Any, path: Path, opset: int = 17
) -> Path:
    """A file of nodes from `x` to `y`, as the onnx package writes it."""
    onnx = pytest.importorskip("onnx")
    h, n = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT
    graph = h.make_graph(
        nodes, "theirs", [h.make_tensor_value_info("x", kind, ["N", *row])],
        [h.make_tensor_value_info("y", kind, None)],
        [n.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    onnx = pytest.importorskip("onnx")
    names = ["" if name == "-" else name for name in inputs.split()]
    return onnx.helper.make_node(operator, names, [output], name=f"/{output}", **attributes)


def by_runtime(path: Path, x: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"x": x})[0]
    return found


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def as_torch_writes() -> tuple[list[Any], dict[str, Any]]:
    nodes = [
        node("Flatten", "x", "f", axis=1),
        node("Gemm", "f w0 b0", "a", transB=1),
        node("LayerNormalization", "a g s", "n", axis=-1, epsilon=1e-5),
        # GELU before opset 20.
        node("Div", "n root", "d"), node("Erf", "d", "e"), node("Add", "e one", "p"),
        node("Mul", "n p", "m"), node("Mul", "m half", "gelu"),
        # A residual block of SiLU.
        node("Gemm", "gelu w1 b1", "h", transB=1),
        node("Sigmoid", "h", "sh"), node("Mul", "h sh", "silu"), node("Add", "gelu silu", "r"),
        node("BatchNormalization", "r g s mean variance", "bn", epsilon=1e-3),
        node("LeakyRelu", "bn", "lr", alpha=0.2),
        node("MatMul", "lr w2t", "mm"), node("Add", "mm b2", "z"),
        node("LogSoftmax", "z", "y", axis=1),
    ]  # fmt: skip
    constants = {
        "w0": floats(8, 6), "b0": floats(8), "g": floats(8), "s": floats(8),
        "root": np.float32(np.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5),
        "w1": floats(8, 8), "b1": floats(8), "mean": floats(8), "variance": floats(8) ** 2,
        "w2t": floats(8, 3), "b2": floats(3),
    }  # fmt: skip
    return nodes, constants


def test_a_file_as_torch_writes_it(tmp_path: Path) -> None:
    nodes, constants = as_torch_writes()
    path = written(nodes, constants, (2, 3), tmp_path / "m.onnx")
    x = floats(20, 2, 3)
    model = dc.from_onnx(path, name="mine")
    wanted = by_runtime(path, x)
    assert np.abs(model.predict(x, verbose=0) - wanted).max() <= 2e-6 * np.abs(wanted).max()
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == [
        "Flatten", "Dense", "LayerNormalization", "Activation", "Residual", "BatchNormalization",
        "Activation", "Dense",
    ]  # fmt: skip
    assert (model.name, model.input_shape) == ("mine", (None, 2, 3))


@pytest.mark.parametrize(
    ("nodes", "opset"),
    [
        (lambda: [node("Gelu", "x", "y")], 20),
        (lambda: [node("Gelu", "x", "y", approximate="tanh")], 20),
        (lambda: [node("HardSwish", "x", "y")], 17),
        (lambda: [node("HardSigmoid", "x", "y", alpha=1 / 6)], 17),
        (lambda: [node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t", "y")], 17),
        (lambda: [node("Clip", "x zero six", "y")], 17),
        (lambda: [node("Clip", "x", "y", min=-1.0, max=1.0)], 10),
        (lambda: [node("ThresholdedRelu", "x", "y", alpha=0.5)], 17),
        (lambda: [node("Shrink", "x", "y", lambd=0.7, bias=0.7)], 17),
        (lambda: [node("Celu", "x", "y", alpha=0.4)], 17),
        (lambda: [node("PRelu", "x slope", "y")], 17),
        (lambda: [node("Softmax", "x", "y")], 11),
        (lambda: [node("Cast", "x", "c", to=1), node("Dropout", "c", "y")], 17),
        (lambda: [node("Mul", "x six", "a"), node("Tanh", "a", "t"), node("Neg", "t", "y")], 17),
        (lambda: [node("ReduceL2", "x", "l", axes=[1]), node("Div", "x l", "y")], 17),
        (lambda: [node("LpNormalization", "x", "y", axis=-1, p=2)], 17),
        (
            lambda: [
                node("Pow", "x two", "q"), node("ReduceMean", "q", "v", axes=[-1]),
                node("Add", "v eps", "ve"), node("Sqrt", "ve", "sd"), node("Div", "x sd", "n"),
                node("Mul", "n scale", "y"),
            ],
            17,
        ),
        (
            lambda: [
                node("Reshape", "x groups", "g"),
                node("InstanceNormalization", "g ones zeros", "i", epsilon=1e-4),
                node("Reshape", "i back", "r"), node("Mul", "r scale", "m"),
                node("Add", "m scale", "y"),
            ],
            17,
        ),
    ],
)  # fmt: skip
def test_functions_are_found_however_they_are_spelled(
    nodes: Any, opset: int, tmp_path: Path
) -> None:
    constants = {
        "zero": np.float32(0), "six": np.float32(6), "slope": np.full(1, 0.3, np.float32),
        "two": np.float32(2), "eps": np.float32(1e-6), "scale": floats(6),
        "groups": np.array([0, 2, 3]), "back": np.array([0, 6]), "ones": np.ones(2, np.float32),
        "zeros": np.zeros(2, np.float32),
    }  # fmt: skip
    path = written(nodes(), constants, (6,), tmp_path / "m.onnx", opset)
    x = floats(50, 6) * 3
    model = dc.from_onnx(path)
    wanted = by_runtime(path, x)
    assert np.abs(model.predict(x, verbose=0) - wanted).max() <= 3e-6 * np.abs(wanted).max()


# What cannot be taken -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (lambda: [node("Conv", "x w", "y")], r"node /y \(Conv\): found Conv, wanted one of: Abs"),
        (lambda: [node("Hardmax", "x", "y")], r"node /y \(Hardmax\): found Hardmax"),
        (lambda: [node("Relu", "x", "a"), node("MatMul", "a a", "y")], "wanted a constant"),
        (lambda: [node("Gemm", "x w", "y", transA=1)], "found transA=1"),
        (lambda: [node("Softmax", "x", "y", axis=0)], "axis: found 0, wanted the features"),
        (lambda: [node("Gemm", "x narrow", "y")], r"rows of shape \(6,\), wanted \(3,\)"),
        (lambda: [node("Exp", "x", "a"), node("Exp", "a", "y")], None),
        (lambda: [node("Xor", "x x", "a"), node("Exp", "a", "y")], r"node /a \(Xor\): found Xor"),
        (lambda: [node("Pow", "x w", "y")], r"node /y \(Pow\): found a function that is no layer"),
        (lambda: [node("Add", "tall wide", "big"), node("Add", "x big", "y")], "numbers"),
        (lambda: [node("Relu", "nothing", "y")], "value nothing: found no node"),
    ],
)
def test_what_cannot_be_a_layer_is_refused_by_node(
    nodes: Any, message: str | None, tmp_path: Path
) -> None:
    constants = {
        "w": floats(6, 6), "narrow": floats(3, 2), "tall": floats(30_000, 1),
        "wide": floats(1, 30_000),
    }  # fmt: skip
    path = written(nodes(), constants, (6,), tmp_path / "m.onnx")
    if message is None:
        dc.from_onnx(path)
        return
    with pytest.raises(ValueError, match=message):
        dc.from_onnx(path)


@pytest.mark.slow
def test_damaged_files_are_refused_and_nothing_is_made_by_what_they_claim(tmp_path: Path) -> None:
    nodes, constants = as_torch_writes()
    path = written(nodes, constants, (2, 3), tmp_path / "m.onnx")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    made = refused = 0
    for trial in range(120):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: int(rng.integers(len(content)))]
        else:
            for _ in range(int(rng.integers(1, 4))):
                damaged[int(rng.integers(min(len(damaged), 1200)))] = int(rng.integers(256))
        path.write_bytes(bytes(damaged))
        try:
            dc.from_onnx(path)
            made += 1
        except ValueError:
            refused += 1
    assert refused > 40
    assert made + refused == 120


def test_claims_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    from densecore.export import protobuf as pb

    huge = b"".join([pb.integer(1, 2**40), pb.integer(1, 2**10), pb.integer(2, 1),
                     pb.text(8, "w"), pb.raw(9, b"1234")])  # fmt: skip
    model = pb.message(7, [pb.raw(5, huge)])
    (tmp_path / "m.onnx").write_bytes(model)
    with pytest.raises(
        ValueError, match=r"constant w: found 4 bytes for the shape \[1099511627776"
    ):
        dc.from_onnx(tmp_path / "m.onnx")
    elsewhere = b"".join([pb.text(8, "w"), pb.raw(13, pb.text(1, "location"))])
    (tmp_path / "m.onnx").write_bytes(pb.message(7, [pb.raw(5, elsewhere)]))
    with pytest.raises(ValueError, match="constant w: found numbers in another file"):
        dc.from_onnx(tmp_path / "m.onnx")
    wide = written([node("Relu", "x", "y")], {}, (2**17,), tmp_path / "wide.onnx")
    with pytest.raises(ValueError, match="more than all constants"):
        dc.from_onnx(wide)
    (tmp_path / "m.onnx").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="found no ONNX file that can be read"):
        dc.from_onnx(tmp_path / "m.onnx")
    with pytest.raises(FileNotFoundError):
        dc.from_onnx(tmp_path / "none.onnx")
