"""Imports that are made by the first call that needs them, and that a fork waits for.

A child process that is forked while another thread imports a module has the lock of that module,
but not the thread that would give it back: its own import of it would wait for ever. With this lock
held around the import (``with imports: from . import module``) the fork happens before it or after
it.
"""

from .locks import imports as imports
