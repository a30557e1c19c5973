"""Runs rows with one number of threads, in a process of its own: many libraries take that number
from the environment, once, when they start.

Standard input: a JSON object (see `run.ask`). Standard output: a JSON object per line, one for
each row, then one with the versions.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
from typing import Any


def environment(threads: int) -> dict[str, str]:
    """For the process, before it loads anything."""
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DENSECORE_NUM_THREADS"]
    found = dict(os.environ, **{name: str(threads) for name in names})
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return found


def main() -> None:
    wanted: dict[str, Any] = json.load(sys.stdin)
    # The processors first: libraries count them when they are loaded.
    if wanted["processors"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, wanted["processors"])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    import peers
    from calls import measure
    from contest import Settings, run_row
    from rows import CALLS, ROWS

    modules, missing = peers.load(wanted["peers"])
    settings = Settings(**wanted["settings"])
    limits: Any = contextlib.nullcontext()
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        limits = threadpool_limits(settings.threads)
    with limits:
        for name in wanted["rows"]:
            if name in CALLS:
                result = measure(CALLS[name], modules, settings)
            else:
                result = run_row(ROWS[name], modules, settings)
            print(json.dumps({"row": vars(result)}), file=answers, flush=True)
    versions = {name: importlib.metadata.version(m.library) for name, m in modules.items()}
    print(json.dumps({"versions": versions, "missing": missing}), file=answers, flush=True)


if __name__ == "__main__":
    main()
