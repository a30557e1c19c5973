# A small GAN in the older style: the discriminator alone, then both, by batches.
import numpy as np

import densecore as keras
from densecore import layers

keras.utils.set_random_seed(24)
rng = np.random.default_rng(24)


def real(n):
    return (rng.normal(size=(n, 1)) * 0.5 + 2.0).astype("float32")


generator = keras.Sequential([keras.Input((4,)), layers.Dense(16, "relu"), layers.Dense(1)])
discriminator = keras.Sequential(
    [keras.Input((1,)), layers.Dense(16), layers.LeakyReLU(0.2), layers.Dense(1, "sigmoid")]
)
discriminator.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.005))
z = keras.Input(shape=(4,))
gan = keras.Model(z, discriminator(generator(z)))
gan.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.002))
ones, zeros = np.ones((32, 1), "float32"), np.zeros((32, 1), "float32")
for step in range(300):
    noise = rng.normal(size=(32, 4)).astype("float32")
    fake = generator.predict_on_batch(noise)
    discriminator.trainable = True
    d_loss = discriminator.train_on_batch(real(32), ones)
    d_loss = discriminator.train_on_batch(np.asarray(fake), zeros)
    discriminator.trainable = False
    g_loss = gan.train_on_batch(noise, ones)
found = generator.predict(rng.normal(size=(500, 4)).astype("float32"), verbose=0)
print("mean of what is made:", found.mean())
assert 1 < found.mean() < 3
