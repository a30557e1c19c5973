"""The worked example of docs/the-note.md: the note's network 5-4-3-2, number by number.

Every number is computed here with loops over Python floats, apart from the library, and compared
with the document and with the library. The second half takes the places where the note slips: the
literal formula has to fail and the corrected one has to pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import reference

Vector = list[float]
Matrix = list[list[float]]

DOCUMENT = Path(__file__).parents[1] / "docs" / "the-note.md"

# The worked example.
x: Vector = [0.5, -0.3, 0.8, 0.1, -0.6]
W1: Matrix = [
    [0.2, -0.4, 0.1, 0.5, -0.3],
    [-0.6, 0.3, 0.7, -0.1, 0.4],
    [0.1, 0.8, -0.5, 0.2, 0.6],
    [0.9, -0.2, 0.3, -0.7, 0.1],
]
b1: Vector = [0.1, -0.2, 0.3, 0.0]
W2: Matrix = [[0.4, -0.7, 0.2, 0.6], [-0.3, 0.5, 0.9, -0.1], [0.8, 0.1, -0.6, 0.3]]
b2: Vector = [-0.9, 0.6, 1.2]
W3: Matrix = [[0.7, -0.5, 0.3], [-0.2, 0.6, 0.8]]
b3: Vector = [0.9, -0.8]
y: Vector = [0.0, 1.0]
ACTIVATIONS = ["sigmoid", "sigmoid", "softmax"]
LEARNING_RATE = 0.5

PARAMETERS: dict[str, Any] = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}
# A second sample, for the one place where a batch is needed.
x_other: Vector = [-0.2, 0.7, 0.4, -0.5, 0.9]


# Scalar arithmetic: one loop per index, nothing from the library.


def affine(W: Matrix, v: Vector, b: Vector) -> Vector:
    out = []
    for i in range(len(W)):
        total = b[i]
        for j in range(len(v)):
            total += W[i][j] * v[j]
        out.append(total)
    return out


def sigmoid(z: Vector) -> Vector:
    return [1.0 / (1.0 + math.exp(-value)) for value in z]


def softmax(z: Vector) -> Vector:
    e = [math.exp(value - max(z)) for value in z]
    return [value / sum(e) for value in e]


def forward(p: dict[str, Any], v: Vector) -> dict[str, Vector]:
    z1 = affine(p["W1"], v, p["b1"])
    a1 = sigmoid(z1)
    z2 = affine(p["W2"], a1, p["b2"])
    a2 = sigmoid(z2)
    z3 = affine(p["W3"], a2, p["b3"])
    return {"z1": z1, "a1": a1, "z2": z2, "a2": a2, "z3": z3, "a3": softmax(z3)}


def squares(a: Vector) -> Vector:
    return [(a[i] - y[i]) ** 2 for i in range(len(y))]


def C_of(p: dict[str, Any]) -> float:
    return sum(squares(forward(p, x)["a3"])) / len(y)


def times(u: Vector, v: Vector) -> Vector:
    """Multiply element-wise; the note's cross, for equal dimensions only."""
    if len(u) != len(v):
        raise ValueError(f"element-wise product of {len(u)} and {len(v)} components")
    return [u[i] * v[i] for i in range(len(u))]


def outer(u: Vector, v: Vector) -> Matrix:
    return [[u[i] * v[j] for j in range(len(v))] for i in range(len(u))]


def transposed_product(W: Matrix, v: Vector) -> Vector:
    return [sum(W[i][j] * v[i] for i in range(len(W))) for j in range(len(W[0]))]


def sigmoid_prime(a: Vector) -> Vector:
    return [value * (1.0 - value) for value in a]


def softmax_delta(a: Vector, g: Vector) -> Vector:
    """Apply the full Jacobian da_i/dz_j = a_i ([i = j] - a_j), entry by entry."""
    n = len(a)
    return [sum(g[i] * a[i] * ((i == j) - a[j]) for i in range(n)) for j in range(n)]


