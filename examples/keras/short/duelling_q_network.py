# A duelling Q network with a target network, trained by batches on a walk to a goal.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(20)
rng = np.random.default_rng(20)
n = 7  # places in a row; the goal is the last one


def build():
    state = layers.Input(shape=(n,))
    hidden = layers.Dense(24, activation="relu")(state)
    value = layers.Dense(1)(layers.Dense(12, activation="relu")(hidden))
    advantage = layers.Dense(2)(layers.Dense(12, activation="relu")(hidden))
    model = keras.Model(state, layers.Add()([value, advantage]))
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(learning_rate=0.01))
    return model


q, target = build(), build()
target.set_weights(q.get_weights())
eye = np.eye(n, dtype="float32")
for step in range(250):
    place, action = rng.integers(0, n - 1, 32), rng.integers(0, 2, 32)
    after = np.clip(place + 2 * action - 1, 0, n - 1)
    done = after == n - 1
    wanted = q.predict_on_batch(eye[place])
    wanted = np.array(wanted)
    best = np.max(np.array(target.predict_on_batch(eye[after])), axis=1)
    wanted[np.arange(32), action] = done + 0.9 * best * ~done
    q.train_on_batch(eye[place], wanted)
    if step % 25 == 0:
        target.set_weights(q.get_weights())
values = q.predict(eye[: n - 1], verbose=0)
print(np.round(values, 2))
assert (values.argmax(axis=1) == 1).all()
