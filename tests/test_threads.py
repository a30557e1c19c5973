"""Threads: the same bits for any number, no damage by fork, signals or a second Python thread."""

import concurrent.futures
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    before = dc.get_num_threads()
    yield
    dc.set_num_threads(before)


# (inputs, layers, rows, batch): a small network with several reduction leaves, one that is large
# enough to be split within layers, and small ones whose batch is one leaf of one and of two blocks.
NETWORKS = [
    (17, [(64, "tanh"), (64, "tanh"), (6, "softmax")], 2500, 1100),
    (300, [(257, "relu"), (131, "tanh"), (5, "softmax")], 900, 700),
    (30, [(150, "tanh"), (150, "relu"), (6, "softmax")], 170, 64),
    (30, [(60, "tanh"), (300, "relu"), (100, "gelu"), (6, "softmax")], 330, 100),
]


def trained(
    inputs: int, layers: list[tuple[int, str]], rows: int, batch: int, dtype: str, optimizer: str
) -> list[bytes]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, inputs)).astype(dtype)
    y = rng.integers(0, layers[-1][0], rows)
    model = dc.Sequential(
        [dc.Input(inputs), *(dc.Dense(n, f) for n, f in layers)], dtype=dtype, seed=3
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, batch, epochs=2, verbose=0, validation_split=0.1)
    fitted = model.gradients.tobytes()
    out = model.forward(x[:batch])
    below = model.backward(out - 1, input_gradient=True)
    return [
        fitted,
        out.tobytes(),
        below.tobytes(),
        model.parameters.tobytes(),
        model.gradients.tobytes(),
        repr(history.history).encode(),
        model.predict(x).tobytes(),
        repr(model.evaluate(x, y)).encode(),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_bits_do_not_depend_on_the_number_of_threads(
    network: Any, dtype: str, optimizer: str
) -> None:
    dc.set_num_threads(1)
    expected = trained(*network, dtype, optimizer)
    for threads in (2, 3, 4, 7):
        dc.set_num_threads(threads)
        assert trained(*network, dtype, optimizer) == expected, threads


@pytest.mark.parametrize("batch", [511, 700, 1025])
@pytest.mark.parametrize("hidden", [[], [23, 90]])
def test_outputs_that_are_watched_change_no_bits(hidden: list[int], batch: int, dtype: str) -> None:
    # Without metrics the blocks of a batch take each other's place in memory.
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2 * batch + 77, 9)).astype(dtype)
    y = rng.normal(size=(len(x), 301)).astype(dtype)
    found = []
    for metrics in ([], ["mae"]):
        for threads in (1, 2, 3):
            dc.set_num_threads(threads)
            model = dc.Sequential(
                [dc.Input(9), *(dc.Dense(n, "gelu") for n in hidden), dc.Dense(301)],
                dtype=dtype,
                seed=3,
            )
            model.compile("adam", "mse", metrics)
            history = model.fit(x, y, batch, epochs=2, verbose=0).history
            found.append((history["loss"], model.parameters.tobytes()))
            if metrics:  # of outputs before each step: the second epoch's is near the last one
                assert history["mae"][1] == pytest.approx(
                    model.evaluate(x, y, verbose=0)[1], rel=0.02
                )
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("units", [40, 400])
def test_layers_of_rows_have_the_same_bits_for_any_number_of_threads(units: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 50)).astype(np.float32)
    y = rng.normal(size=(500, 3)).astype(np.float32)

    def run(threads: int) -> list[bytes]:
        dc.set_num_threads(threads)
        inputs = dc.Input(50)
        wide = dc.Dense(units, "relu")(inputs)
        normal = dc.layers.LayerNormalization()(wide)
        both = dc.layers.Add()([dc.layers.Dropout(0.2)(normal), dc.Dense(units, "silu")(normal)])
        model = dc.Model(inputs, dc.Dense(3)(both), seed=2)
        model.compile(dc.optimizers.Adam(global_clipnorm=1.0), "mse")
        history = model.fit(x, y, 120, epochs=2, verbose=0)
        return [model.parameters.tobytes(), repr(history.history).encode()]

    expected = run(1)
    for threads in (2, 5):
        assert run(threads) == expected, threads


