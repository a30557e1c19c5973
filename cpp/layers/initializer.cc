#include "layers/initializer.h"

#include <cmath>
#include <functional>
#include <stdexcept>

#include "base/dtypes.h"
#include "base/random.h"

namespace densecore {
namespace {

// The standard deviation of a standard normal variable that is cut off at +-2.
constexpr double truncated_deviation = 0.87962566103423978;

using Arguments = std::vector<double>;
using Distribution = std::function<double(Random&, std::uint64_t index)>;
using Factory = Distribution (*)(const Arguments&, double fan_in, double fan_out);

Distribution uniform(double low, double high) {
  return [=](Random& random, std::uint64_t i) { return low + random.uniform(i) * (high - low); };
}
Distribution truncated(double deviation) {
  return [=](Random& random, std::uint64_t i) {
    return random.truncated_normal(i) * (deviation / truncated_deviation);
  };
}
Distribution constant(double value) {
  return [=](Random&, std::uint64_t) { return value; };
}

struct Entry {
  InitializerInfo info;
  Factory make;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> list = {
      // Glorot & Bengio, 2010: variance 2 / (fan_in + fan_out)
      {{"glorot_uniform", {}, {}},
       [](const Arguments&, double in, double out) {
         const double limit = std::sqrt(6 / (in + out));
         return uniform(-limit, limit);
       }},
      {{"glorot_normal", {}, {}},
       [](const Arguments&, double in, double out) {
         return truncated(std::sqrt(2 / (in + out)));
       }},
      // He, Zhang, Ren & Sun, 2015: variance 2 / fan_in
      {{"he_uniform", {}, {}},
       [](const Arguments&, double in, double) {
         const double limit = std::sqrt(6 / in);
         return uniform(-limit, limit);
       }},
      {{"he_normal", {}, {}},
       [](const Arguments&, double in, double) { return truncated(std::sqrt(2 / in)); }},
      // LeCun, Bottou, Orr & Mueller, 1998: variance 1 / fan_in
      {{"lecun_normal", {}, {}},
       [](const Arguments&, double in, double) { return truncated(std::sqrt(1 / in)); }},
      {{"lecun_uniform", {}, {}},
       [](const Arguments&, double in, double) {
         const double limit = std::sqrt(3 / in);
         return uniform(-limit, limit);
       }},
      {{"zeros", {}, {}}, [](const Arguments&, double, double) { return constant(0); }},
      {{"ones", {}, {}}, [](const Arguments&, double, double) { return constant(1); }},
      {{"constant", {"value"}, {0.0}},
       [](const Arguments& a, double, double) { return constant(a[0]); }},
      {{"random_normal", {"mean", "stddev"}, {0.0, 0.05}},
       [](const Arguments& a, double, double) -> Distribution {
         return [=](Random& random, std::uint64_t i) { return a[0] + random.normal(i) * a[1]; };
       }},
      {{"random_uniform", {"minval", "maxval"}, {-0.05, 0.05}},
       [](const Arguments& a, double, double) { return uniform(a[0], a[1]); }},
      {{"truncated_normal", {"mean", "stddev"}, {0.0, 0.05}},
       [](const Arguments& a, double, double) -> Distribution {
         return [=](Random& random, std::uint64_t i) {
           return a[0] + random.truncated_normal(i) * a[1];
         };
       }},
      // mode: fan-in, fan-out or their mean; distribution: truncated normal, normal or uniform
      {{"variance_scaling", {"scale", "mode", "distribution"}, {1.0, 0.0, 0.0}},
       [](const Arguments& a, double in, double out) -> Distribution {
         const double variance = a[0] / (a[1] == 0 ? in : a[1] == 1 ? out : (in + out) / 2);
         if (a[2] == 2) return uniform(-std::sqrt(3 * variance), std::sqrt(3 * variance));
         const double deviation = std::sqrt(variance);
         if (a[2] == 0) return truncated(deviation);
         return [=](Random& random, std::uint64_t i) { return random.normal(i) * deviation; };
       }},
  };
  return list;
}

}  // namespace

const std::vector<InitializerInfo>& initializers() {
  static const std::vector<InitializerInfo> list = [] {
    std::vector<InitializerInfo> infos;
    for (const Entry& entry : entries()) infos.push_back(entry.info);
    return infos;
  }();
  return list;
}

template <class T>
void initialize(const std::string& name, const std::vector<double>& arguments, index_t fan_in,
                index_t fan_out, std::uint64_t seed, std::uint64_t tensor, index_t n, T* out) {
  std::string known;
  for (const Entry& entry : entries()) {
    known += (known.empty() ? "" : ", ") + entry.info.name;
    if (entry.info.name != name) continue;
    if (arguments.size() != entry.info.arguments.size())
      throw std::invalid_argument("initializer '" + name + "': found " +
                                  std::to_string(arguments.size()) + " arguments, wanted " +
                                  std::to_string(entry.info.arguments.size()));
    for (std::size_t i = 0; i < arguments.size(); ++i)
      if (!std::isfinite(arguments[i]))
        throw std::invalid_argument("initializer '" + name + "': " + entry.info.arguments[i] +
                                    " must be finite");
    const Distribution value =
        entry.make(arguments, static_cast<double>(fan_in), static_cast<double>(fan_out));
    Random random(seed, Stream::initializer, tensor);
    for (index_t i = 0; i < n; ++i)
      out[i] = static_cast<T>(value(random, static_cast<std::uint64_t>(i)));
    return;
  }
  throw std::invalid_argument("unknown initializer '" + name + "'; known: " + known);
}

#define DENSECORE_INSTANTIATE(T, ...)                                                           \
  template void initialize<T>(const std::string&, const std::vector<double>&, index_t, index_t, \
                              std::uint64_t, std::uint64_t, index_t, T*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
