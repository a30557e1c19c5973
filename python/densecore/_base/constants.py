"""Constants of functions, in Python. The core has its own, in kernels/activation_smooth.h."""

#: Of SELU: scale · z for z > 0, else scale · alpha · (exp(z) - 1); Klambauer, Unterthiner, Mayr &
#: Hochreiter, *Self-normalizing neural networks*, 2017.
SELU_SCALE = 1.0507009873554804934
SELU_ALPHA = 1.6732632423543772848
