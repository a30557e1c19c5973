"""A controller as a C header: a network learns to hold a pendulum up; control_loop.c runs it.

    python controller.py
    cc -std=c99 -O2 -DSIMULATED -o control_loop control_loop.c -lm && ./control_loop

For a Cortex-M4, with Debian's gcc-arm-none-eabi:

    arm-none-eabi-gcc -std=c99 -Os -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard \\
        -ffp-contract=off -ffunction-sections -Wl,--gc-sections --specs=nosys.specs \\
        -o control_loop.elf control_loop.c -lm && arm-none-eabi-size control_loop.elf
"""

import numpy as np

import densecore as dc

rng = np.random.default_rng(0)
state = rng.uniform([-0.6, -2.0], [0.6, 2.0], (4000, 2)).astype(np.float32)
torque = np.clip(25 * state[:, :1] + 6 * state[:, 1:], -10, 10)  # what a good controller does
model = dc.Sequential([dc.Input(2), dc.Dense(16, "relu"), dc.Dense(1)], seed=0, name="controller")
model.compile("adam", "mse")
model.fit(state, torque, epochs=60, batch_size=32, verbose=0)
print(model.export("controller.h"))
