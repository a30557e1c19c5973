"""ONNX files with several inputs and outputs, branches and embeddings, as other libraries write
them, and as we do."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore._data.structures import leaves
from densecore.export import export
from random_models import assert_near, random_graph_model

RNG = np.random.default_rng(0)
NO_WAY_BACK = frozenset({layers.PeriodicEmbedding})


@pytest.mark.parametrize("seed", range(16))
def test_our_graphs_come_back(seed: int, tmp_path: Path) -> None:
    dtype = ("float32", "float64")[seed % 2]
    model, x = random_graph_model(seed, dtype, without=NO_WAY_BACK)
    export(model, tmp_path / "m.onnx")
    back = dc.from_onnx(tmp_path / "m.onnx")
    assert back.dtype == dtype
    found = leaves(back.predict(x if len(x) > 1 else x[0], verbose=0))
    # Factors and addends that follow a dense layer become a part of it: roundings differ.
    assert_near(found, model, x, iter([2e-5] * len(found)), "ONNX")


# Files of other writers ---------------------------------------------------------------------------


def written(
    nodes: list[Any], constants: dict[str, Any], inputs: dict[str, Any], outputs: list[str],
    path: Path,
) -> Path:  # fmt: skip
    """A file as the onnx package writes it; `inputs` are the shapes of rows by name."""
    onnx = pytest.importorskip("onnx")
    h, n = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT
    graph = h.make_graph(
        nodes, "theirs",
        [h.make_tensor_value_info(name, kind, ["N", *row]) for name, row in inputs.items()],
        [h.make_tensor_value_info(name, kind, None) for name in outputs],
        [n.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    onnx = pytest.importorskip("onnx")
    names = outputs.split()
    return onnx.helper.make_node(operator, inputs.split(), names, name=f"/{names[0]}", **attributes)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


Case = tuple[list[Any], dict[str, Any], dict[str, Any], list[str]]


def branches() -> Case:
    """Inputs that meet, parts of rows, a layer that is called twice, outputs on the way."""
    nodes = [
        node("Gemm", "a w0 b0", "p"), node("Relu", "p", "r"),
        node("Gemm", "b w0 b0", "q"), node("Sigmoid", "q", "s"),
        node("Sub", "r s", "d"), node("Mul", "d r", "m"),
        node("Concat", "m b a", "c", axis=-1),
        node("Split", "c", "left right", axis=1),
        node("Max", "left right", "most"), node("Pow", "most two", "square"),
        node("Add", "two square", "more"),
        node("Reciprocal", "more", "one_by"), node("Sin", "one_by", "wave"),
        node("Slice", "wave start end axis", "part"),
        node("Gather", "left last", "column", axis=1), node("Unsqueeze", "column axis", "z"),
        node("Sum", "part z", "total"), node("MatMul", "total w1", "t"), node("Add", "b1 t", "u"),
        node("Softmax", "u", "probabilities", axis=-1), node("Identity", "wave", "waves"),
    ]  # fmt: skip
    constants = {
        "w0": floats(4, 4), "b0": floats(4), "two": np.float32(2), "start": np.array([1]),
        "end": np.array([2**62]), "axis": np.array([1]), "last": np.array(-1), "w1": floats(5, 3),
        "b1": floats(3),
    }  # fmt: skip
    return nodes, constants, {"a": (4,), "b": (4,)}, ["probabilities", "waves", "z"]


def rows_of_vectors() -> Case:
    """Steps of features: products of each, pooling, other orders, products of two matrices."""
    nodes = [
        node("MatMul", "x w", "h"), node("Add", "h b", "h1"), node("Tanh", "h1", "h2"),
        node("Transpose", "h2", "turned", perm=[0, 2, 1]), node("MatMul", "turned h2", "products"),
        node("Flatten", "products", "flat"), node("ReduceMean", "h2", "mean", axes=[1], keepdims=0),
        node("ReduceMax", "h2", "largest", axes=[-2], keepdims=1),
        node("Squeeze", "largest one", "largest1"), node("Gather", "h2 first", "begin", axis=1),
        node("Concat", "flat mean largest1 begin", "y", axis=1),
        node("ReduceMean", "mean", "m", axes=[1], keepdims=1), node("Sub", "mean m", "centered"),
    ]  # fmt: skip
    constants = {"w": floats(3, 4), "b": floats(4), "one": np.array([1]), "first": np.array(0)}
    return nodes, constants, {"x": (5, 3)}, ["y", "centered"]


def sums_of_vectors() -> Case:
    """Sums and means along either axis, kept or not, which meet the vectors; a number alone."""
    nodes = [
        node("ReduceSum", "x one", "s", keepdims=0), node("Mul", "s s", "square"),
        node("Mul", "x x", "squares"), node("ReduceSum", "squares one", "t", keepdims=0),
        node("Sub", "square t", "d"), node("ReduceSum", "d one", "n", keepdims=0),
        node("Mul", "n half", "number"),
        node("ReduceMean", "x", "of_each", axes=[2], keepdims=1), node("Sub", "x of_each", "c"),
        node("ReduceSum", "x one", "of_all", keepdims=1), node("Mul", "of_all c", "m"),
        node("ReduceSum", "m last", "y", keepdims=0),
    ]  # fmt: skip
    constants = {"one": np.array([1]), "last": np.array([-1]), "half": np.float32(0.5)}
    return nodes, constants, {"x": (5, 3)}, ["number", "y"]


def categories() -> Case:
    """Two columns of categories with a table each, and numbers."""
    nodes = [
        node("Gather", "c zero", "c0", axis=1), node("Gather", "c one", "c1", axis=1),
        node("Cast", "c0", "i0", to=7), node("Cast", "c1", "i1", to=7),
        node("Gather", "t0 i0", "e0"), node("Gather", "t1 i1", "e1"),
        node("Shape", "e0", "shape"), node("Reshape", "e0 shape", "e2"),
        node("Concat", "e2 e1 x", "all", axis=1), node("Gemm", "all w b", "z", transB=1),
        node("Clip", "z low high", "y"),
    ]  # fmt: skip
    constants = {
        "zero": np.array(0), "one": np.array(1), "t0": floats(6, 3), "t1": floats(4, 2),
        "w": floats(2, 7), "b": floats(2), "low": np.float32(-0.7), "high": np.float32(1.2),
    }  # fmt: skip
    return nodes, constants, {"c": (2,), "x": (2,)}, ["y"]


def conditions() -> Case:
    """Choices by comparisons, masks, missing and infinite numbers, lengths of rows, and the mean of
    members that are stacked before their rows."""
    nodes = [
        node("Gemm", "x w b", "z"), node("Mul", "z two", "z2"), node("Greater", "z2 limit", "far"),
        node("Softplus", "z2", "s"), node("Div", "s two", "s2"), node("Where", "far z s2", "h"),
        node("Log", "x", "log"), node("IsNaN", "log", "bad"), node("Where", "bad zero log", "l"),
        node("Equal", "mask zero", "closed"), node("Where", "closed least h", "masked"),
        node("Div", "x zero", "wide"), node("IsInf", "wide", "up", detect_negative=0),
        node("Not", "up", "down"), node("Where", "down x two", "u"),
        node("Softmax", "masked", "p"), node("ReduceL2", "h", "long", axes=[-1]),
        node("Clip", "long tiny", "length"), node("Shape", "h", "shape"),
        node("Expand", "length shape", "wider"), node("Div", "h wider", "unit"),
        node("Unsqueeze", "p first", "p1"), node("Unsqueeze", "unit first", "unit1"),
        node("Unsqueeze", "l first", "l1"), node("Concat", "p1 unit1 l1", "stack", axis=0),
        node("ReduceMean", "stack", "y", axes=[0], keepdims=0),
    ]  # fmt: skip
    constants = {
        "w": floats(3, 3), "b": floats(3), "two": np.float32(2), "limit": np.float32(1.5),
        "zero": np.float32(0), "least": np.float32(-50), "tiny": np.float32(1e-12),
        "first": np.array([0]),
    }  # fmt: skip
    return nodes, constants, {"x": (3,), "mask": (3,)}, ["y", "u"]


@pytest.mark.parametrize(
    "case", [branches, rows_of_vectors, sums_of_vectors, categories, conditions]
)
def test_graphs_are_read(case: Callable[[], Case], tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    nodes, constants, inputs, outputs = case()
    path = written(nodes, constants, inputs, outputs, tmp_path / "m.onnx")
    model = dc.from_onnx(path)
    x = {name: floats(20, *row) for name, row in inputs.items()}
    if "c" in x:
        x["c"] = RNG.integers(0, 4, x["c"].shape).astype(np.float32)
    if "mask" in x:
        x["mask"] = (x["mask"] > -0.5).astype(np.float32)
    wanted = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, x)
    found = leaves(model.predict(x if len(x) > 1 else x["x"], verbose=0))
    for one, other in zip(found, wanted, strict=True):
        assert one.reshape(other.shape) == pytest.approx(other, rel=2e-5, abs=2e-5)


def in_files(path: Path, module: Any, x: tuple[Any, ...]) -> list[Path]:
    """A module as both of PyTorch's exporters write it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    paths = [path / "script.onnx", path / "dynamo.onnx"]
    names = [f"in{number}" for number in range(len(x))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, x, paths[0], dynamo=False, input_names=names,
            dynamic_axes={name: {0: "batch"} for name in names},
        )  # fmt: skip
        torch.onnx.export(
            module, x, paths[1], dynamo=True, input_names=names, external_data=False, verbose=False,
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in x),
        )  # fmt: skip
    return paths


