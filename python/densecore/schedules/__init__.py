"""Learning rates that depend on the step, with Keras's names and formulas.

A schedule is a function of the step's number, counted from 0 (the updates that the optimizer has
made before it). All compute in double precision, for one step or for an array of steps.
"""

from .._base.registry import public
from .base import SCHEDULES
from .base import LearningRateSchedule as LearningRateSchedule
from .base import rates as rates
from .cosines import *
from .decays import *
from .from_values import *

SCHEDULES.collect(globals(), lambda cls: cls.__name__)

names = SCHEDULES.names
serialize = SCHEDULES.serialize
deserialize = SCHEDULES.deserialize


globals()["__all__"] = public(globals(), "names", "serialize", "deserialize")
