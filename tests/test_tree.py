"""Keras's functions of nested structures, and what a layer says of its inputs."""

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import tree

NESTED = {"b": [1, (2, 3)], "a": {"x": 4}}


def test_leaves_and_back() -> None:
    assert tree.flatten(NESTED) == [4, 1, 2, 3]
    assert tree.flatten(OrderedDict(b=1, a=2)) == [1, 2]
    assert tree.flatten_with_path(NESTED)[1:3] == [(("b", 0), 1), (("b", 1, 0), 2)]
    again = tree.pack_sequence_as(NESTED, tree.flatten(NESTED))
    assert again == NESTED
    assert list(again) == ["b", "a"]
    assert tree.pack_sequence_as(0, [5]) == 5
    for wrong in ([1], [1, 2, 3, 4, 5]):
        with pytest.raises(ValueError, match="flat_sequence: found"):
            tree.pack_sequence_as(NESTED, wrong)


def test_maps() -> None:
    pair = namedtuple("pair", "one two")
    assert tree.map_structure(lambda a: a + 1, NESTED) == {"b": [2, (3, 4)], "a": {"x": 5}}
    assert tree.map_structure(max, pair(1, 5), pair(2, 3)) == pair(2, 5)
    assert tree.map_structure(lambda a: 0, [None, 1], none_is_leaf=False) == [None, 0]
    assert tree.map_structure_up_to([None, [None]], str, [[1], [2]]) == ["[1]", ["2"]]
    assert tree.map_shape_structure(len, {"a": (None, 3), "b": [2]}) == {"a": 2, "b": 1}
    assert tree.lists_to_tuples([1, {"a": [2]}]) == (1, {"a": (2,)})
    assert tree.is_nested(NESTED)
    assert not tree.is_nested("text")
    for one, other in (([1], (1,)), ({"a": 1}, {"b": 1}), ([1], [1, 2]), (1, [1])):
        with pytest.raises(ValueError, match="wanted the structure of"):
            tree.map_structure(max, one, other)
    with pytest.raises(ValueError, match="wanted the paths of"):
        tree.assert_same_paths([1], [1, 2])


def test_traversal_replaces_what_the_function_returns() -> None:
    def double(part: Any) -> Any:
        return 2 * part if isinstance(part, int) else None

    assert tree.traverse(double, NESTED) == {"b": [2, (4, 6)], "a": {"x": 8}}
    assert tree.traverse(lambda p: tree.MAP_TO_NONE if p == 1 else None, [1, 2]) == [None, 2]
    seen: list[Any] = []
    tree.traverse(lambda part: seen.append(part), [1, [2]], top_down=False)
    assert seen == [1, 2, [2], [1, [2]]]


def test_specifications_of_inputs() -> None:
    class Wide(dc.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.input_spec = dc.layers.InputSpec(min_ndim=2, axes={-1: 3})

        def call(self, inputs: Any) -> Any:
            return 2 * inputs

    assert dc.Sequential([dc.Input(3), Wide()]).predict(np.ones((1, 3))).tolist() == [[2, 2, 2]]
    with pytest.raises(ValueError, match=r"layer wide.*: found inputs of shape \(None, 4\)"):
        dc.Sequential([dc.Input(4), Wide()]).build()
    spec = dc.InputSpec(shape=(None, 3, 1), allow_last_axis_squeeze=True)
    spec.check("x", (None, 3))
    assert dc.InputSpec.from_config(spec.get_config()).shape == (None, 3, 1)
    for shape in ((None, 4, 1), (None,), (None, 3, 2, 1)):
        with pytest.raises(ValueError, match="found inputs of shape"):
            spec.check("x", shape)
    with pytest.raises(TypeError, match="axes: found"):
        dc.InputSpec(axes="last")