@pytest.mark.slow
def test_what_torch_writes_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from test_from_torch_graphs import Tower

    module = Tower().eval()
    x = (torch.randn(7, 6), torch.randint(0, 5, (7, 2)))
    with torch.no_grad():
        wanted = module(*x)
    for path in in_files(tmp_path, module, x):
        model = dc.from_onnx(path)
        assert sum(isinstance(layer, dc.Dense) for layer in model.layers) == 3  # shared ones once
        found = model.predict([each.numpy() for each in x], verbose=0)
        for one, other in zip(found, wanted, strict=True):
            assert one == pytest.approx(other.numpy(), abs=2e-6)


@pytest.mark.filterwarnings("ignore")
def test_what_skl2onnx_writes_is_read(tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = floats(100, 5)
    labels = np.array(["low", "mid", "high"])[RNG.integers(0, 3, 100)]
    found = make_pipeline(StandardScaler(), MLPClassifier(6, max_iter=5)).fit(x, labels)
    for zipmap in (True, False):
        path = tmp_path / "m.onnx"
        made = skl2onnx.to_onnx(found, x[:1], options={"zipmap": zipmap})
        path.write_bytes(made.SerializeToString())
        model = dc.from_onnx(path)
        assert model.metadata["classes"] == ["high", "low", "mid"]
        assert model.predict(x, verbose=0) == pytest.approx(found.predict_proba(x), abs=2e-6)


# Files that lie -----------------------------------------------------------------------------------


def refused(case: Case, path: Path, message: str) -> None:
    written(*case, path)
    with pytest.raises(ValueError, match=message):
        dc.from_onnx(path)


def test_graphs_that_lie_are_refused_by_node(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    x = {"x": (4,)}
    w = {"w": floats(4, 4), "few": floats(4), "places": np.array([9]), "axis": np.array([0]),
         "shape": np.array([-1, 8]), "huge": np.array([0, 2**40]), "texts": np.array(["a"], object),
         "whole": np.arange(16).reshape(4, 4)}  # fmt: skip
    around = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")]
    refused((around, {}, x, ["y"]), path, "found nodes that need each other's values")
    self_ = [node("Add", "x y", "y")]
    refused((self_, {}, x, ["y"]), path, "found nodes that need each other's values")
    doubled = [node("Concat", "x x", "y0", axis=1)]
    doubled += [node("Concat", f"y{n} y{n}", f"y{n + 1}", axis=1) for n in range(40)]
    refused((doubled, {}, x, ["y40"]), path, "more than all constants")
    for nodes, message in (
        ([node("MatMul", "x nowhere", "y")], "value nowhere: found no node that computes it"),
        ([node("MatMul", "x whole", "y")], r"constants of shape \(4, 4\), wanted numbers"),
        ([node("MatMul", "x few", "y")], r"constants of shape \(4,\), wanted numbers"),
        ([node("Gather", "x places", "y", axis=1)], r"node /y \(Gather\): found \[9\] of axis 1"),
        ([node("Gather", "w x", "y", axis=1)], r"node /y \(Gather\): found a table"),
        ([node("Gather", "x axis", "y", axis=0)], r"node /y \(Gather\): found \[0\] of axis 0"),
        ([node("Concat", "x x", "y", axis=0)], r"node /y \(Concat\): found axis=0"),
        ([node("Concat", "x x", "y", axis=-2)], r"node /y \(Concat\): found axis=0"),
        ([node("Transpose", "x", "y", perm=[1, 0])], r"found perm=\[1, 0\], wanted rows that stay"),
        ([node("Reshape", "x shape", "y")], r"found the shape \[-1, 8\] for rows of 4"),
        ([node("Reshape", "x huge", "y")], "for rows of 4 numbers"),
        ([node("Unsqueeze", "x axis", "y")], r"found the axes \[0\], wanted those of rows"),
        ([node("Squeeze", "x axis", "y")], r"found the axes \[0\], wanted those of rows"),
        ([node("ReduceMean", "x", "y", axes=[0])], r"found the axes \[0\], wanted those of rows"),
        ([node("Split", "x", "y z", axis=1, split=[3, 3])], r"found the sizes \[3, 3\] of 4"),
        ([node("Relu", "x", "a"), node("Loop", "a", "y")], r"node /y \(Loop\): found Loop"),
        ([node("Add", "x few", "a"), node("ArgMax", "a", "y")], "wanted numbers that layers"),
        ([node("Clip", "x texts", "y")], r"node /y"),
        ([node("Relu", "w", "y")], "found an output that depends on no input"),
    ):  # fmt: skip
        outputs = ["y", "z"] if "split" in str(nodes[0]).lower() else ["y"]
        refused((nodes, w, x, outputs), path, message)
    wide = [node("Transpose", "x", "y", perm=[0, 2, 1])]
    refused((wide, {}, {"x": (256, 256)}, ["y"]), path, "too many numbers for another order")
    other = [pytest.importorskip("onnx").helper.make_node("Relu", ["x"], ["y"], domain="evil")]
    refused((other, {}, x, ["y"]), path, "found an operator of evil")


def test_a_file_for_a_later_opset_is_read_where_its_operators_are_known(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = written([node("Gelu", "x", "y")], {}, {"x": (4,)}, ["y"], tmp_path / "m.onnx")
    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save(model, path)
    assert dc.from_onnx(path).layers
