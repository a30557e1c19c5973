"""Where Keras has `densecore.schedules`, for ``from densecore.optimizers.schedules import ...``."""

from .. import schedules as _schedules

_PUBLIC: list[str] = vars(_schedules)["__all__"]
globals().update({name: getattr(_schedules, name) for name in _PUBLIC})
globals()["__all__"] = list(_PUBLIC)
