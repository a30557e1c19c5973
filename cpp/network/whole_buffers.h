// Functions of all parameters or all gradients of a network at once, for users' loops: target
// networks, noise on parameters, clipping.
#pragma once

#include <cstdint>

#include "network/network.h"

namespace densecore {

// Whether both have the same arrays at the same places, so that one's parameters suit the other.
template <class T>
bool same_arrays(const Network<T>& one, const Network<T>& other);

// own += tau (other - own) for all parameters and for what layers keep without a gradient (moving
// averages); with tau 1 a copy. For networks of the same arrays.
template <class T>
void blend(Network<T>& own, const Network<T>& other, double tau);

// Adds normal numbers to the parameters that training changes. They follow from the seed and the
// parameter's place.
template <class T>
void add_noise(Network<T>& network, double deviation, std::uint64_t seed);

// Scales the gradients that a step would use to a Euclidean norm of at most `most_norm`, then
// limits each to -most .. most; returns the norm before. One that is not finite scales nothing.
template <class T>
double clip_gradients(Network<T>& network, double most_norm, double most);

}  // namespace densecore
