// Every activation that acts on one element at a time. One is added as a structure in
// activation_pieces.h, activation_gated.h or activation_smooth.h, with its name in the list at that
// header's end, and an oracle of the same name in python/densecore/reference/activations.py.
//
// An activation gives a = `forward(z)` and dC/dz = `backward(z, a, g)` from g = dC/da. When
// `needs_input` is false the latter uses a alone, and z need not be kept. A derivative that is a
// factor of g and a function of z is written as that, `slope(z)`, in place of `backward`. One with
// a list `parameters` gets their values, in every lane, as another argument. Second and third
// derivatives: see higher_derivatives.h.
#pragma once

#include "kernels/activation_gated.h"
#include "kernels/activation_pieces.h"
#include "kernels/activation_smooth.h"

namespace {

// Those that the kernels of single rows have in their loop over layers (predict_row.h,
// train_tiny.h).
using InlinedActivations = TypeList<Linear, Relu, Sigmoid, Tanh>;

using OtherElementwiseActivations =
    Joined<StraightActivations, SmoothActivations, GatedActivations>;

}  // namespace