@pytest.mark.parametrize("network", NETWORKS)
def test_a_row_does_not_depend_on_its_batch(network: Any) -> None:
    inputs, layers, _, _ = network
    model = dc.Sequential([dc.Input(inputs), *(dc.Dense(n, f) for n, f in layers)], seed=1)
    x = np.random.default_rng(1).normal(size=(1500, inputs)).astype(np.float32)
    whole = model.predict(x)
    for size in (1, 2, 5, 6, 63, 64, 65, 777):
        for begin in (0, 700):
            part = np.ascontiguousarray(x[begin : begin + size])
            expected = whole[begin : begin + size]
            assert model.predict(part).tobytes() == expected.tobytes()
            assert model.predict_on_batch(part).tobytes() == expected.tobytes()
            assert model.forward(part).tobytes() == expected.tobytes()


def test_gradients_through_forward_and_backward_equal_those_of_training() -> None:
    inputs, layers, rows, _ = NETWORKS[0]
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, inputs)).astype(np.float32)
    y = rng.normal(size=(rows, 6)).astype(np.float32)
    model = dc.Sequential([dc.Input(inputs), *(dc.Dense(n, f) for n, f in layers)], seed=1)
    model.compile("sgd", "mse")
    out = model.forward(x)
    model.backward(dc.ops.mse_gradient(out, y))
    separate = model.gradients.copy()
    model.train_on_batch(x, y)
    # Sums over the rows, in another order: each term is rounded once.
    assert_close(separate, model.gradients, rows * float(np.finfo(np.float32).eps))


def run_script(code: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )


COUNT = "import densecore as dc; print(dc.get_num_threads())"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DENSECORE_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, "3"),
        ({"DENSECORE_NUM_THREADS": "", "OMP_NUM_THREADS": "5"}, "5"),
        ({"DENSECORE_NUM_THREADS": "", "OMP_NUM_THREADS": "4,2"}, "4"),
        ({"DENSECORE_NUM_THREADS": "none", "OMP_NUM_THREADS": "2"}, "2"),
    ],
)
def test_environment_sets_the_number(environment: dict[str, str], expected: str) -> None:
    assert run_script(COUNT, **environment).stdout.strip() == expected


@pytest.mark.slow
@pytest.mark.parametrize("garbage", ["none", "0", "-3", "3x", "1e3", "99999", "2 3", "\u0663"])
def test_garbage_in_the_environment_is_told(garbage: str) -> None:
    done = run_script(COUNT, DENSECORE_NUM_THREADS=garbage, OMP_NUM_THREADS="2")
    assert done.stdout.strip() in ("2", "1024")
    assert "DENSECORE_NUM_THREADS: found" in done.stderr
    assert "wanted an integer from 1 to 1024" in done.stderr
    for good in ("3", " 3", ""):
        assert run_script(COUNT, DENSECORE_NUM_THREADS=good).stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_affinity_limits_the_number() -> None:
    code = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {COUNT}"
    done = run_script(code, DENSECORE_NUM_THREADS="", OMP_NUM_THREADS="")
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("wrong", [0, -1, 1025])
def test_bad_numbers_are_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"found {wrong}, wanted an integer from 1 to 1024"):
        dc.set_num_threads(wrong)


def test_numbers_of_the_wrong_type_are_refused() -> None:
    for wrong in (1.5, "2", None, True):
        with pytest.raises(TypeError, match="wanted an integer"):
            dc.set_num_threads(wrong)  # type: ignore[arg-type]