def differences(f: Callable[[Any], float], values: Any, step: float = 1e-5) -> Any:
    """Approximate the gradient of f by a (nested) list with central differences."""

    def entry(path: list[int]) -> float:
        def moved(value: Any, rest: list[int], by: float) -> Any:
            if not rest:
                return value + by
            copy = list(value)
            copy[rest[0]] = moved(value[rest[0]], rest[1:], by)
            return copy

        return (f(moved(values, path, step)) - f(moved(values, path, -step))) / (2 * step)

    def walk(value: Any, path: list[int]) -> Any:
        if not isinstance(value, list):
            return entry(path)
        return [walk(item, [*path, i]) for i, item in enumerate(value)]

    return walk(values, [])


def by_parameter(name: str) -> Any:
    return differences(lambda value: C_of({**PARAMETERS, name: value}), PARAMETERS[name])


def moved_against(p: Any, g: Any, rate: float) -> Any:
    if isinstance(p, list):
        return [moved_against(p[i], g[i], rate) for i in range(len(p))]
    return p - rate * g


def flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def worked_example() -> dict[str, Any]:
    """Compute every quantity of the document's first part."""
    q: dict[str, Any] = dict(forward(PARAMETERS, x))
    a1, a2, a3 = q["a1"], q["a2"], q["a3"]
    n = len(y)
    q["(a3 - y)^2"] = squares(a3)
    q["C"] = sum(q["(a3 - y)^2"]) / n
    q["exp(z3 - max)"] = [math.exp(value - max(q["z3"])) for value in q["z3"]]
    q["sum of exp"] = sum(q["exp(z3 - max)"])
    q["dC/da3"] = [2.0 / n * (a3[i] - y[i]) for i in range(n)]
    q["da3/dz3"] = [[a3[i] * ((i == j) - a3[j]) for j in range(n)] for i in range(n)]
    q["delta3"] = q["dC/db3"] = softmax_delta(a3, q["dC/da3"])
    q["dz3/dW3"] = a2
    q["dC/dW3"] = outer(q["delta3"], a2)
    q["dC/da2"] = transposed_product(W3, q["delta3"])
    q["delta2"] = q["dC/db2"] = times(q["dC/da2"], sigmoid_prime(a2))
    q["dC/dW2"] = outer(q["delta2"], a1)
    q["dC/da1"] = transposed_product(W2, q["delta2"])
    q["delta1"] = q["dC/db1"] = times(q["dC/da1"], sigmoid_prime(a1))
    q["dC/dW1"] = outer(q["delta1"], x)
    gradients = {name: q[f"dC/d{name}"] for name in PARAMETERS}
    q["norm of grad C"] = math.sqrt(sum(v * v for g in gradients.values() for v in flat(g)))
    # Eq. 10 on one path: x is a1's first component, g is z2's first, f is a2's first.
    q["df/dg"], q["dg/dx"] = a2[0] * (1.0 - a2[0]), W2[0][0]
    q["df/dx"] = q["df/dg"] * q["dg/dx"]
    new = {name: moved_against(p, gradients[name], LEARNING_RATE) for name, p in PARAMETERS.items()}
    q.update({f"{name} new": p for name, p in new.items()})
    q["C new"] = C_of(new)
    # Adam's first step for b3, with beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7.
    g = q["dC/db3"]
    q["m"], q["v"] = [(1 - 0.9) * value for value in g], [(1 - 0.999) * value**2 for value in g]
    q["m_hat"], q["v_hat"] = [m / (1 - 0.9) for m in q["m"]], [v / (1 - 0.999) for v in q["v"]]
    q["b3 by Adam"] = [
        b3[i] - 0.1 * q["m_hat"][i] / (math.sqrt(q["v_hat"][i]) + 1e-7) for i in range(n)
    ]
    return q


WORKED = worked_example()


