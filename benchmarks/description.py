"""What a measurement was made on: a number without its machine says nothing."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from pathlib import Path
from typing import Any

import densecore as dc


def describe() -> dict[str, Any]:
    """Processor, caches, system, kernels, date, command line; JSON-able."""
    return {
        "processor": _processor(),
        "processors": len(processors()) or os.cpu_count(),
        "caches": _caches(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "python's compiler": platform.python_compiler(),
        "densecore": dc.show_config("dicts"),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def processors() -> list[int]:
    """Those that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    """Such as {"L1 Data": "32K", ...}, of the first processor."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (folder / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        found[f"L{level}" + ("" if kind == "Unified" else f" {kind}")] = size
    return found
