"""Many networks at once: ensembles, sweeps over settings, cross-validation."""

from .ensemble import Ensemble
from .history import EnsembleHistory
from .model_selection import cross_validate, sweep

__all__ = ["Ensemble", "EnsembleHistory", "cross_validate", "sweep"]
