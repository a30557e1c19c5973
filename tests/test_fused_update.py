"""Inside `fit` plain SGD takes a weight's gradient from the weight at once and keeps no gradient:
the bits are those of the step that leaves it in `model.gradients`."""

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
