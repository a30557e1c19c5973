"""Losses with Keras's names. The mathematics is in the core, its definition in `reference`.

A class (``losses.Huber(delta=2)``) has options and is what `compile` takes; called, it computes the
reduced number. A function (``losses.huber(y_true, y_pred)``) computes the loss of every row.
"""

from typing import TYPE_CHECKING

from .._base import unsupported as _unsupported
from .._base.registry import public
from .base import Loss as Loss
from .classification import *
from .in_python import IN_PYTHON as _IN_PYTHON
from .in_python import Circle as Circle
from .in_python import Dice as Dice
from .in_python import Tversky as Tversky
from .in_python import circle as circle
from .in_python import dice as dice
from .in_python import tversky as tversky
from .registry import LOSSES, LossFunction
from .regression import *

LOSSES.collect(globals(), lambda cls: "" if cls.is_own else cls.kind)
LOSSES.in_python.update(_IN_PYTHON)
LOSSES.alias({word: f.name for word, f in globals().items() if isinstance(f, LossFunction)})

get = LOSSES.get
names = LOSSES.names
serialize = LOSSES.serialize
deserialize = LOSSES.deserialize


globals()["__all__"] = public(globals(), "get", "names", "serialize", "deserialize")

if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        return _unsupported.find(__name__, name, globals()["__all__"])
