#include "network/whole_buffers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/dtypes.h"
#include "base/random.h"

namespace densecore {

template <class T>
bool same_arrays(const Network<T>& one, const Network<T>& other) {
  if (one.layers().size() != other.layers().size() ||
      one.parameter_count() != other.parameter_count())
    return false;
  for (std::size_t l = 0; l < one.layers().size(); ++l) {
    const Layer<T>&a = *one.layers()[l], &b = *other.layers()[l];
    const auto &own = a.parameters(), &others = b.parameters();
    const auto &states = a.states(), &other_states = b.states();
    if (own.size() != others.size() || states.size() != other_states.size()) return false;
    for (std::size_t i = 0; i < own.size(); ++i)
      if (std::strcmp(own[i].name, others[i].name) != 0 || own[i].offset != others[i].offset ||
          own[i].rows != others[i].rows || own[i].cols != others[i].cols)
        return false;
    for (std::size_t i = 0; i < states.size(); ++i)
      if (std::strcmp(states[i].name, other_states[i].name) != 0 ||
          states[i].values->size() != other_states[i].values->size())
        return false;
  }
  return true;
}

template <class T>
void blend(Network<T>& own, const Network<T>& other, double tau) {
  const auto each = [&](index_t n, const T* from, T* to) {
    if (tau == 1)
      std::copy_n(from, n, to);
    else
      own.table().gradients.average(n, 1 - tau, from, to);
  };
  each(own.parameter_count(), other.parameters()->data(), own.parameters()->data());
  for (std::size_t l = 0; l < own.layers().size(); ++l) {
    const auto &to = own.layers()[l]->states(), &from = other.layers()[l]->states();
    for (std::size_t i = 0; i < to.size(); ++i)
      each(static_cast<index_t>(to[i].values->size()), from[i].values->data(),
           to[i].values->data());
  }
}

template <class T>
void add_noise(Network<T>& network, double deviation, std::uint64_t seed) {
  Random random(seed, Stream::sample, 2);
  T* const parameters = network.parameters()->data();
  for (const ParameterBlock& block : network.trained())
    for (index_t i = block.offset; i < block.offset + block.size(); ++i) {
      const T sum = static_cast<T>(static_cast<double>(parameters[i]) +
                                   deviation * random.normal(static_cast<std::uint64_t>(i)));
      parameters[i] = std::fabs(sum) < std::numeric_limits<T>::min() ? T(0) : sum;
    }
}

namespace {

// The norm of gradients whose squares are beyond the range of T, as of an explosion.
template <class T>
double norm_of_large(const Network<T>& network) {
  const T* const gradients = network.gradients()->data();
  double largest = 0, sum = 0;
  const auto each = [&](auto use) {
    for (const ParameterBlock& block : network.trained())
      for (index_t i = block.offset; i < block.offset + block.size(); ++i)
        use(std::fabs(static_cast<double>(gradients[i])));
  };
  each([&](double size) { largest = std::max(largest, size); });
  if (std::isinf(largest)) return largest;
  each([&](double size) { sum += (size / largest) * (size / largest); });
  return largest * std::sqrt(sum);
}

}  // namespace

template <class T>
double clip_gradients(Network<T>& network, double most_norm, double most) {
  const GradientKernels<T>& kernels = network.table().gradients;
  T* const gradients = network.gradients()->data();
  double squares = 0;
  for (const ParameterBlock& block : network.trained())
    squares += kernels.sum_of_squares(block.size(), gradients + block.offset);
  const double norm = std::isinf(squares) ? norm_of_large(network) : std::sqrt(squares);
  for (const ParameterBlock& block : network.trained()) {
    if (std::isfinite(norm) && norm > most_norm)
      kernels.scale(block.size(), most_norm / norm, gradients + block.offset);
    if (std::isfinite(most)) kernels.clip(block.size(), most, gradients + block.offset);
  }
  return norm;
}

#define DENSECORE_INSTANTIATE(T, ...)                              \
  template bool same_arrays(const Network<T>&, const Network<T>&); \
  template void blend(Network<T>&, const Network<T>&, double);     \
  template void add_noise(Network<T>&, double, std::uint64_t);     \
  template double clip_gradients(Network<T>&, double, double);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
