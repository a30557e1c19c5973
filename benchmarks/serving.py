"""One row at a time, asked for by one Python thread and by four: how long each call takes.

    python benchmarks/serving.py [--quick] [--json FILE]

Every contestant must give NumPy's outputs before it is timed. Then they are called in turn, as a
server would for each row that comes in, and the time of every call is kept, with the clock's own
part in it (the contestant "nothing"). At the end densecore makes 10^7 calls; the process may not
grow.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc
import description

Array = Any
Layers = list[tuple[Array, Array]]  # weights (in, out) and bias of each; tanh in between
# Makes what a thread of a server calls: its own output, the same model.
Make = Callable[[], Callable[[], Array]]

NETWORKS = {"note": (5, 4, 3, 2), "control": (17, 64, 64, 6), "mnist": (784, 512, 512, 10)}
CALLS = {"note": 40_000, "control": 40_000, "mnist": 4_000}  # of a thread in a round
ROUNDS, THREADS = 5, (1, 4)


def network(sizes: tuple[int, ...]) -> tuple[Layers, Array]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    layers = [(draw(m, n), draw(n)) for m, n in itertools.pairwise(sizes)]
    return layers, rng.normal(size=(1, sizes[0])).astype(np.float32)


def nothing(layers: Layers, x: Array) -> Make:
    return lambda: lambda: None


def by_numpy(layers: Layers, x: Array) -> Make:
    *hidden, (last_w, last_b) = layers

    def predict() -> Array:
        a = x
        for w, b in hidden:
            a = np.tanh(a @ w + b)
        return a @ last_w + last_b

    return lambda: predict


def by_densecore(layers: Layers, x: Array) -> Make:
    units = [len(b) for _, b in layers]
    model = dc.Sequential(
        [dc.Input(x.shape[1]), *(dc.Dense(n, "tanh") for n in units[:-1]), dc.Dense(units[-1])]
    )
    model.set_weights([array for layer in layers for array in layer])
    frozen = model.freeze()

    def make() -> Callable[[], Array]:
        out = np.empty((1, units[-1]), np.float32)
        return lambda: frozen(x, out)

    return make


def by_torch(layers: Layers, x: Array) -> Make:
    import torch

    torch.set_num_threads(1)
    parts: list[Any] = []
    for w, b in layers:
        parts += [torch.nn.Linear(*w.shape), torch.nn.Tanh()]
        parts[-2].weight.data = torch.from_numpy(w.T.copy())
        parts[-2].bias.data = torch.from_numpy(b)
    row = torch.from_numpy(x)
    model = torch.jit.freeze(torch.jit.trace(torch.nn.Sequential(*parts[:-1]).eval(), row))

    def predict() -> Array:
        with torch.inference_mode():
            return model(row).numpy()

    return lambda: predict


def by_onnxruntime(layers: Layers, x: Array) -> Make:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, last = [], [], "x"
    for number, layer in enumerate(layers):
        names = [f"W{number}", f"b{number}"]
        tensors += map(numpy_helper.from_array, layer, names)
        nodes.append(helper.make_node("Gemm", [last, *names], [f"z{number}"]))
        nodes.append(helper.make_node("Tanh", [f"z{number}"], [f"a{number}"]))
        last = f"a{number}"
    last = nodes.pop().input[0]
    info = [(x.shape[1], "x"), (len(layers[-1][1]), last)]
    (given, found) = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for size, name in info
    )
    graph = helper.make_graph(nodes, "network", [given], [found], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names, feed = [last], {"x": x}
    return lambda: lambda: session.run(names, feed)[0]


CONTESTANTS = {
    "nothing": nothing,
    "densecore": by_densecore,
    "NumPy": by_numpy,
    "ONNX Runtime": by_onnxruntime,
    "PyTorch (TorchScript)": by_torch,
}


def times_of(make: Make, threads: int, calls: int) -> tuple[Array, float]:
    """Nanoseconds of every call, and seconds of all together."""
    found = np.zeros((threads, calls), np.int64)
    start = threading.Barrier(threads + 1)

    def work(times: Array) -> None:
        predict, clock, kept = make(), time.perf_counter_ns, [0] * calls
        for _ in range(100):
            predict()
        start.wait()
        for number in range(calls):
            begin = clock()
            predict()
            kept[number] = clock() - begin
        times[:] = kept

    workers = [threading.Thread(target=work, args=(times,)) for times in found]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    for worker in workers:
        worker.join()
    return found.ravel(), time.perf_counter() - begin


def measure(name: str, calls: int, missing: dict[str, str]) -> list[dict[str, Any]]:
    layers, x = network(NETWORKS[name])
    expected = by_numpy(layers, x)()()
    makes: dict[str, Make] = {}
    for contestant, build in CONTESTANTS.items():
        try:
            makes[contestant] = build(layers, x)
        except ImportError as error:
            missing[contestant] = str(error)
            continue
        if build is not nothing:
            np.testing.assert_allclose(makes[contestant]()(), expected, rtol=1e-4, atol=1e-5)
    rows = []
    for threads in THREADS:
        rounds: dict[str, list[tuple[Array, float]]] = {contestant: [] for contestant in makes}
        for _ in range(ROUNDS):
            for contestant, make in makes.items():
                rounds[contestant].append(times_of(make, threads, calls))
        for contestant, parts in rounds.items():
            times = np.concatenate([part for part, _ in parts])
            p50, p99, p999 = np.percentile(times, [50, 99, 99.9]).tolist()
            rows.append({
                "network": name, "threads": threads, "contestant": contestant,
                "p50_ns": p50, "p99_ns": p99, "p99.9_ns": p999,
                "calls_per_second": round(times.size / sum(spent for _, spent in parts)),
            })  # fmt: skip
            print(f"{name:8} {threads} threads  {contestant:22} p50 {p50 / 1000:9.2f} µs   "
                  f"p99 {p99 / 1000:9.2f}   p99.9 {p999 / 1000:9.2f}   "
                  f"{rows[-1]['calls_per_second']:>10,} calls/s")  # fmt: skip
    return rows


def growth(calls: int) -> dict[str, Any]:
    """Kilobytes by which so many calls make the process grow, half of them with new outputs."""

    def resident() -> int:
        text = Path("/proc/self/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    layers, x = network(NETWORKS["note"])
    model = dc.Sequential([dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(3, "tanh"), dc.Dense(2)])
    model.set_weights([array for layer in layers for array in layer])
    frozen, out = model.freeze(), np.empty((1, 2), np.float32)
    for _ in range(1000):
        frozen(x, out)
    before = resident()
    for _ in range(calls // 2):
        frozen(x, out)
        frozen(x)
    return {"calls": calls, "kilobytes": resident() - before}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the calls")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    share = 100 if options.quick else 1
    missing: dict[str, str] = {}
    rows = [row for name in NETWORKS for row in measure(name, CALLS[name] // share, missing)]
    for name, reason in missing.items():
        print(f"{name}: left out, {reason}")
    report = {"machine": description.describe(), "missing": missing, "rows": rows}
    if Path("/proc/self/status").exists():
        grown = report["growth"] = growth(10**7 // share)
        print(f"{grown['calls']:,} calls: the process grew by {grown['kilobytes']} kB")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    # An allocation per call would be 160 MB at the least.
    return int(report.get("growth", {}).get("kilobytes", 0) > 1000)


if __name__ == "__main__":
    sys.exit(main())
