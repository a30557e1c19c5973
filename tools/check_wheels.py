"""Check wheels before they are released: size budget, what is in them, same bytes of two builds.

python tools/check_wheels.py wheelhouse
python tools/check_wheels.py wheelhouse --same-as second-build
"""

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path

#: Bytes of a wheel. The goal is 2 million; CONTRIBUTING.md says where the bytes are. More than this
#: is a mistake: an extension that was not stripped, or files that do not belong there.
BUDGET = 2_450_000


def complaints(wheel: Path) -> list[str]:
    """What is wrong with a wheel, a sentence each."""
    found = []
    if wheel.stat().st_size > BUDGET:
        found.append(f"{wheel.stat().st_size:,} bytes, more than the budget of {BUDGET:,}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    extensions = [name for name in names if name.endswith((".so", ".pyd"))]
    if len(extensions) != 1:
        found.append(f"{len(extensions)} extensions, wanted one: {extensions}")
    for wanted in ("densecore/py.typed", "densecore/_core.pyi"):
        if wanted not in names:
            found.append(f"no {wanted}")
    if not any(name.endswith("LICENSE") for name in names):
        found.append("no license")
    allowed = ("densecore/", "densecore-", "densecore.libs/")
    strays = [name for name in names if not name.startswith(allowed) or "test" in name.lower()]
    if strays:
        found.append(f"files that do not belong there: {strays[:5]}")
    return found


def digest(path: Path) -> str:
    """The file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Print each wheel with its size, digest and complaints; 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--same-as", type=Path, metavar="FOLDER", help="wheels of another build")
    options = parser.parse_args()
    wheels = sorted(options.folder.glob("*.whl"))
    if not wheels:
        print(f"{options.folder}: no wheels")
        return 1
    bad = 0
    for wheel in wheels:
        found = complaints(wheel)
        if options.same_as is not None:
            twin = options.same_as / wheel.name
            if not twin.exists() or digest(twin) != digest(wheel):
                found.append(f"other bytes than {twin}")
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, sha256 {digest(wheel)[:16]}")
        for complaint in found:
            print(f"  {complaint}")
        bad += len(found)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