def corrections() -> dict[str, dict[str, Any]]:
    """Compute every quantity of the document's second part, by the number of the correction."""
    q, n = WORKED, len(y)
    a1, a2, a3, z2, z3 = q["a1"], q["a2"], q["a3"], q["z2"], q["z3"]
    g = q["dC/da3"]
    literal_new, new = (
        {name: moved_against(p, q[f"dC/d{name}"], rate) for name, p in PARAMETERS.items()}
        for rate in (-LEARNING_RATE, LEARNING_RATE)
    )
    return {
        "E1": {
            "shape of W1": [4, 5],
            "shape of the batch A": [2, 5],
            "corrected: Z1": [affine(W1, x, b1), affine(W1, x_other, b1)],
        },
        "E2": {
            "literal: columns of x, rows of W1": [1, 4],
            "corrected: columns of W1, rows of x": [5, 5],
            "corrected: z1": q["z1"],
        },
        "E3": {
            "literal: terms": n + 1,
            "corrected: terms": n,
            "literal: components of a2 and of y": [len(a2), n],
            "corrected: components of a3 and of y": [len(a3), n],
        },
        "E4": {
            "literal: columns of delta3, rows of a2": [1, 3],
            "corrected: dC/dW3": q["dC/dW3"],
            "differences: dC/dW3": by_parameter("W3"),
        },
        "E5": {
            "literal: terms": n + 1,
            "corrected: terms": n,
            "literal: softmax(1000, 0)": [math.nan, 0.0],
            "corrected: softmax(1000, 0)": softmax([1000.0, 0.0]),
        },
        "E6": {
            "literal: dC/db3 by z(1 - z)": times(g, sigmoid_prime(z3)),
            "half corrected: dC/db3 by a(1 - a)": times(g, sigmoid_prime(a3)),
            "with E7, cancelling: dC/db3 by 2 (a - y) a(1 - a)": times(
                [2.0 * (a3[i] - y[i]) for i in range(n)], sigmoid_prime(a3)
            ),
            "corrected: dC/db3": q["dC/db3"],
            "differences: dC/db3": by_parameter("b3"),
            "literal: dC/db2 by z(1 - z)": times(q["dC/da2"], sigmoid_prime(z2)),
            "corrected: dC/db2 by a(1 - a)": q["dC/db2"],
            "differences: dC/db2": by_parameter("b2"),
        },
        "E7": {
            "literal: 2 (a3 - y)": [2.0 * (a3[i] - y[i]) for i in range(n)],
            "corrected: (2/n) (a3 - y)": g,
            "differences: of the mean": differences(lambda a: sum(squares(a)) / n, a3),
            "differences: of the sum": differences(lambda a: sum(squares(a)), a3),
        },
        "E8": {
            "literal: components of a2 and of a3": [len(a2), len(a3)],
            "corrected: dC/da2": q["dC/da2"],
            "differences: dC/da2": differences(
                lambda a: sum(squares(softmax(affine(W3, a, b3)))) / n, a2
            ),
        },
        "E9": {
            "literal: shape of A": [3, 1],
            "literal: shape of B C^T": [3, 4],
            "corrected: dC/dW2": q["dC/dW2"],
            "differences: dC/dW2": by_parameter("W2"),
        },
        "E10": {
            "literal: shape of dC/dW2": [3, 4],
            "shape of the right side": [3],
            "corrected: dC/db2": q["dC/db2"],
            "differences: dC/db2": by_parameter("b2"),
            "literal: shape of dC/dW1": [4, 5],
            "corrected: dC/db1": q["dC/db1"],
            "differences: dC/db1": by_parameter("b1"),
        },
        "E11": {
            "literal: rows": 3,
            "corrected: rows": 4,
            "literal: row 3 of dC/dW1": [
                q["dC/da1"][2] * a1[2] * (1.0 - a1[3]) * value for value in x
            ],
            "corrected: row 3 of dC/dW1": q["dC/dW1"][2],
            "differences: row 3 of dC/dW1": by_parameter("W1")[2],
        },
        "E12": {
            "before: C": q["C"],
            "literal: C after lr = -0.5": C_of(literal_new),
            "corrected: C after lr = 0.5": C_of(new),
        },
        "E13": {
            "without bias correction: b3": [
                b3[i] - 0.1 * q["m"][i] / (math.sqrt(q["v"][i]) + 1e-7) for i in range(n)
            ],
            "algorithm 1: b3": q["b3 by Adam"],
        },
    }


CORRECTIONS = corrections()


# The document: every table row "| equation | `quantity` | value |" is checked. In a value, ","
# separates components and ";" separates rows.


