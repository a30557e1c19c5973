"""The compiled extension. This file alone imports it."""

from .._core import *  # noqa: F403
from .._core import __version__ as __version__
