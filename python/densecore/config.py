"""Threads, ISA levels, and facts about this build of the library."""

import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ._base import checks, core
from ._base.dtypes import DTYPES
from ._base.dtypes import floatx as floatx
from ._base.dtypes import set_floatx as set_floatx
from ._base.lookup import unknown as _unknown
from ._base.warn import warn as _warn


def set_num_threads(count: int) -> None:
    """Set how many threads a computation may use, the caller's included.

    The results have the same bits for any number; small computations use one anyway. Without this
    call the number is that of ``DENSECORE_NUM_THREADS``, else of ``OMP_NUM_THREADS``, else of the
    processors that the process may use (affinity and control group).

    Raises
    ------
    ValueError
        `count` is not between 1 and 1024.
    """
    core.set_num_threads(checks.integer("number of threads", count, 1, 1024))


def get_num_threads() -> int:
    """How many threads a computation may use."""
    return int(core.get_num_threads())


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print what this installation is and which kernels it uses.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default "stdout"
        ``"dicts"`` returns the same as a dictionary instead, as `numpy.show_config` does.

    Raises
    ------
    ValueError
        Another mode.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode: found {mode!r}, wanted 'stdout' or 'dicts'")
    config = {
        "densecore": core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
        "isa": core.isa(),
        "isa available": core.available_isa_levels(),
        "isa compiled": core.compiled_isa_levels(),
        "threads": core.get_num_threads(),
        "usable processors": core.usable_processors(),
    }
    if mode == "dicts":
        return config
    for key, value in config.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        print(f"{key:18s} {shown}")
    return None


_epsilon = 1e-7


def epsilon() -> float:
    """The small number that keeps logarithms and quotients finite."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set what `epsilon` gives functions of one's own; the core's small numbers are fixed.

    Raises
    ------
    ValueError, TypeError
        No number above 0.
    """
    global _epsilon
    _epsilon = checks.number("epsilon", value, above=0)


def set_image_data_format(data_format: str) -> None:
    """Nothing but a check, for Keras's sake: a row has no channels."""
    checks.one_of("data_format", data_format, ("channels_last", "channels_first"))


def device(device_name: str) -> AbstractContextManager[None]:
    """``with device("cpu:0"):`` is the block alone, for Keras's sake: all is on the processor."""
    checks.text("device_name", device_name)
    return nullcontext()


def name_scope(name: str, **others: Any) -> AbstractContextManager[None]:
    """``with name_scope("part"):`` is the block alone, for Keras's sake."""
    checks.text("name", name)
    return nullcontext()


class DTypePolicy(str):
    """A dtype under Keras's name for it: layers compute in what their weights are kept in.

    Parameters
    ----------
    name : str
        "float32" or "float64". Another one, such as "mixed_float16", is float32, with a warning.
    """

    __slots__ = ()

    def __new__(cls, name: Any = "float32") -> "DTypePolicy":
        given = checks.text("dtype policy", getattr(name, "name", name))
        lower = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")
        if given in lower:
            _warn(
                f"dtype policy: found {given!r}, which is without effect: a model computes in "
                "float32, or in float64"
            )
        elif given not in DTYPES:
            _unknown("dtype policy", given, (*DTYPES, *lower))
        return super().__new__(cls, given if given in DTYPES else "float32")

    @property
    def name(self) -> str:
        """The name of the dtype."""
        return str(self)

    compute_dtype = variable_dtype = name

    def get_config(self) -> dict[str, str]:
        """What `DTypePolicy` is made of."""
        return {"name": str(self)}


def dtype_policy() -> DTypePolicy:
    """The default dtype, as ``floatx``: layers compute in what they are kept in."""
    return DTypePolicy(floatx())


def set_dtype_policy(policy: Any) -> None:
    """As ``set_floatx``: "float32" or "float64"; for others see `DTypePolicy`."""
    set_floatx(str(DTypePolicy(policy)))


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype; of None the default one."""
    given = getattr(dtype, "name", dtype)
    return floatx() if dtype is None else str(np.dtype(given))


def max_epochs() -> None:
    """None: no setting limits the epochs of `fit`."""


def max_steps_per_epoch() -> None:
    """None: no setting limits the steps of an epoch."""


def enable_flash_attention() -> None:
    """Nothing, for Keras's sake: there is one attention."""


def disable_flash_attention() -> None:
    """Nothing, for Keras's sake."""


def is_flash_attention_enabled() -> bool:
    """False."""
    return False


def enable_traceback_filtering() -> None:
    """Nothing, for Keras's sake: tracebacks are Python's."""


def disable_traceback_filtering() -> None:
    """Nothing, for Keras's sake."""


def is_traceback_filtering_enabled() -> bool:
    """False."""
    return False


def disable_interactive_logging() -> None:
    """Nothing, for Keras's sake: `fit(verbose=0)` is silent."""


def enable_interactive_logging() -> None:
    """Nothing, for Keras's sake."""


def is_interactive_logging_enabled() -> bool:
    """True: `fit` prints unless it is told not to."""
    return True


def backend() -> str:
    """The name of the library that computes: ``"densecore"``."""
    return "densecore"


def image_data_format() -> str:
    """``"channels_last"``: how programs that ask lay an image out, which is a row here."""
    return "channels_last"


def enable_unsafe_deserialization() -> None:
    """Nothing, for Keras's sake: nothing in a file is executed."""
