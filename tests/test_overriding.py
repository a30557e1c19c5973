"""Methods that a user's class overrides are called, or the class is refused: never ignored."""

from typing import Any

import numpy as np
import pytest

import densecore as dc

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X[:, :1]


def derived(base: type, **members: Any) -> Any:
    return type("Own", (base,), members)


def trained(loss: Any = "mse", metrics: Any = None) -> dict[str, list[float]]:
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    model.compile("sgd", loss, metrics=metrics)
    return model.fit(X, Y, verbose=0).history


class TestWithoutTheirMethods:
    @pytest.mark.parametrize("cls", [dc.losses.Loss, derived(dc.losses.Loss, compute=len)])
    def test_loss(self, cls: Any) -> None:
        with pytest.raises(TypeError, match=r"found no method call\(y_true, y_pred\)"):
            cls()

    @pytest.mark.parametrize(
        ("members", "missing"),
        [({}, "update_state"), ({"result": len}, "update_state"), ({"update_state": id}, "result")],
    )
    def test_metric(self, members: dict[str, Any], missing: str) -> None:
        with pytest.raises(TypeError, match=f"Own: found no method {missing}"):
            derived(dc.metrics.Metric, **members)()

    def test_model(self) -> None:
        class Own(dc.Model):
            def __init__(self) -> None:
                super().__init__()

        with pytest.raises(TypeError, match="Own: found neither inputs and outputs nor a method"):
            Own()


class TestNeverCalled:
    @pytest.mark.parametrize("base", [dc.Sequential, dc.Model])
    @pytest.mark.parametrize("method", ["train_step", "make_train_function"])
    def test_models(self, base: type, method: str) -> None:
        with pytest.raises(TypeError, match=f"class Own: found a method {method}"):
            derived(base, **{method: len})

    @pytest.mark.parametrize(
        "base", [dc.optimizers.Optimizer, dc.optimizers.SGD, dc.optimizers.Adam]
    )
    @pytest.mark.parametrize("method", ["update_step", "apply_gradients"])
    def test_optimizers(self, base: type, method: str) -> None:
        with pytest.raises(TypeError, match=f"class Own: found a method {method}"):
            derived(base, **{method: len})

    @pytest.mark.parametrize("base", [dc.Dense, dc.layers.Embedding])
    @pytest.mark.parametrize("method", ["call", "build", "add_weight"])
    def test_layers(self, base: type, method: str) -> None:
        with pytest.raises(TypeError, match=f"class Own: found a method {method} in a subclass of"):
            derived(base, **{method: len})


class TestMixIns:
    """Methods that come from another base class than the library's count as well."""

    def test_loss(self) -> None:
        class MixIn:
            def call(self, y_true: Any, y_pred: Any) -> Any:
                return 3 * dc.ops.mean((y_true - y_pred) ** 2, axis=-1)

        own = type("Own", (MixIn, dc.losses.Loss), {})()
        assert trained(own)["loss"][0] == pytest.approx(3 * trained()["loss"][0], rel=1e-6)

    def test_metric(self) -> None:
        class MixIn:
            def result(self) -> float:
                return 7.0

        own = type("Own", (MixIn, dc.metrics.MeanAbsoluteError), {})()
        assert trained(metrics=[own])["own"] == [7.0]

    def test_never_called(self) -> None:
        with pytest.raises(TypeError, match="class Own: found a method train_step"):
            type("Own", (type("MixIn", (), {"train_step": len}), dc.Sequential), {})