def document_rows() -> list[tuple[str, str, str]]:
    pattern = re.compile(r"^\| (\(\d+\)|E\d+|3\.3) \| `([^`]+)` \| ([^|]+) \|$", re.MULTILINE)
    return pattern.findall(DOCUMENT.read_text(encoding="utf-8"))


ROWS = document_rows()


def computed(label: str, quantity: str) -> Any:
    return (CORRECTIONS[label] if label.startswith("E") else WORKED)[quantity]


def written(value: Any) -> str:
    """Write a number, vector or matrix as the document does."""
    if not isinstance(value, list):
        return str(value) if isinstance(value, int) else f"{value:.6f}"
    return ("; " if isinstance(value[0], list) else ", ").join(map(written, value))


@pytest.mark.parametrize(
    ("label", "quantity", "text"), ROWS, ids=[f"{label} {quantity}" for label, quantity, _ in ROWS]
)
def test_document_states_the_number(label: str, quantity: str, text: str) -> None:
    value = computed(label, quantity)
    message = f"wanted: | {label} | `{quantity}` | {written(value)} |"
    parsed = [[float(item) for item in row.split(",")] for row in text.split(";")]
    rows = value if isinstance(value, list) else [value]
    rows = rows if isinstance(rows[0], list) else [rows]
    assert [len(row) for row in parsed] == [len(row) for row in rows], message
    # Half a unit of the sixth decimal, and a little for how the last digit was rounded.
    assert list(flat(parsed)) == pytest.approx(list(flat(rows)), abs=5.001e-7, nan_ok=True), message


def test_document_has_every_equation_and_every_quantity() -> None:
    labels = {label for label, _, _ in ROWS}
    assert labels == {f"({k})" for k in range(1, 31)} | {"3.3"} | set(CORRECTIONS)
    assert {quantity for label, quantity, _ in ROWS if not label.startswith("E")} == set(WORKED)
    for label, quantities in CORRECTIONS.items():
        assert {quantity for found, quantity, _ in ROWS if found == label} == set(quantities)
    assert len(ROWS) == len({row[:2] for row in ROWS})


def test_document_has_no_table_row_that_is_not_checked() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    candidates = re.findall(r"^\|.*`.*\|[^|]*\d\.\d{6}[^|]*\|$", text, re.MULTILINE)
    assert len(candidates) >= 60
    assert set(candidates) <= {f"| {a} | `{b}` | {c} |" for a, b, c in ROWS}


def test_document_states_the_example() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, value in {"x": x, "y": y, **PARAMETERS}.items():
        stated = re.search(rf"^{name} = (\[.*?\])$", text, re.MULTILINE | re.DOTALL)
        assert stated is not None, name
        rows = re.findall(r"\[([^\[\]]+)\]", stated[1])
        parsed = [[float(item) for item in row.split(",") if item.strip()] for row in rows]
        assert parsed == (value if isinstance(value[0], list) else [value]), name


def test_document_code_runs() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert names["C"] == pytest.approx(WORKED["C"], rel=1e-14)
    for k, (dW, db) in enumerate(names["gradients"], 1):
        np.testing.assert_allclose(dW, WORKED[f"dC/dW{k}"], rtol=1e-12)
        np.testing.assert_allclose(db, WORKED[f"dC/db{k}"], rtol=1e-12)
    for name, parameter in zip(PARAMETERS, names["net"].parameters, strict=True):
        np.testing.assert_allclose(parameter, WORKED[f"{name} new"], rtol=1e-12)


def test_document_maps_every_equation() -> None:
    mapped: set[int] = set()
    pattern = r"^\| (\d+)(?:-(\d+))? \| `reference\.(\w+)(?:\.(\w+))?[^`]*`.* \| `cpp/[\w/.]+`"
    text = DOCUMENT.read_text(encoding="utf-8")
    for low, high, name, method in re.findall(pattern, text, re.MULTILINE):
        mapped |= set(range(int(low), int(high or low) + 1))
        assert name in reference.__all__
        assert not method or hasattr(reference.Network, method)
    assert mapped == set(range(1, 31))
    for path in re.findall(r"`(cpp/[\w/.]+)`", text):
        assert (DOCUMENT.parents[1] / path).exists(), path


