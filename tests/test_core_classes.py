"""Objects of the core come from their constructor: no other way makes one that ends the process."""

import copy
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, normal

CLASSES = [value for value in vars(dc._core).values() if isinstance(value, type)]


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_no_class_makes_an_object_without_its_constructor() -> None:
    """In a process of its own: what must not happen ends the process."""
    done = run("""
        import copyreg
        import densecore as dc

        classes = [value for value in vars(dc._core).values() if isinstance(value, type)]
        made = []

        def attempt(call):
            try:
                made.append(call())
            except TypeError:
                pass

        def use(thing):  # an object that should not be there: everything that can be asked of it
            for name in dir(type(thing)):
                for arguments in ((), (1,), (thing,), (1, 1), (1, 1, 1)):
                    try:
                        value = getattr(thing, name)
                        if callable(value):
                            value(*arguments)
                    except Exception:
                        pass

        for cls in classes:
            base = cls.__mro__[1]
            attempt(lambda: cls.__new__(cls))
            attempt(lambda: base.__new__(cls))
            attempt(lambda: object.__new__(cls))
            attempt(lambda: copyreg.__newobj__(cls))
            attempt(lambda: copyreg.__newobj_ex__(cls, (), {}))
            attempt(lambda: copyreg._reconstructor(cls, object, None))
            attempt(lambda: copyreg._reconstructor(cls, base, None))
            attempt(lambda: type("Derived", (cls,), {}))
            attempt(lambda: base())
            attempt(lambda: base.__new__(base))
            attempt(lambda: type("Derived", (base,), {})())
        for thing in made:
            use(thing)
        print(len(classes), len(made))
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(CLASSES)), "0"]
    assert len(CLASSES) >= 20


def objects() -> dict[str, Any]:
    """An object of every class of the core, and public ones that have them inside."""
    model = compiled(3, (4, "tanh"), 1, optimizer="adam", metrics=["mae"])
    x, y = normal(6, 3, 1)
    network, ensemble = model._network, dc.Ensemble(model, 2)
    found = {
        "model": model,
        "layer": model.layers[0],
        "optimizer": model.optimizer,
        "ensemble": ensemble,
        "frozen": model.freeze(),
        "network": network,
        "tape": model.make_tape(),
        "step": model.make_train_step(x, y),
        "predictor": model.make_predictor(x),
        "running_metrics": network.running_metrics(),
        "reservation": network.reserved(),
        "rows done": dc._core.RowsDone(),
        "core of an ensemble": ensemble._core,
        "settings": model.optimizer._settings,
        "rows": dc._core.RowsF32.strided(np.ones((2, 3))),
        "metric": dc._core.Metric("accuracy", {}, 1, False),
        "kernels": dc._core.KernelsF32(),
        "normal": dc._core.Normal(np.zeros((1, 1)), np.zeros((1, 1)), -1, 1, False),
        "categorical": dc._core.Categorical(np.zeros((1, 2))),
        "text": dc._core.DelimitedText.of_texts(["1"]),
    }
    names = {type(value).__name__.removesuffix("F32") for value in found.values()}
    assert {
        cls.__name__.removesuffix("F64") for cls in CLASSES if "F32" not in cls.__name__
    } <= names
    return found


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_cannot_be_pickled_says_so(protocol: int) -> None:
    for name, value in objects().items():
        if name in ("model", "layer", "optimizer", "ensemble", "frozen"):
            other = pickle.loads(pickle.dumps(value, protocol))
            assert type(other) is type(value)
        else:
            with pytest.raises(TypeError, match="cannot pickle or copy"):
                pickle.dumps(value, protocol)


def test_what_cannot_be_copied_says_so() -> None:
    for name, value in objects().items():
        for how in (copy.copy, copy.deepcopy):
            if name in ("model", "layer", "optimizer", "ensemble", "frozen"):
                assert type(how(value)) is type(value)
            elif name != "layer":
                with pytest.raises(TypeError, match="cannot pickle or copy"):
                    how(value)


def test_a_class_cannot_be_derived_from() -> None:
    for cls in CLASSES:
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Derived", (cls,), {})
