"""ONNX Runtime: prediction by session.run, and with inputs and outputs bound once."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from contestant import Array, Problem

library = "onnxruntime"

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax"}


def _session(problem: Problem) -> Any:
    workload = problem.workload
    kind = TensorProto.FLOAT if workload.dtype == "float32" else TensorProto.DOUBLE
    nodes, tensors, last = [], [], "x"
    for index, (_, _, activation) in enumerate(workload.layers):
        names = [f"W{index}", f"b{index}"]
        for name, array in zip(names, problem.weights[2 * index :], strict=False):
            tensors.append(numpy_helper.from_array(array, name))
        nodes.append(helper.make_node("Gemm", [last, *names], [f"z{index}"]))
        last = f"z{index}"
        if activation != "linear":
            nodes.append(helper.make_node(ACTIVATIONS[activation], [last], [f"a{index}"]))
            last = f"a{index}"
    nodes.append(helper.make_node("Identity", [last], ["out"]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kind, [problem.rows, workload.inputs])],
        [helper.make_tensor_value_info("out", kind, [problem.rows, workload.units[-1]])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = problem.threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Run:
    name = "ONNX Runtime"

    def __init__(self, problem: Problem) -> None:
        self.session = _session(problem)
        self.x = problem.asked
        self.last: Any = None

    def repeat(self, count: int) -> None:
        run, names, feed = self.session.run, ["out"], {"x": self.x}
        for _ in range(count):
            self.last = run(names, feed)

    def output(self) -> Array:
        return np.asarray(self.last[0])


class Bound:
    name = "ONNX Runtime, bound"

    def __init__(self, problem: Problem) -> None:
        self.session = _session(problem)
        self.x = problem.asked.copy()
        workload = problem.workload
        self.out = np.empty((problem.rows, workload.units[-1]), workload.dtype)
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("x", self.x)
        self.binding.bind_output(
            "out", "cpu", 0, self.out.dtype, list(self.out.shape), self.out.ctypes.data
        )

    def repeat(self, count: int) -> None:
        run, binding = self.session.run_with_iobinding, self.binding
        for _ in range(count):
            run(binding)

    def output(self) -> Array:
        return self.out


trainings: list[Any] = []
predictions = [Run, Bound]
