# A siamese network with the contrastive loss of the distance between two towers' outputs.
import numpy as np

import densecore as keras
from densecore import ops
from densecore.layers import Dense, Input, Lambda
from densecore.models import Model


def euclidean_distance(vectors):
    x, y = vectors
    total = ops.sum(ops.square(x - y), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(total, keras.backend.epsilon()))


def contrastive_loss(y_true, y_pred):
    near = y_true * ops.square(y_pred)
    far = (1 - y_true) * ops.square(ops.maximum(1 - y_pred, 0))
    return ops.mean(near + far)


keras.utils.set_random_seed(8)
rng = np.random.default_rng(8)
centres = 2 * rng.normal(size=(4, 6))
kind = rng.integers(0, 4, (2, 1000))
left, right = (centres[kind] + 0.4 * rng.normal(size=(2, 1000, 6))).astype("float32")
same = (kind[0] == kind[1]).astype("float32")[:, None]

row = Input(shape=(6,))
tower = Model(row, Dense(4)(Dense(16, activation="relu")(row)), name="tower")
a, b = Input(shape=(6,)), Input(shape=(6,))
distance = Lambda(euclidean_distance, output_shape=(1,))([tower(a), tower(b)])
model = Model([a, b], distance)
model.compile(loss=contrastive_loss, optimizer=keras.optimizers.RMSprop(0.003))
before = model.evaluate([left, right], same, verbose=0)
model.fit([left, right], same, batch_size=50, epochs=15, verbose=0)
found = model.predict([left, right], verbose=0)
accuracy = np.mean((found < 0.5) == (same > 0.5))
print("before:", before, "accuracy:", accuracy)
assert accuracy > 0.95
