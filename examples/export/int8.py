"""What kernels of whole numbers cost in a C header: size, and error on rows not trained on.

python int8.py
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import densecore as dc

DATA = Path(__file__).resolve().parents[1] / "data"
MAIN = """#include <stdio.h>
#include "net.h"
int main(void) {
  float x[NET_INPUTS], y[NET_OUTPUTS];
  while (fread(x, sizeof x, 1, stdin) == 1) {
    net_predict(x, y);
    fwrite(y, sizeof y, 1, stdout);
  }
  return 0;
}
"""


def in_c(model: dc.Sequential, rows: np.ndarray, int8: bool) -> tuple[int, np.ndarray]:
    """Bytes of constants, and the outputs of the compiled header."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("found no C compiler, wanted cc, gcc or clang")
    with tempfile.TemporaryDirectory() as folder:
        said = model.export(Path(folder, "net.h"), int8=int8)
        Path(folder, "main.c").write_text(MAIN)
        command = [compiler, "-std=c99", "-O2", "-o", "main", "main.c", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        done = subprocess.run([Path(folder, "main")], input=rows.tobytes(), capture_output=True,
                              check=True)  # fmt: skip
    found = np.frombuffer(done.stdout, np.float32).reshape(len(rows), -1)
    return int(said.split("C99, ")[1].split(" bytes")[0].replace(",", "")), found


def parts(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y to train on, and a fifth of the rows to test on; the last column is y."""
    table = np.loadtxt(DATA / name, delimiter=",", skiprows=1)
    table = np.random.default_rng(0).permutation(table)
    x, y, cut = table[:, :-1].astype(np.float32), table[:, -1], len(table) // 5
    return x[cut:], y[cut:], x[:cut], y[:cut]


def digits() -> None:
    """Ten classes of 8 x 8 points."""
    x, y, rows, labels = parts("digits.csv")
    layers = [dc.Input(64), dc.layers.Rescaling(1 / 16), dc.Dense(64, "relu"), dc.Dense(32, "relu"),
              dc.Dense(10, "softmax")]  # fmt: skip
    model = dc.Sequential(layers, seed=0, name="net")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=40, verbose=0)
    (size, whole), (small, rough) = (in_c(model, rows, int8) for int8 in (False, True))
    right, still = ((found.argmax(axis=1) == labels).mean() for found in (whole, rough))
    print(f"digits: {size:,} -> {small:,} bytes, {right:.2%} -> {still:.2%} of {len(rows)} "
          f"rows right, a probability moves by {np.abs(rough - whole).mean():.5f}, "
          f"at most {np.abs(rough - whole).max():.3f}")  # fmt: skip


def concrete() -> None:
    """A number: the strength of concrete."""
    x, y, rows, strengths = parts("concrete.csv")
    scaled = dc.layers.Normalization()
    scaled.adapt(x)
    back = dc.layers.Normalization(invert=True)
    back.adapt(y[:, None])
    layers = [dc.Input(8), scaled, dc.Dense(64, "gelu"), dc.Dense(64, "gelu"), dc.Dense(1), back]
    model = dc.Sequential(layers, seed=0, name="net")
    model.compile(dc.optimizers.Adam(0.003), "mse")
    model.fit(x, y[:, None].astype(np.float32), epochs=200, verbose=0)
    (size, whole), (small, rough) = (in_c(model, rows, int8) for int8 in (False, True))
    before, after = (np.sqrt(((found[:, 0] - strengths) ** 2).mean()) for found in (whole, rough))
    print(f"concrete: {size:,} -> {small:,} bytes, error {before:.3f} -> {after:.3f} MPa over "
          f"{len(rows)} rows, a prediction moves by {np.abs(rough - whole).mean():.3f}, "
          f"at most {np.abs(rough - whole).max():.3f}")  # fmt: skip


if __name__ == "__main__":
    digits()
    concrete()
