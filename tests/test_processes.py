"""Models in other processes: sent there by pickle, trained there, with the bits they have here."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, optimizers

# Large enough for the thread pool, which a forked child must not wait for.
PROGRAM = """
import concurrent.futures, copy, multiprocessing, sys
import numpy as np
import densecore as dc
from densecore import layers, optimizers

dc.set_num_threads(2)
rng = np.random.default_rng(0)
X = rng.normal(size=(1500, 100)).astype(np.float32)
Y = rng.normal(size=(1500, 3)).astype(np.float32)


def make(width):
    model = dc.Sequential(
        [dc.Input(100), dc.Dense(width, "relu"), layers.BatchNormalization(), layers.Dropout(0.2),
         dc.Dense(width, "tanh"), dc.Dense(3)], seed=0)
    model.compile(optimizers.Adam(0.01, gradient_accumulation_steps=2, clipnorm=1.0), "mse")
    return model


def go_on(model):
    "Everything that trains or predicts, once; what comes out, as bytes."
    model.fit(X, Y, 500, epochs=1, verbose=0)
    losses = [model.train_on_batch(X[:32], Y[:32])]
    step = model.make_train_step(X[:3], Y[:3])
    losses += [step(), step.run(2)]
    tapes = [model.make_tape(), model.make_tape()]
    outs = [model.forward(X[i : i + 9], tape=tape) for i, tape in enumerate(tapes)]
    for out, tape in zip(outs, tapes):
        model.backward(out, tape=tape, accumulate=tape is tapes[1])
    model.apply_gradients()
    states = b"".join(view.tobytes() for view in model._tensors().values())
    frozen = model.freeze()(X).tobytes()
    assert frozen == model.predict(X).tobytes()
    return repr(losses).encode() + states + frozen


def predictions(frozen):
    return frozen(X).tobytes()


def main(how, method):
    models = [make(40), make(400)]
    for model in models:
        model.fit(X, Y, 500, epochs=1, verbose=0)
        model.forward(X[:5])
    frozen = [model.freeze() for model in models]
    context = None if method is None else multiprocessing.get_context(method)
    if how == "pool":
        with context.Pool(2) as pool:
            there = pool.map(go_on, models)
            served = pool.map(predictions, frozen)
    elif how == "executor":
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            there = list(pool.map(go_on, models))
            served = list(pool.map(predictions, frozen))
    else:
        from joblib import Parallel, delayed
        there = Parallel(2, backend=how)(delayed(go_on)(copy.deepcopy(m)) for m in models)
        served = Parallel(2, backend=how)(delayed(predictions)(each) for each in frozen)
    print(served == [predictions(each) for each in frozen])
    print(there == [go_on(model) for model in models])


if __name__ == "__main__":
    main(*sys.argv[1:], *[None] * (3 - len(sys.argv)))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("processes") / "work.py"
    path.write_text(PROGRAM)
    return path


METHODS = ["spawn"] if sys.platform == "win32" else ["fork", "spawn", "forkserver"]
WAYS = [(how, method) for how in ("pool", "executor") for method in METHODS]


@pytest.mark.slow
@pytest.mark.parametrize("way", [*WAYS, ("loky",), ("threading",), ("multiprocessing",)])
def test_a_model_goes_on_there_as_here(way: tuple[str, ...], program: Path) -> None:
    if len(way) == 1:
        pytest.importorskip("joblib")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), *way],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_was_bound_before_a_fork_works_after_it() -> None:
    """Steps, predictions, tapes and frozen models, in the child while the parent uses them, too."""
    code = """
        import os, sys
        import numpy as np
        import densecore as dc

        dc.set_num_threads(2)
        x = np.random.default_rng(0).normal(size=(700, 300)).astype(np.float32)
        y = x[:, :3].copy()
        model = dc.Sequential([dc.Input(300), dc.Dense(300, "tanh"), dc.Dense(3)], seed=0)
        model.compile("adam", "mse")
        step, predict = model.make_train_step(x, y), model.make_predictor(x)
        frozen, tape = model.freeze(), model.make_tape()
        step(), predict(), frozen(x)
        out = model.forward(x, tape=tape)

        def work():
            model.backward(out, tape=tape)
            results = [model.gradients.tobytes(), repr([step(), step.run(3)]).encode()]
            return b"".join([*results, predict().tobytes(), frozen(x).tobytes()])

        read, write = os.pipe()
        if os.fork() == 0:
            with open(write, "wb") as file:
                file.write(work())
            os._exit(0)
        os.close(write)
        mine = work()
        with open(read, "rb") as file:
            print(file.read() == mine)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["True", "0"], done.stderr


def model_with_state() -> tuple[dc.Sequential, Any, Any]:
    stack = [dc.Dense(8, "tanh"), layers.Dropout(0.3), layers.BatchNormalization(), dc.Dense(2)]
    model = dc.Sequential([dc.Input(4), *stack], seed=0)
    model.compile(optimizers.RMSprop(0.01, momentum=0.9, gradient_accumulation_steps=3), "mse")
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(40, n)).astype(np.float32) for n in (4, 2))
    for _ in range(4):  # in the middle of an accumulation
        model.backward(model.forward(x) - y)
        model.apply_gradients()
    return model, x, y


def test_joblib_files(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    model, x, y = model_with_state()
    joblib.dump({"model": model, "served": model.freeze()}, tmp_path / "both", compress=3)
    loaded = joblib.load(tmp_path / "both")
    assert loaded["served"](x).tobytes() == model.predict(x).tobytes()
    for each in (model, loaded["model"]):
        for _ in range(5):  # with the same masks, too
            each.backward(each.forward(x) - y)
            each.apply_gradients()
        each.train_on_batch(x, y)
    for name, tensor in model._tensors().items():
        assert loaded["model"]._tensors()[name].tobytes() == tensor.tobytes(), name