BIG = """
    import sys, os, time, threading
    import numpy as np
    import densecore as dc

    dc.set_num_threads(2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 200)).astype(np.float32)
    y = rng.normal(size=(2000, 3)).astype(np.float32)

    def make():
        model = dc.Sequential(
            [dc.Input(200), dc.Dense(300, "relu"), dc.Dense(300, "tanh"), dc.Dense(3)], seed=0)
        model.compile("adam", "mse")
        return model
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_training_leaves_both_processes_working() -> None:
    done = run_script(
        BIG
        + """
    import warnings; warnings.simplefilter("ignore")
    parent = make(); parent.fit(x, y, 500, epochs=2, verbose=0)
    pid = os.fork()
    model = make(); model.fit(x, y, 500, epochs=2, verbose=0)
    same = model.parameters.tobytes() == parent.parameters.tobytes()
    if pid == 0:
        os._exit(0 if same else 1)
    _, status = os.waitpid(pid, 0)
    print("child", os.waitstatus_to_exitcode(status), "parent", same)
    """
    )
    assert done.stdout.strip() == "child 0 parent True", done.stderr


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_lock_of_an_optimizer_is_held_in_a_child() -> None:
    """Another thread trains by a schedule at every fork, and locks it in every step."""
    done = run_script("""
        import os, signal, threading
        import numpy as np
        import densecore as dc

        rate = dc.schedules.ExponentialDecay(0.01, 1000, 0.9)
        model = dc.Sequential([dc.Input(1), dc.Dense(1)], seed=0)
        model.compile(dc.optimizers.SGD(rate), "mse")
        x = np.zeros((100_000, 1), "f")
        thread = threading.Thread(
            target=lambda: model.fit(x, x, 1, 10**6, shuffle=False, verbose=0), daemon=True
        )
        thread.start()
        for _ in range(300):
            pid = os.fork()
            if pid == 0:
                signal.alarm(5)  # ends a child that waits for ever
                model.optimizer.learning_rate = 0.5
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        print("done", flush=True)
        os._exit(0)
    """)
    assert done.stdout.strip() == "done", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_a_fork_waits_for_imports_of_other_threads() -> None:
    """A child would wait for a module that its parent's other thread was importing."""
    done = run_script(
        """
    import importlib.abc, importlib.machinery, os, sys, threading, time, warnings
    import numpy as np
    import densecore as dc

    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("f")
    slow = []

    class Slow(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if not name.startswith("densecore") or os.getpid() != parent:
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                execute = spec.loader.exec_module
                def slowly(module):
                    slow.append(name)
                    time.sleep(0.1)
                    execute(module)
                spec.loader.exec_module = slowly
            return spec

    parent = os.getpid()
    sys.meta_path.insert(0, Slow())

    def use():
        model = dc.Sequential([dc.Input(3), dc.Dense(4), dc.Dense(1)], seed=0)
        model.compile("adam", "mse", ["mae"])
        model.fit(x, x[:, :1], verbose=0)
        model.train_on_batch(x, x[:, :1])
        model.evaluate(x, x[:, :1], batch_size=8, verbose=1)
        model.predict(x, batch_size=8)
        model.freeze()(x)
        model.optimizer.learning_rate = dc.schedules.CosineDecay(0.1, 100)
        model.to_json()
        try:
            dc.nothing_of_this_name
        except AttributeError:
            pass
        dc.Ensemble(model, 2).predict(x)

    thread = threading.Thread(target=use)
    thread.start()
    hung = children = 0
    while thread.is_alive():
        pid = os.fork()
        if pid == 0:
            import signal
            signal.alarm(10)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            use()
            os._exit(0)
        children += 1
        hung += os.waitpid(pid, 0)[1] != 0
        time.sleep(0.02)
    print(len(slow) > 3, children > 0, hung, file=sys.stderr)
    """
    )
    assert done.stderr.split() == ["True", "True", "0"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_after_training(method: str, tmp_path: Any) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(BIG)
        + textwrap.dedent(
            f"""
            import multiprocessing, warnings
            warnings.simplefilter("ignore")

            def work(_):
                model = make()
                model.fit(x, y, 500, epochs=1, verbose=0)
                return model.parameters.tobytes()

            if __name__ == "__main__":
                mine = work(0)
                with multiprocessing.get_context("{method}").Pool(2) as pool:
                    print(all(other == mine for other in pool.map(work, range(4))))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.slow
@pytest.mark.measures  # after how many seconds training has begun
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("kind", ["tiny steps", "large steps"])
def test_interrupt_stops_training_and_keeps_the_model(kind: str) -> None:
    tiny = kind == "tiny steps"
    done = run_script(
        BIG
        + f"""
    import signal
    # A shell's background job ignores Ctrl-C, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if {tiny}:
        x, y = x[:50], y[:50]
        model = dc.Sequential([dc.Input(200), dc.Dense(2, "tanh"), dc.Dense(3)], seed=0)
        batch = 1
    else:
        x = rng.normal(size=(2000, 200)).astype(np.float32)
        y = rng.normal(size=(2000, 3)).astype(np.float32)
        model = dc.Sequential(
            [dc.Input(200), dc.Dense(1500, "relu"), dc.Dense(1500, "relu"), dc.Dense(3)], seed=0)
        batch = 2000
    model.compile("sgd", "mse")
    before = model.parameters.copy()
    sent = []

    def interrupt():
        time.sleep(1.5)
        sent.extend([time.perf_counter(), time.process_time()])
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        model.fit(x, y, batch, epochs=10**7, verbose=0)
    except KeyboardInterrupt:
        # A machine that is busy with other programs makes the first late, not the second.
        late = min(time.perf_counter() - sent[0], time.process_time() - sent[1])
        changed = bool((model.parameters != before).any())
        finite = bool(np.isfinite(model.parameters).all())
        model.train_on_batch(x[:5], y[:5])
        print(changed, finite, len(model.history.epoch) > 0, late)
    """
    )
    changed, finite, epochs, late = done.stdout.split()
    assert (changed, finite, epochs) == ("True", "True", "True"), done.stderr
    # The promise is 100 ms; twice that allows for a busy machine.
    assert float(late) < 0.2


def test_one_model_in_two_threads_is_refused() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20000, 50)).astype(np.float32)
    y = rng.normal(size=(20000, 2)).astype(np.float32)
    model = dc.Sequential([dc.Input(50), dc.Dense(200, "tanh"), dc.Dense(2)], seed=0)
    model.compile("sgd", "mse")
    errors: list[BaseException] = []
    thread = threading.Thread(target=lambda: model.fit(x, y, epochs=20, verbose=0))
    thread.start()
    while thread.is_alive():
        try:
            model.train_on_batch(x[:32], y[:32])
        except RuntimeError as error:
            errors.append(error)
            break
        time.sleep(0.001)
    thread.join()
    assert errors
    assert "in use by another thread" in str(errors[0])
    model.train_on_batch(x[:32], y[:32])  # and it is free again


def test_two_models_in_two_threads_give_their_usual_results() -> None:
    dc.set_num_threads(2)
    expected = trained(*NETWORKS[1], "float32", "sgd")
    results: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: results.append(trained(*NETWORKS[1], "float32", "sgd")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_interrupts_are_not_swallowed_by_prediction() -> None:
    """A handler that raises ends a long prediction as it ends any Python code."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    model = dc.Sequential([dc.Input(500), dc.Dense(2000, "relu"), dc.Dense(2000)], seed=0)
    x = np.zeros((60000, 500), np.float32)

    def handler(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.perf_counter()
    try:
        with pytest.raises(TimeoutError):
            model.predict(x)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - start < 1.0


@pytest.mark.slow
def test_a_signal_that_waits_ends_a_prediction_and_not_the_process() -> None:
    """It comes before the core first asks for signals, in the middle of a region of threads."""
    done = run_script("""
        import signal
        import numpy as np
        import densecore as dc

        def handler(*_):
            raise TimeoutError

        dc.set_num_threads(2)
        model = dc.Sequential([dc.Input(500), dc.Dense(2000, "relu"), dc.Dense(2000)], seed=0)
        x = np.zeros((3000, 500), np.float32)
        signal.signal(signal.SIGALRM, handler)
        ended = 0
        for _ in range(10):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                model.predict(x)
            except TimeoutError:
                ended += 1
        print(ended > 0)
    """)
    assert done.stdout.strip() == "True", done.stderr


DAEMON = """
    import sys, threading, time
    import numpy as np
    import densecore as dc

    kind, how = {kind!r}, {how!r}
    x = np.random.default_rng(0).normal(size=(2000, 30)).astype("f")

    def busy(*_):  # runs Python code all the time, and lets others have the GIL
        return float(sum(np.mean(np.ones(10)) for _ in range(200)))

    class Schedule(dc.schedules.LearningRateSchedule):
        def __call__(self, step):
            busy()
            return 0.01 * np.ones(np.shape(step))

    def activation(z):
        busy()
        return np.tanh(z)

    layers = [dc.Input(30), dc.Dense(200, "relu"), dc.Dense(1)]
    if how == "activation":
        layers.insert(2, dc.layers.Activation((activation, lambda z, a: 1 - a * a)))
    model = dc.Sequential(layers, seed=0)
    model.compile(dc.optimizers.Adam(Schedule()) if how == "schedule" else "adam", "mse",
                  [busy] if how == "metric" else [])
    callbacks = None
    if how == "callback":
        callbacks = [dc.callbacks.LambdaCallback(on_epoch_end=busy)]
    if how == "sleeping callback":
        callbacks = [dc.callbacks.LambdaCallback(on_epoch_end=lambda *_: time.sleep(1000))]

    def train():
        if kind == "ensemble":
            dc.Ensemble(model, 8).fit(x[:200], x[:200, :1], epochs=10**6, verbose=0)
        elif kind == "frozen":
            frozen = model.freeze()
            while True:
                frozen(x)
        else:
            model.fit(x, x[:, :1], epochs=10**6, verbose=0, callbacks=callbacks)

    threading.Thread(target=train, daemon=True).start()
    time.sleep(0.5)
    if how == "unfinished exit":  # the last code runs while the thread wants the GIL
        end = time.time() + 0.05
        sys.setswitchinterval(10)
        while time.time() < end:
            pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *(("model", how) for how in ("plain", "metric", "schedule", "activation", "callback")),
        ("model", "sleeping callback"),
        ("model", "unfinished exit"),
        ("ensemble", "plain"),
        ("ensemble", "metric"),
        ("ensemble", "schedule"),
        ("frozen", "activation"),
    ],
)
def test_a_program_may_end_while_a_daemon_trains(kind: str, how: str) -> None:
    """CPython ends such threads where they wait for the GIL, or run Python code."""
    for _ in range(3):
        done = run_script(DAEMON.format(kind=kind, how=how))
        assert done.returncode == 0, done.stderr


class Gate:
    """An activation of the user's own that can be made to wait inside of a model's call."""

    def __init__(self) -> None:
        self.closed = False
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, x: Any) -> Any:
        if self.closed:
            self.closed = False
            self.entered.set()
            assert self.opened.wait(30)
        return np.tanh(x)

    def slope(self, x: Any, a: Any) -> Any:
        return 1 - a * a


class TestOneModelInTwoThreads:
    """While one call of a model waits, every other is refused, and nothing is damaged."""

    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)

    def make(self, gate: Gate) -> tuple[dc.Sequential, dict[str, Any]]:
        layers = [dc.Dense(5), dc.layers.Activation((gate, gate.slope)), dc.Dense(2)]
        model = dc.Sequential([dc.Input(3), *layers], seed=0)
        model.compile("adam", "mse")
        x, y = self.x, self.y
        tape, out = model.make_tape(), np.empty_like(y)
        model.forward(x, tape=tape)
        step, predict = model.make_train_step(x, y), model.make_predictor(x, out)
        weights = model.get_weights()
        return model, {
            "fit": lambda: model.fit(x, y, verbose=0),
            "fit in Python": lambda: model.fit(iter([(x, y)]), verbose=0),
            "train_on_batch": lambda: model.train_on_batch(x, y),
            "step": step,
            "step.run": lambda: step.run(2),
            "predictor": predict,
            "predict": lambda: model.predict(x),
            "predict_on_batch": lambda: model.predict_on_batch(x, out=out),
            "evaluate": lambda: model.evaluate(x, y),
            "forward": lambda: model.forward(x),
            "forward on a tape": lambda: model.forward(x, tape=tape),
            "loss_and_gradients": lambda: model.loss_and_gradients(x, y),
            "jacobian": lambda: model.jacobian(x),
            # These do not get into the activation.
            "backward on a tape": lambda: model.backward(y, tape=tape),
            "apply_gradients": model.apply_gradients,
            "compile": lambda: model.compile("sgd", "mse"),
            "trainable": lambda: setattr(model, "trainable", False),
            # These would read a mixture of two steps, or change the step that is being made.
            "parameters": lambda: model.parameters,
            "gradients": lambda: model.gradients,
            "get_weights": model.get_weights,
            "set_weights": lambda: model.set_weights([w + 1 for w in weights]),
            "a layer's get_weights": model.layers[0].get_weights,
            "a layer's set_weights": lambda: model.layers[0].set_weights(weights[:2]),
            "save": lambda: model.save(os.devnull),
            "save_weights": lambda: model.save_weights(os.devnull),
            "pickle": lambda: pickle.dumps(model),
            "copy": lambda: copy.deepcopy(model),
            "freeze": model.freeze,
            "progress": lambda: model.progress,
        }

    def holders() -> list[str]:  # type: ignore[misc]
        return ["fit", "fit in Python", "train_on_batch", "step", "step.run", "predictor",
                "predict", "predict_on_batch", "evaluate", "forward", "forward on a tape",
                "loss_and_gradients", "jacobian"]  # fmt: skip

    @pytest.mark.parametrize("holder", holders())
    def test_every_other_call_is_refused(self, holder: str) -> None:
        gate, free = Gate(), Gate()
        model, calls = self.make(gate)
        twin, alone = self.make(free)
        expected = alone[holder]()
        results: list[Any] = []
        gate.closed = True
        thread = threading.Thread(target=lambda: results.append(calls[holder]()))
        thread.start()
        assert gate.entered.wait(30)
        try:
            for call in calls.values():
                with pytest.raises(RuntimeError, match="in use by another thread"):
                    call()
        finally:
            gate.opened.set()
            thread.join()
        found = results[0]
        if isinstance(found, np.ndarray):
            assert found.tobytes() == expected.tobytes()
        elif isinstance(found, float):
            assert found == expected
        assert model.parameters.tobytes() == twin.parameters.tobytes()
        assert np.isfinite(model.train_on_batch(self.x, self.y))  # free again

    def test_class_numbers_of_a_refused_step_leave_the_running_one_alone(self) -> None:
        gate = Gate()
        models = []
        for each in (gate, Gate()):
            layers = [dc.layers.Activation((each, each.slope)), dc.Dense(3, "softmax")]
            models.append(dc.Sequential([dc.Input(3), *layers], seed=0))
        for model in models:
            model.compile("sgd", "sparse_categorical_crossentropy")
        labels = np.array([0, 1, 2, 0])
        expected = models[1].train_on_batch(self.x, labels)
        gate.closed = True
        found: list[float] = []
        thread = threading.Thread(
            target=lambda: found.append(models[0].train_on_batch(self.x, labels))
        )
        thread.start()
        assert gate.entered.wait(30)
        others = np.ones((5000, 3), np.float32), np.full(5000, 2)
        with pytest.raises(RuntimeError, match="in use"):
            models[0].train_on_batch(*others)
        gate.opened.set()
        thread.join()
        assert found == [expected]
        assert models[0].parameters.tobytes() == models[1].parameters.tobytes()


class TestCallbacksUseTheModel:
    """A callback has the model to itself: other threads are refused until `fit` returns."""

    x, y = np.ones((8, 3), np.float32), np.zeros((8, 2), np.float32)

    def uses(self, model: dc.Sequential, path: Any) -> dict[str, Any]:
        return {
            "parameters": lambda: model.parameters.copy(),
            "get_weights": model.get_weights,
            "set_weights": lambda: model.set_weights(model.get_weights()),
            "save": lambda: model.save(path / "model"),
            "save_weights": lambda: model.save_weights(path / "weights"),
            "load_weights": lambda: model.load_weights(path / "weights"),
            "pickle": lambda: pickle.dumps(model),
            "predict": lambda: model.predict(self.x),
            "evaluate": lambda: model.evaluate(self.x, self.y),
            "progress": lambda: model.progress,
        }

    @pytest.mark.parametrize("in_python", [False, True])
    def test_from_its_own_thread_alone(self, in_python: bool, tmp_path: Any) -> None:
        model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
        model.compile("adam", "mse")
        model.save_weights(tmp_path / "weights")
        uses, failures = self.uses(model, tmp_path), {}

        def attempt(name: str) -> None:
            try:
                uses[name]()
            except RuntimeError as error:
                failures[name] = str(error)

        def hook(*_: Any) -> None:
            for use in uses.values():
                use()
            for name in uses:
                thread = threading.Thread(target=attempt, args=(name,))
                thread.start()
                thread.join()

        data = (iter([(self.x, self.y)] * 4),) if in_python else (self.x, self.y)
        callbacks = [dc.callbacks.LambdaCallback(on_epoch_end=hook)]
        model.fit(*data, epochs=1, verbose=0, callbacks=callbacks)
        assert failures.keys() == uses.keys()
        assert all("in use by another thread" in text for text in failures.values())
        failures.clear()
        for name in uses:
            attempt(name)  # and all is free again
        assert not failures

    def test_a_metric_may_read_and_not_change(self) -> None:
        found: list[Any] = []

        def metric(y: Any, p: Any) -> float:
            found.append(float(np.abs(model.parameters).sum()))
            with pytest.raises(RuntimeError, match="in use by the call that runs this function"):
                model.predict(self.x)
            return found[-1]

        model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
        model.compile("sgd", "mse", [metric])
        history = model.fit(self.x, self.y, epochs=2, verbose=0)
        assert history.history["metric"] == found


@pytest.mark.filterwarnings("ignore:metric .* is a Python function")
class TestOneEnsembleInTwoThreads:
    """An ensemble that trains is refused to others; what is saved of it is never a mixture."""

    x, y = np.ones((8, 3), np.float32), np.zeros((8, 2), np.float32)

    def test_every_other_call_is_refused(self, tmp_path: Any) -> None:
        entered, opened = threading.Event(), threading.Event()
        gate = threading.Event()

        def metric(y: Any, p: Any) -> float:
            if gate.is_set():
                entered.set()
                assert opened.wait(30)
            return 0.0

        model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
        model.compile("adam", "mse", [metric])
        ensemble = dc.Ensemble(model, 3)
        core = ensemble._core
        single, states = ensemble.member(0), core.states.copy()
        calls = {
            "fit": lambda: ensemble.fit(self.x, self.y, verbose=0),
            "train_on_batch": lambda: ensemble.train_on_batch(self.x, self.y),
            "predict": lambda: ensemble.predict(self.x),
            "evaluate": lambda: ensemble.evaluate(self.x, self.y),
            "parameters": lambda: ensemble.parameters,
            "progress": lambda: ensemble.progress,
            "member": lambda: ensemble.member(0),
            "set_member": lambda: ensemble.set_member(0, single),
            "save": lambda: ensemble.save(tmp_path / "ensemble"),
            "pickle": lambda: pickle.dumps(ensemble),
            "copy": lambda: copy.deepcopy(ensemble),
            "compile": lambda: ensemble.compile("sgd", "mse"),
            "states": lambda: core.states,
            "seeds": lambda: core.seeds,
            "set seeds": lambda: setattr(core, "seeds", [1, 2, 3]),
            "optimizer_states": lambda: core.optimizer_states(0),
            "set_progress": lambda: core.set_progress(0, 1, 1),
            "finish_training": core.finish_training,
        }
        gate.set()
        thread = threading.Thread(target=calls["fit"])
        thread.start()
        assert entered.wait(30)
        gate.clear()
        refused = []
        try:
            for name, call in calls.items():
                try:
                    call()
                except RuntimeError as error:
                    refused += [name] * ("in use by another thread" in str(error))
        finally:
            opened.set()
            thread.join()
        assert refused == list(calls)
        np.testing.assert_array_equal(states, core.states)
        for name, call in calls.items():
            if name != "pickle":  # which cannot hold the metric
                call()  # free again


def test_a_reservation_is_for_its_thread() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
    x = np.ones((2, 3), np.float32)
    network = model._network
    with network.reserved(), network.reserved():
        model.predict(x)
        with pytest.raises(RuntimeError, match="in use by another thread"):
            at_once([lambda: model.predict(x)])
    at_once([lambda: model.predict(x)])
    held = network.reserved()
    held.__enter__()
    with pytest.raises(RuntimeError, match="entered already"):
        held.__enter__()
    del held  # gives the model back as well
    at_once([lambda: model.predict(x)])


def test_a_schedule_may_be_replaced_while_it_is_asked() -> None:
    class Waiting(dc.schedules.LearningRateSchedule):
        entered, opened = threading.Event(), threading.Event()

        def __call__(self, step: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                self.entered.set()
                assert self.opened.wait(30)
            return 0.25

        def get_config(self) -> dict[str, Any]:
            return {}

    model = dc.Sequential([dc.Input(1), dc.Dense(1, use_bias=False)], dtype="float64", seed=0)
    model.compile(dc.optimizers.SGD(Waiting()), "mse")
    x, y = np.ones((2, 1)), np.zeros((2, 1))
    before = model.parameters.copy()
    thread = threading.Thread(
        target=lambda: model.fit(x, y, epochs=2, batch_size=1, shuffle=False, verbose=0)
    )
    thread.start()
    assert Waiting.entered.wait(30)
    model.optimizer.learning_rate = 0.125
    gc.collect()
    Waiting.opened.set()
    thread.join()
    # The first step has the rate that it asked for, the three others the new one.
    np.testing.assert_allclose(model.parameters, before * (1 - 0.5) * (1 - 0.25) ** 3)
    assert model.optimizer.learning_rate == 0.125


class Meeting:
    """An activation that returns once so many calls are inside of it at the same time."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)

    def layer(self) -> dc.layers.Activation:
        def activation(x: Any) -> Any:
            self.barrier.wait(30)
            return np.tanh(x)

        return dc.layers.Activation((activation, lambda x, a: 1 - a * a))


def at_once(calls: list[Any]) -> list[Any]:
    """What calls return that run in a thread each."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(30) for future in [pool.submit(call) for call in calls]]


def test_two_models_do_not_wait_for_each_other() -> None:
    """They meet inside of their calls, which they could not if either kept the other out."""
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    meeting = Meeting(2)
    models = [dc.Sequential([dc.Input(3), meeting.layer(), dc.Dense(2)], seed=0) for _ in range(2)]
    for model in models:
        model.compile("sgd", "mse")
    first, second = models
    for _ in range(3):
        at_once([lambda: first.train_on_batch(x, y), lambda: second.train_on_batch(x, y)])
        at_once([lambda: first.predict(x), lambda: second.train_on_batch(x, y)])
        at_once([lambda: first.train_on_batch(x, y), lambda: second.fit(x, y, verbose=0)])
    assert first.progress["steps"] == second.progress["steps"] - 3


def test_a_frozen_model_does_not_wait_for_itself() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(4), Meeting(4).layer(), dc.Dense(2)], seed=0)
    frozen = model.freeze()
    xs = [np.full((n + 1, 3), n, np.float32) for n in range(4)]
    for _ in range(3):
        results = at_once([lambda x=x: frozen(x) for x in xs])
        for x, result in zip(xs, results, strict=True):
            W, b, V, c = model.get_weights()
            np.testing.assert_allclose(result, np.tanh(x @ W + b) @ V + c, rtol=1e-5, atol=1e-6)
