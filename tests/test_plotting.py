"""Pictures of networks: what is drawn of small and of large ones, and of layers of other kinds."""

import os
from pathlib import Path
from typing import Any

import pytest

import densecore as dc
from densecore.models.plot import MOST_UNITS

matplotlib = pytest.importorskip("matplotlib")


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def circles(figure: Any) -> list[tuple[float, float]]:
    from matplotlib.patches import Circle

    return [p.center for p in figure.axes[0].patches if isinstance(p, Circle)]


def lines(figure: Any) -> int:
    return sum(len(c.get_segments()) for c in figure.axes[0].collections)


def test_a_small_network_has_a_circle_for_each_unit() -> None:
    model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(3, "softmax"), dc.Dense(1)])
    figure = model.plot()
    assert len(circles(figure)) == 4 + 8 + 3 + 1
    assert lines(figure) == 4 * 8 + 8 * 3 + 3
    shown = texts(figure)
    for text in ("input", "dense", "dense_1", "4 inputs", "8 units", "1 output", "tanh", "softmax"):
        assert text in shown
    # Nothing lies outside the picture, and no circles overlap.
    axes = figure.axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert all(left < x < right and low < y < high for x, y in circles(figure))
    assert len(set(circles(figure))) == 16


@pytest.mark.parametrize("units", [MOST_UNITS + 1, 300])
def test_a_large_network_has_a_block_for_each_layer(units: int) -> None:
    model = dc.Sequential([dc.Input(7), dc.Dense(units, "relu"), dc.Dense(2)])
    figure = model.plot()
    assert circles(figure) == []
    shown = texts(figure)
    assert "7 inputs" in shown
    assert f"{units} units" in shown
    assert f"{8 * units:,} parameters" in shown
    assert "Dense, relu" in shown


def test_a_model_without_parameters_can_be_drawn() -> None:
    figure = dc.Sequential([dc.Dense(3)]).plot()
    assert "3 outputs" in texts(figure)
    with pytest.raises(ValueError, match="plot: the model has no layers yet"):
        dc.Sequential([dc.Input(3)]).plot()


def test_layers_of_other_kinds_are_bars() -> None:
    chain = [dc.Input(3), dc.Dense(4, "relu"), dc.layers.Dropout(0.5), dc.Dense(2)]
    figure = dc.Sequential(chain).plot()
    assert len(circles(figure)) == 3 + 4 + 2
    assert lines(figure) == 3 * 4 + 4 + 4 * 2
    assert "Dropout" in texts(figure)


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_pictures_are_files(name: str, tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1)])
    model.plot(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 500
    with pytest.raises(ValueError, match="found the ending"):
        model.plot(tmp_path / "a.txt")
    assert os.listdir(tmp_path) == [name]


def test_notebooks_get_a_table() -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(3, "tanh", name="<a>"), dc.Dense(1)], name="net")
    shown = model._repr_html_()
    assert "net, float32: 13 parameters" in shown
    assert "<td>&lt;a&gt;</td><td>Dense</td><td>3</td><td>tanh</td><td>9</td>" in shown
    assert "not built yet" in dc.Sequential()._repr_html_()
