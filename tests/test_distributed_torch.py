"""One model on the processes of torch.distributed (gloo), where torch is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import densecore as dc

pytest.importorskip("torch.distributed")

CASE = """
import hashlib, sys
import numpy as np
import torch.distributed as dist
import densecore as dc

rank, size, place = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=size)
random = np.random.default_rng(3)
x, y = random.normal(size=(1500, 6)).astype("float32"), random.integers(0, 3, 1500)
layers = [dc.Input(6), dc.Dense(300, "relu"), dc.Dense(300, "tanh"), dc.Dense(3, "softmax")]
model = dc.Sequential(layers, seed=3)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
group = dist if size == 2 else dist.group.WORLD
history = model.fit(x, y, batch_size=1100, epochs=2, comm=group, verbose=0)
bad = None
try:
    model.fit(x, y if rank else y + 3, comm=group, verbose=0)
except ValueError as error:
    bad = str(error)
assert bad is not None and "y: found" in bad, bad
print(hashlib.sha256(model.parameters.tobytes()).hexdigest(), history.history["loss"])
dist.destroy_process_group()
"""


def run(ranks: int, place: Path) -> set[str]:
    """What the ranks print."""
    package = str(Path(dc.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package, "DENSECORE_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CASE]
    started = []
    for rank in range(ranks):
        given = [*command, str(rank), str(ranks), str(place)]
        started.append(subprocess.Popen(given, stdout=subprocess.PIPE, text=True, env=environment))
    try:
        said = [process.communicate(timeout=120)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * ranks
    return set(said)


@pytest.mark.slow
def test_gloo_gives_the_bits_of_one_process(tmp_path: Path) -> None:
    found = [run(ranks, tmp_path / str(ranks)) for ranks in (1, 2, 4)]
    assert len(found[0]) == 1
    assert found[0] == found[1] == found[2]
