"""A process that keeps one processor busy, and can be stopped for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

# It ends with its parent, however that ended.
PROGRAM = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10_000))"


class Spinner:
    """Spins on the last processor that this process may use, from `go_on` to `stop`."""

    def __enter__(self) -> Spinner:
        self._process = subprocess.Popen([sys.executable, "-c", PROGRAM])
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {max(os.sched_getaffinity(0))})
        self.stop()
        return self

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