# The library. A core is anything with the functions of densecore.ops.

CORES: list[Any] = [reference, dc.ops]
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def from_functions(core: Any, dtype: Any) -> dict[str, Any]:
    """Compute the worked example with the functions of a core, one row as a batch."""
    p = {name: np.array(value, dtype) for name, value in PARAMETERS.items()}
    a: list[Any] = [np.array([x], dtype)]
    target, n = np.array([y], dtype), len(y)
    q: dict[str, Any] = {}
    z: list[Any] = [None]
    for layer, name in enumerate(ACTIVATIONS, 1):
        W, b = p[f"W{layer}"], p[f"b{layer}"]
        z.append(core.dense(a[-1], W, b))
        np.testing.assert_allclose(core.matvec(W, a[-1][0]) + b, z[-1][0], rtol=1e-5)
        a.append(core.dense(a[-1], W, b, name))
        np.testing.assert_allclose(core.activation(name, z[-1]), a[-1], rtol=1e-5)
        q |= {f"z{layer}": z[-1][0], f"a{layer}": a[-1][0]}
    q["C"] = core.mse(a[3], target)
    q["(a3 - y)^2"] = [core.mse(a[3][:, i : i + 1], target[:, i : i + 1]) for i in range(n)]
    g = core.mse_gradient(a[3], target)
    q["dC/da3"] = g[0]
    # Row i of the Jacobian is what backward makes of the i-th unit vector.
    unit = np.eye(n, dtype=dtype)
    both = [np.repeat(array, n, axis=0) for array in (z[3], a[3])]
    q["da3/dz3"] = core.activation_gradient("softmax", *both, unit)
    for layer in (3, 2, 1):
        delta = core.activation_gradient(ACTIVATIONS[layer - 1], z[layer], a[layer], g)
        q[f"delta{layer}"] = delta[0]
        g = core.dense(delta, np.ascontiguousarray(p[f"W{layer}"].T), None)
        if layer > 1:
            q[f"dC/da{layer - 1}"] = g[0]
    one = core.activation_gradient("sigmoid", z[2], a[2], np.ones_like(a[2]))
    q["df/dg"] = one[0, 0]
    for name, parameter in p.items():
        gradient = np.array(WORKED[f"dC/d{name}"], dtype)
        core.sgd_update(parameter, gradient, LEARNING_RATE)
        q[f"{name} new"] = parameter
    return q


def from_adam(core: Any, dtype: Any) -> dict[str, Any]:
    parameter, gradient = np.array(b3, dtype), np.array(WORKED["dC/db3"], dtype)
    m, v = np.zeros_like(parameter), np.zeros_like(parameter)
    core.adam_update(parameter, gradient, m, v, 1, learning_rate=0.1)
    return {"m": m, "v": v, "b3 by Adam": parameter}


def reference_network(dtype: Any) -> reference.Network:
    arrays = {name: np.array(value, dtype) for name, value in PARAMETERS.items()}
    return reference.Network(
        [(arrays[f"W{k}"], arrays[f"b{k}"], name) for k, name in enumerate(ACTIVATIONS, 1)]
    )


def from_network(dtype: Any) -> dict[str, Any]:
    """Compute the worked example with one training step of the reference's network."""
    net = reference_network(dtype)
    q: dict[str, Any] = {"C": net.loss([x], [y])}
    for k, (dW, db) in enumerate(net.backward([y]), 1):
        q |= {f"z{k}": net.z[k][0], f"a{k}": net.a[k][0], f"dC/dW{k}": dW, f"dC/db{k}": db}
    names = list(PARAMETERS)
    gradients = [q[f"dC/d{name}"] for name in names]
    q["norm of grad C"] = math.sqrt(sum(float(np.sum(g.astype(float) ** 2)) for g in gradients))
    assert net.train_on_batch([x], [y], "sgd", learning_rate=LEARNING_RATE) == q["C"]
    q |= {f"{name} new": p for name, p in zip(names, net.parameters, strict=True)}
    q["C new"] = net.loss([x], [y])
    return q


