"""Losses with Keras's names. The mathematics is in the core, its definition in `reference`.

A class (``losses.Huber(delta=2)``) has options and is what `compile` takes; called, it computes the
reduced number. A function (``losses.huber(y_true, y_pred)``) computes the loss of every row.
"""

from .._base.registry import public
from .base import Loss as Loss
from .classification import *
from .registry import LOSSES, LossFunction
from .regression import *

LOSSES.collect(globals(), lambda cls: cls.kind)
LOSSES.alias({word: f.name for word, f in globals().items() if isinstance(f, LossFunction)})

get = LOSSES.get
names = LOSSES.names
serialize = LOSSES.serialize
deserialize = LOSSES.deserialize


globals()["__all__"] = public(globals(), "get", "names", "serialize", "deserialize")
