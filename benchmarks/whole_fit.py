"""A whole training with shuffling, on scikit-learn's digits: time and accuracy on held-out rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import densecore as dc
from contestant import Array

EPOCHS, BATCH, HIDDEN = 50, 32, 128


class _Digits:
    def __init__(self, parts: list[Array], threads: int) -> None:
        self.x, self.held_x, self.y, self.held_y = parts
        self.threads = threads

    def accuracy(self) -> float:
        return float((self.predicted() == self.held_y).mean())

    def predicted(self) -> Array:
        raise NotImplementedError


class Own(_Digits):
    name = "densecore fit"

    def fit(self) -> None:
        dc.set_num_threads(self.threads)
        self.model = dc.Sequential(
            [dc.Input(64), dc.Dense(HIDDEN, "relu"), dc.Dense(10, "softmax")], seed=0
        )
        self.model.compile("adam", "sparse_categorical_crossentropy")
        self.model.fit(self.x, self.y, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    def predicted(self) -> Array:
        return np.asarray(self.model.predict(self.held_x).argmax(axis=1))


class Scikit(_Digits):
    name = "scikit-learn fit"

    def fit(self) -> None:
        self.model: Any = MLPClassifier(
            (HIDDEN,), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0.0,
            alpha=0.0, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is meant to end after so many epochs
            self.model.fit(self.x, self.y)

    def predicted(self) -> Array:
        return np.asarray(self.model.predict(self.held_x))


def contestants(threads: int) -> list[Any]:
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    parts = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    return [Own(parts, threads), Scikit(parts, threads)]