def from_compiled_network(dtype: Any) -> dict[str, Any]:
    """The same with the compiled core: `Sequential`, once step by step and once in one call."""
    sizes = [len(b) for b in (b1, b2, b3)]
    layers = [dc.Dense(n, name) for n, name in zip(sizes, ACTIVATIONS, strict=True)]
    model = dc.Sequential([dc.Input(len(x)), *layers], dtype=np.dtype(dtype).name)
    model.compile(dc.optimizers.SGD(LEARNING_RATE), "mse")
    for k, layer in enumerate(model.layers, 1):
        layer.weight[...] = PARAMETERS[f"W{k}"]
        layer.bias[...] = PARAMETERS[f"b{k}"]
    start = model.parameters.copy()
    row, target = np.array([x], dtype), np.array([y], dtype)
    out = model.forward(row)
    q: dict[str, Any] = {"a3": out[0]}
    model.backward(dc.ops.mse_gradient(out, target))
    stepwise = model.gradients.copy()
    q["norm of grad C"] = np.linalg.norm(stepwise.astype(np.float64))
    model.apply_gradients()
    updated = model.parameters.copy()
    model.parameters[:] = start
    q["C"] = model.train_on_batch(row, target)
    np.testing.assert_allclose(model.gradients, stepwise, rtol=1e-6)
    np.testing.assert_allclose(model.parameters, updated, rtol=1e-6)
    for k, layer in enumerate(model.layers, 1):
        q |= {f"dC/dW{k}": layer.weight_gradient, f"dC/db{k}": layer.bias_gradient}
        q |= {f"W{k} new": layer.weight, f"b{k} new": layer.bias}
    q["C new"] = model.evaluate(row, target)
    return q


def compare(found: dict[str, Any], dtype: Any) -> None:
    assert found
    for name, value in found.items():
        wanted = np.asarray(WORKED[name])
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(
            value, wanted, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name
        )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("core", CORES)
