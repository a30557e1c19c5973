"""Every layer's forms in other formats: a table by the layer's class for each of them."""

from . import (
    layer_dense,
    layer_merge,
    layer_normalization,
    layer_preprocessing,
    layer_random,
    layer_shapes,
    layer_tables,
)
from .layer_forms import joined

FORMS = joined(
    layer_dense.FORMS,
    layer_merge.FORMS,
    layer_normalization.FORMS,
    layer_preprocessing.FORMS,
    layer_random.FORMS,
    layer_shapes.FORMS,
    layer_tables.FORMS,
)
OPERATIONS = {kind: row.operations for kind, row in FORMS.items() if row.operations is not None}
JAX = {kind: row.jax for kind, row in FORMS.items() if row.jax is not None}
TORCH = {kind: row.torch for kind, row in FORMS.items() if row.torch is not None}
KERAS = {kind: row.keras for kind, row in FORMS.items() if row.keras is not None}
