"""Optimizers and their states go to PyTorch and come back: training goes on alike."""

from typing import Any

import numpy as np
import pytest

import densecore as dc

torch = pytest.importorskip("torch")
nn = torch.nn
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 6)).astype(np.float32), RNG.integers(0, 3, 64)
LOSS = dc.losses.SparseCategoricalCrossentropy(from_logits=True)

RULES = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.001),
    "rmsprop centered": lambda p: torch.optim.RMSprop(p, 0.001, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
}


def module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 3))


def steps(theirs: Any, optimizer: Any, count: int) -> np.ndarray:
    theirs.train()
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
        optimizer.step()
    with torch.no_grad():
        found: np.ndarray = theirs(torch.from_numpy(X)).numpy()
    return found


def fit(model: dc.Sequential, count: int) -> np.ndarray:
    model.fit(X, Y, batch_size=64, epochs=count, shuffle=False, verbose=0)
    return model.predict(X, verbose=0)


@pytest.mark.parametrize("rule", RULES)
def test_training_goes_on_alike_both_ways(rule: str) -> None:
    theirs = module()
    optimizer = RULES[rule](theirs.parameters())
    steps(theirs, optimizer, 4)
    model = dc.from_torch(theirs, optimizer=optimizer, loss=LOSS, metrics=["accuracy"])
    assert fit(model, 2) == pytest.approx(steps(theirs, optimizer, 2), abs=1e-5)
    back, theirs_again = model.to_torch(optimizer=True)
    assert type(theirs_again) is type(optimizer)
    wanted = fit(model, 2)
    assert steps(back, theirs_again, 2) == pytest.approx(wanted, abs=1e-5)


def test_a_fresh_optimizer_has_no_state_yet() -> None:
    model = dc.from_torch(module())
    model.compile("adam", LOSS)
    back, optimizer = model.to_torch(optimizer=True)
    wanted = fit(model, 2)
    assert steps(back, optimizer, 2) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.1), "weight_decay: found 0.1, wanted 0"),
        (lambda p: torch.optim.Rprop(p), "found Rprop, wanted one of: SGD, Adam"),
        (lambda p: torch.optim.SGD([{"params": [each]} for each in p], 0.1), "groups"),
        (lambda p: torch.optim.SGD(list(p)[:1], 0.1), "found other parameters"),
    ],
)
def test_what_cannot_go_on_is_refused(make: Any, message: str) -> None:
    theirs = module()
    with pytest.raises(ValueError, match=message):
        dc.from_torch(theirs, optimizer=make(theirs.parameters()), loss=LOSS)


def test_mistakes() -> None:
    theirs = module()
    with pytest.raises(TypeError, match="found an optimizer and no loss"):
        dc.from_torch(theirs, optimizer=RULES["sgd"](theirs.parameters()))
    model = dc.from_torch(theirs)
    with pytest.raises(RuntimeError, match="found a model that is not compiled"):
        model.to_torch(optimizer=True)
    model.compile("lion", LOSS)
    with pytest.raises(ValueError, match="found Lion, wanted one of: SGD"):
        model.to_torch(optimizer=True)
    model.compile(dc.optimizers.SGD(0.1, clipnorm=1.0), LOSS)
    with pytest.raises(ValueError, match="clipnorm': 1"):
        model.to_torch(optimizer=True)