def test_functions_give_the_numbers(core: Any, dtype: Any) -> None:
    compare(from_functions(core, dtype), dtype)
    compare(from_adam(core, dtype), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_network_gives_the_numbers(dtype: Any) -> None:
    compare(from_network(dtype), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_compiled_network_gives_the_numbers(dtype: Any) -> None:
    compare(from_compiled_network(dtype), dtype)


def test_every_number_is_compared_with_the_library() -> None:
    compared = {*from_functions(reference, np.float64), *from_adam(reference, np.float64)}
    compared |= set(from_network(np.float64))
    # Steps on the way that the library does not hand out, each part of one that it does.
    inner = {"exp(z3 - max)", "sum of exp", "dz3/dW3", "dg/dx", "df/dx", "m_hat", "v_hat"}
    assert compared | inner == set(WORKED)
    assert not compared & inner


# The corrections. "Agrees" is the gradient check: 1e-7 relative to central differences.


def relative(found: Any, wanted: Any) -> float:
    f, w = list(flat(found)), list(flat(wanted))
    assert len(f) == len(w)
    return math.dist(f, w) / math.hypot(*w)


def agrees(found: Any, wanted: Any) -> bool:
    return relative(found, wanted) < 1e-7


def column(v: Vector) -> Any:
    return np.array(v)[:, None]


@pytest.mark.parametrize("name", PARAMETERS)
def test_worked_gradient_agrees_with_central_differences(name: str) -> None:
    assert agrees(WORKED[f"dC/d{name}"], by_parameter(name))


def test_e1_batch_is_the_transposed_product() -> None:
    batch, W = np.array([x, x_other]), np.array(W1)
    assert [list(W.shape), list(batch.shape)] == [
        CORRECTIONS["E1"]["shape of W1"],
        CORRECTIONS["E1"]["shape of the batch A"],
    ]
    with pytest.raises(ValueError, match="matmul"):
        W @ batch
    found = reference.dense(batch, W, np.array(b1))
    np.testing.assert_allclose(found, CORRECTIONS["E1"]["corrected: Z1"], rtol=1e-14)


def test_e2_vector_on_the_left_does_not_conform() -> None:
    with pytest.raises(ValueError, match="matmul"):
        column(x) @ np.array(W1)
    found = np.array(W1) @ column(x) + column(b1)
    np.testing.assert_allclose(found, column(WORKED["z1"]), rtol=1e-14)


def test_e3_one_term_too_many_and_the_wrong_layer() -> None:
    a2, a3, n = WORKED["a2"], WORKED["a3"], len(y)
    with pytest.raises(IndexError):
        [(a3[i] - y[i]) ** 2 for i in range(n + 1)]
    with pytest.raises(ValueError, match="operands could not be broadcast"):
        np.array(a2) - np.array(y)
    assert len(range(n + 1)) == CORRECTIONS["E3"]["literal: terms"]
    assert reference.mse(np.array(a3), np.array(y)) == pytest.approx(WORKED["C"], rel=1e-14)
    assert reference_network(np.float64).loss([x], [y]) == pytest.approx(WORKED["C"], rel=1e-14)


def test_e4_three_factors_do_not_conform() -> None:
    with pytest.raises(ValueError, match="matmul"):
        column(WORKED["delta3"]) @ column(WORKED["a2"])
    corrected = column(WORKED["delta3"]) @ column(WORKED["a2"]).T
    assert agrees(corrected.tolist(), CORRECTIONS["E4"]["differences: dC/dW3"])


def test_e5_softmax_over_n_components_without_overflow() -> None:
    z = [1000.0, 0.0]
    with pytest.raises(IndexError):
        sum(math.exp(WORKED["z3"][j]) for j in range(len(y) + 1))
    with pytest.raises(OverflowError):
        math.exp(z[0])
    with np.errstate(over="ignore", invalid="ignore"):
        literal = np.exp(z) / np.exp(z).sum()
    np.testing.assert_array_equal(literal, CORRECTIONS["E5"]["literal: softmax(1000, 0)"])
    corrected = reference.activation("softmax", np.array(z))
    np.testing.assert_array_equal(corrected, CORRECTIONS["E5"]["corrected: softmax(1000, 0)"])


def test_e6_softmax_needs_its_jacobian() -> None:
    e = CORRECTIONS["E6"]
    wanted = e["differences: dC/db3"]
    assert relative(e["literal: dC/db3 by z(1 - z)"], wanted) > 0.1
    assert relative(e["half corrected: dC/db3 by a(1 - a)"], wanted) > 0.1
    z3, a3, g = (np.array([WORKED[name]]) for name in ("z3", "a3", "dC/da3"))
    assert agrees(reference.activation_gradient("softmax", z3, a3, g)[0].tolist(), wanted)


def test_e6_and_e7_cancel_for_two_outputs_only() -> None:
    def slips(a: Vector, target: Vector) -> Vector:
        return times([2.0 * (a[i] - target[i]) for i in range(len(a))], sigmoid_prime(a))

    e = CORRECTIONS["E6"]
    assert slips(WORKED["a3"], y) == e["with E7, cancelling: dC/db3 by 2 (a - y) a(1 - a)"]
    assert agrees(slips(WORKED["a3"], y), e["differences: dC/db3"])
    z, target = [0.4, -0.3, 0.8], [0.0, 1.0, 0.0]
    wanted = differences(
        lambda v: sum((a - t) ** 2 for a, t in zip(softmax(v), target, strict=True)) / 3, z
    )
    assert relative(slips(softmax(z), target), wanted) > 0.1
    a, row = reference.activation("softmax", np.array([z])), np.array([target])
    g = reference.mse_gradient(a, row)
    assert agrees(reference.activation_gradient("softmax", np.array([z]), a, g)[0].tolist(), wanted)


def test_e6_sigmoid_has_a_in_place_of_z() -> None:
    e = CORRECTIONS["E6"]
    wanted = e["differences: dC/db2"]
    assert relative(e["literal: dC/db2 by z(1 - z)"], wanted) > 0.1
    z2, a2, g = (np.array([WORKED[name]]) for name in ("z2", "a2", "dC/da2"))
    assert agrees(reference.activation_gradient("sigmoid", z2, a2, g)[0].tolist(), wanted)


def test_e7_gradient_of_the_sum_is_not_that_of_the_mean() -> None:
    e = CORRECTIONS["E7"]
    a3, target = np.array(WORKED["a3"]), np.array(y)
    assert relative(e["literal: 2 (a3 - y)"], e["differences: of the mean"]) == pytest.approx(1)
    assert agrees(reference.mse_gradient(a3, target).tolist(), e["differences: of the mean"])
    assert agrees(e["literal: 2 (a3 - y)"], e["differences: of the sum"])
    assert agrees(reference.mse_gradient(a3, target, "sum").tolist(), e["differences: of the sum"])


def test_e7_reduction_sum_is_the_note_s_gradient_in_a_network() -> None:
    net = reference_network(np.float64)
    net.forward([x])
    found = [
        g.tolist()
        for pair in net.backward([y], reduction="sum_over_outputs")
        for g in pair
        if g is not None
    ]
    for name, gradient in zip(PARAMETERS, found, strict=True):
        twice = [len(y) * value for value in flat(by_parameter(name))]
        assert agrees(gradient, twice)


def test_e8_loss_depends_on_a_layer_through_the_next() -> None:
    assert len(WORKED["a2"]) != len(WORKED["a3"])  # so that they cannot be equal
    net = reference.Network([(np.array(W3), np.array(b3), "softmax")])
    g = reference.mse_gradient(net.forward([WORKED["a2"]]), np.array([y]))
    _, dC_da2 = net.backward_from(g)
    assert agrees(dC_da2[0].tolist(), CORRECTIONS["E8"]["differences: dC/da2"])


def test_e9_element_wise_product_comes_first() -> None:
    A, B = WORKED["dC/da2"], sigmoid_prime(WORKED["a2"])
    right_first = list(flat(outer(B, WORKED["a1"])))
    with pytest.raises(ValueError, match="element-wise product of 3 and 12"):
        times(A, right_first)
    corrected = outer(times(A, B), WORKED["a1"])
    assert agrees(corrected, CORRECTIONS["E9"]["differences: dC/dW2"])


@pytest.mark.parametrize("layer", [1, 2])
def test_e10_left_side_is_the_bias(layer: int) -> None:
    right_side = WORKED[f"delta{layer}"]
    assert np.shape(right_side) != np.shape(by_parameter(f"W{layer}"))
    assert np.shape(right_side) == np.shape(by_parameter(f"b{layer}"))
    assert agrees(right_side, by_parameter(f"b{layer}"))


def test_e11_four_rows_each_with_its_own_index() -> None:
    e, wanted = CORRECTIONS["E11"], by_parameter("W1")
    with pytest.raises(ValueError, match="element-wise product of 4 and 3"):
        times(WORKED["dC/da1"], sigmoid_prime(WORKED["a1"][:3]))
    assert relative(e["literal: row 3 of dC/dW1"], wanted[2]) > 0.1
    net = reference_network(np.float64)
    net.forward([x])
    dW1 = net.backward([y])[0][0]
    assert agrees(dW1.tolist(), wanted)
    assert agrees(dW1[2].tolist(), e["differences: row 3 of dC/dW1"])


def test_e12_learning_rate_is_positive() -> None:
    e = CORRECTIONS["E12"]
    assert e["corrected: C after lr = 0.5"] < e["before: C"] < e["literal: C after lr = -0.5"]
    net = reference_network(np.float64)
    with pytest.raises(ValueError, match=r"learning_rate: found -0\.5, wanted a finite number > 0"):
        net.train_on_batch([x], [y], "sgd", learning_rate=-LEARNING_RATE)
    assert net.loss([x], [y]) == pytest.approx(e["before: C"], rel=1e-14)
    net.train_on_batch([x], [y], "sgd", learning_rate=LEARNING_RATE)
    assert net.loss([x], [y]) == pytest.approx(e["corrected: C after lr = 0.5"], rel=1e-13)


def test_e13_adam_is_algorithm_1() -> None:
    e = CORRECTIONS["E13"]
    found = from_adam(reference, np.float64)["b3 by Adam"].tolist()
    assert relative(found, e["algorithm 1: b3"]) < 1e-14
    assert relative(found, e["without bias correction: b3"]) > 0.1
