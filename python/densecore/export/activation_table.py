"""Every activation's forms in other formats, in one table."""

from . import activation_gated, activation_pieces, activation_smooth
from .activation_forms import Expression, Forms

FORMS: dict[str, Forms] = activation_pieces.FORMS | activation_gated.FORMS | activation_smooth.FORMS
C_FUNCTIONS: dict[str, Expression] = (
    activation_pieces.C_FUNCTIONS | activation_gated.C_FUNCTIONS | activation_smooth.C_FUNCTIONS
)
