"""Inside `fit` a step keeps no gradients: plain SGD takes a weight's from the weight at once, and
few rows of large layers have theirs in scratch memory until the update. The bits are those of the
step that leaves them in `model.gradients`."""

from collections.abc import Iterator

import numpy as np
import pytest

import densecore as dc

# Few units (turned weight gradients), one input, layers beyond the second-level cache, and batches
# of one block, of more, so deep that gradients are packed, and of more rows than one pass over the
# depth.
NETWORKS = [[1, 5, 3], [7, 40, 6], [17, 64, 64, 6], [90, 300, 300, 10], [2, 70_000, 1]]


@pytest.mark.parametrize("batch", [2, 32, 64, 65, 130, 400, 500, 1100])
@pytest.mark.parametrize("widths", NETWORKS, ids=str)
def test_same_bits_as_kept_gradients(widths: list[int], batch: int, dtype: str) -> None:
    if widths[1] > 1000 and batch > 64:
        pytest.skip("takes long and shows nothing new")
    rng = np.random.default_rng(0)
    rows = 2 * batch + 3  # the last batch is another one
    x = rng.normal(size=(rows, widths[0])).astype(dtype)
    y = rng.normal(size=(rows, widths[-1])).astype(dtype)

    def model() -> dc.Sequential:
        hidden = [dc.Dense(n, "tanh", use_bias=n != 40) for n in widths[1:-1]]
        made = dc.Sequential(
            [dc.Input(widths[0]), *hidden, dc.Dense(widths[-1])], dtype=dtype, seed=1
        )
        made.compile(dc.optimizers.SGD(0.01), "mse")
        return made

    fused, kept = model(), model()
    fused.fit(x, y, batch, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for i in range(0, rows, batch):
            kept.train_on_batch(x[i : i + batch], y[i : i + batch])
    assert np.isfinite(kept.parameters).all()
    assert fused.parameters.tobytes() == kept.parameters.tobytes()
    assert fused.progress["steps"] == kept.progress["steps"]


@pytest.fixture
def threads_restored() -> Iterator[None]:
    before = dc.get_num_threads()
    yield
    dc.set_num_threads(before)


# Layers of one block and of several, too wide for one, of fewer inputs than threads have blocks; a
# layer whose inputs are not cut evenly; activations that keep their slope.
@pytest.mark.parametrize("batch", [1, 3, 20, 128])
@pytest.mark.parametrize("widths", [[90, 300, 301, 10], [9, 5000, 17, 3], [700, 333, 1]], ids=str)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_blocks_of_few_rows(
    widths: list[int], batch: int, optimizer: str, dtype: str, threads_restored: None
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * batch, widths[0])).astype(dtype)
    y = rng.normal(size=(2 * batch, widths[-1])).astype(dtype)

    def model() -> dc.Sequential:
        hidden = [dc.Dense(n, "gelu", use_bias=n != 17) for n in widths[1:-1]]
        made = dc.Sequential(
            [dc.Input(widths[0]), *hidden, dc.Dense(widths[-1])], dtype=dtype, seed=1
        )
        made.compile(optimizer, "mse")
        return made

    kept = model()
    for i in (0, batch):
        kept.train_on_batch(x[i : i + batch], y[i : i + batch])
    for threads in (1, 2, 5):
        fused = model()
        dc.set_num_threads(threads)
        fused.fit(x, y, batch, shuffle=False, verbose=0)
        assert fused.parameters.tobytes() == kept.parameters.tobytes(), threads
