"""Train on a Parquet file that is larger than the memory: how much of that a process takes.

Makes a file of 64 features and a target, trains one epoch on it in another process, and fails when
the most memory that this had was 1 GB or more. ``python tools/shards_check.py --gigabytes 8``
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FEATURES, GROUP = 64, 250_000  # rows of a row group: 65 MB
LIMIT = 10**9


def write(path: Path, gigabytes: float) -> int:
    """Write row groups until the file has so many GB; returns its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    # The same numbers in every group, in other columns: it is the memory that is looked at.
    columns = [random.normal(size=GROUP).astype(np.float32) for _ in range(FEATURES)]
    names = [f"x{number}" for number in range(FEATURES)]
    groups = int(np.ceil(gigabytes * 1e9 / (4 * (FEATURES + 1) * GROUP)))
    schema = pa.schema([(name, pa.float32()) for name in [*names, "y"]])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for number in range(groups):
            shifted = columns[number % FEATURES :] + columns[: number % FEATURES]
            table = [*shifted, np.tanh(shifted[0] + shifted[1] * shifted[2])]
            writer.write_table(pa.table(table, schema=schema), row_group_size=GROUP)
    return groups * GROUP


def train(path: str) -> None:
    """One epoch; prints the most memory that the process had, in bytes."""
    import densecore as dc

    shards = dc.data.Shards(path, target="y")
    model = dc.Sequential([dc.Input(FEATURES), dc.Dense(16, "relu"), dc.Dense(1)], seed=0)
    model.compile("adam", "mse")
    history = model.fit(shards, batch_size=8192, epochs=1, verbose=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{peak} {history.history['loss'][0]:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--folder", default=None, help="where the file is made")
    parser.add_argument("--train", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train is not None:
        train(options.train)
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "rows.parquet"
        start = time.perf_counter()
        rows = write(path, options.gigabytes)
        written = time.perf_counter()
        done = subprocess.run([sys.executable, __file__, "--train", str(path)],
                              capture_output=True, text=True, check=True)  # fmt: skip
        peak, loss = done.stdout.split()
        print(
            f"{path.stat().st_size / 1e9:.2f} GB, {rows:,} rows, written in "
            f"{written - start:.0f} s: an epoch in {time.perf_counter() - written:.0f} s, loss "
            f"{loss}, at most {int(peak) / 1e6:.0f} MB of memory"
        )
    return 0 if int(peak) < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
