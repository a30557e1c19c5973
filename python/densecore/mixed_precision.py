"""Keras's ``mixed_precision``: there is none, and its words say so with a warning."""

from .config import DTypePolicy as DTypePolicy
from .config import dtype_policy as dtype_policy
from .config import set_dtype_policy as set_dtype_policy
from .optimizers import LossScaleOptimizer as LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy
set_policy = set_dtype_policy
