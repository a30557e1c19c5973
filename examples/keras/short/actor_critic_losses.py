# Actor and critic: one trunk, two heads, and a loss whose targets hold actions and advantages.
import numpy as np

import densecore as keras
from densecore import layers, ops

keras.utils.set_random_seed(13)
rng = np.random.default_rng(13)
inputs = layers.Input(shape=(3,))
trunk = layers.Dense(16, activation="tanh")(inputs)
actor = layers.Dense(2, activation="softmax", name="actor")(trunk)
critic = layers.Dense(1, name="critic")(trunk)
model = keras.Model(inputs, [actor, critic])


def policy_loss(y_true, y_pred):
    advantage, action = y_true[:, :1], y_true[:, 1:]
    chosen = ops.sum(action * y_pred, axis=1, keepdims=True)
    entropy = -ops.sum(y_pred * ops.log(y_pred + 1e-8), axis=1)
    return -ops.mean(ops.log(chosen + 1e-8) * advantage) - 0.01 * ops.mean(entropy)


losses = {"actor": policy_loss, "critic": "mse"}
weights = {"actor": 1.0, "critic": 0.5}
model.compile(keras.optimizers.Adam(0.01), loss=losses, loss_weights=weights)
for episode in range(60):  # the reward is 1 when the action is the sign of the first number
    states = rng.normal(size=(64, 3)).astype("float32")
    policy, value = model.predict(states, verbose=0)
    action = (rng.uniform(size=64) < policy[:, 1]).astype(int)
    reward = (action == (states[:, 0] > 0)).astype("float32")[:, None]
    targets = np.hstack([reward - value, np.eye(2)[action]]).astype("float32")
    history = model.fit(states, {"actor": targets, "critic": reward}, verbose=0, batch_size=64)
states = rng.normal(size=(500, 3)).astype("float32")
policy, value = model.predict(states, verbose=0)
right = np.mean(policy.argmax(axis=1) == (states[:, 0] > 0))
print("right:", right, "value:", value.mean(), sorted(history.history))
assert right > 0.9
assert sorted(history.history) == ["actor_loss", "critic_loss", "loss"]
