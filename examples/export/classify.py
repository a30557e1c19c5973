"""A table's model as a C header: train on fruit, write fruit.h, around which classify.c is.

python classify.py && cc -std=c99 -O2 -o classify classify.c -lm
printf '7.1,green,182\\n3.9,,15\\n' | ./classify
"""

import numpy as np

from densecore.tabular import TabularClassifier

rng = np.random.default_rng(0)
kind = rng.choice(["apple", "cherry", "lemon"], 300)
apple, cherry = kind == "apple", kind == "cherry"
skin = rng.choice(["red", "green"], 300)
table = {
    "width": np.select([apple, cherry], [7.5, 2.2], 5.5) + rng.normal(0, 0.5, 300),
    "colour": np.select([apple, cherry], [skin, "red"], "yellow"),
    "weight": np.select([apple, cherry], [180.0, 8.0], 100.0) * rng.uniform(0.8, 1.2, 300),
}
table["colour"][::20] = ""  # missing
model = TabularClassifier("quick", hidden=[8], epochs=20, random_state=0).fit(table, kind)
print(model.export("fruit.h"))
