"""One network that several processes train together: the same bits for 1, 2, 4 or 8 of them.

mpiexec -n 2 python -m mpi4py examples/many_machines.py
"""

import zlib
from pathlib import Path

import numpy as np
from mpi4py import MPI

import densecore as dc

comm = MPI.COMM_WORLD
table = np.loadtxt(
    Path(__file__).parent / "data" / "digits.csv", delimiter=",", skiprows=1, dtype=np.float32
)
x, y = table[:, :-1] / 16, table[:, -1].astype(int)

model = dc.Sequential(
    [dc.Input(64), dc.Dense(128, activation="relu"), dc.Dense(10, activation="softmax")], seed=0
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x,
    y,
    batch_size=512,  # of all processes together
    epochs=30,
    validation_split=0.2,
    callbacks=[dc.callbacks.BackupAndRestore("many_machines")],  # killed, it goes on from there
    verbose=2,
    comm=comm,
)
if comm.rank == 0:
    print(f"{comm.size} processes, parameters {zlib.crc32(model.parameters):08x}")
    model.save("digits.safetensors")
