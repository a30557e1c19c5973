#include "base/random.h"

#include <cmath>
#include <cstring>

#include "base/philox.h"

namespace densecore {
namespace {

// log(x) for normal x > 0 from +, -, *, / alone, hence the same bits everywhere.
double portable_log(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double m;
  std::memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.1716: eleven terms reach 1e-17.
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
  return exponent * 0.69314718055994530942 + 2 * s * sum;
}

double polynomial(const double* coefficients, int count, double x) {
  double sum = coefficients[count - 1];
  for (int i = count - 2; i >= 0; --i) sum = sum * x + coefficients[i];
  return sum;
}

}  // namespace

PhiloxBlock philox(const std::uint64_t key[2], const std::uint64_t counter[4]) {
  PhiloxBlock block;
  philox_words(key, counter[0], counter[1], counter[2], counter[3], block.word);
  return block;
}

Random::Random(std::uint64_t seed, Stream stream, std::uint64_t block)
    : key_{seed, static_cast<std::uint64_t>(stream)}, block_(block) {}

std::uint64_t Random::bits(std::uint64_t index) {
  if (index / 4 != cached_) {
    cached_ = index / 4;
    const std::uint64_t counter[4] = {cached_, block_, 0, 0};
    cache_ = philox(key_, counter);
  }
  return cache_.word[index % 4];
}

double Random::uniform(std::uint64_t index) { return uniform_of(bits(index)); }

double Random::normal(std::uint64_t index) { return normal_quantile(uniform(index)); }

double Random::truncated_normal(std::uint64_t index) {
  constexpr double below = 0.022750131948179207;  // the probability of less than -2
  return normal_quantile(below + uniform(index) * (1 - 2 * below));
}

// Wichura, Algorithm AS 241: the percentage points of the normal distribution, 1988, PPND16.
double normal_quantile(double p) {
  static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                             1.9715909503065514427e3, 1.3731693765509461125e4,
                             4.5921953931549871457e4, 6.7265770927008700853e4,
                             3.3430575583588128105e4, 2.5090809287301226727e3};
  static const double b[] = {1,
                             4.2313330701600911252e1,
                             6.8718700749205790830e2,
                             5.3941960214247511077e3,
                             2.1213794301586595867e4,
                             3.9307895800092710610e4,
                             2.8729085735721942674e4,
                             5.2264952788528545610e3};
  static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                             5.76949722146069140550e0,  3.64784832476320460504e0,
                             1.27045825245236838258e0,  2.41780725177450611770e-1,
                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[] = {1,
                             2.05319162663775882187e0,
                             1.67638483018380384940e0,
                             6.89767334985100004550e-1,
                             1.48103976427480074590e-1,
                             1.51986665636164571966e-2,
                             5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
  static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                             1.78482653991729133580e0,  2.96560571828504891230e-1,
                             2.65321895265761230930e-2, 1.24266094738807843860e-3,
                             2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double f[] = {1,
                             5.99832206555887937690e-1,
                             1.36929880922735805310e-1,
                             1.48753612908506148525e-2,
                             7.86869131145613259100e-4,
                             1.84631831751005468180e-5,
                             1.42151175831644588870e-7,
                             2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, 8, r) / polynomial(b, 8, r);
  }
  double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  if (r <= 5) {
    r -= 1.6;
    r = polynomial(c, 8, r) / polynomial(d, 8, r);
  } else {
    r -= 5;
    r = polynomial(e, 8, r) / polynomial(f, 8, r);
  }
  return q < 0 ? -r : r;
}

void permutation(Random& random, index_t n, index_t* out) {
  for (index_t i = 0; i < n; ++i) out[i] = i;
  for (index_t i = n - 1; i > 0; --i) {
    // The high product maps 64 bits to 0 .. i; its bias is below 2^-40 for any n that fits memory.
    const std::uint64_t j =
        wide_product(random.bits(static_cast<std::uint64_t>(i)), static_cast<std::uint64_t>(i) + 1)
            .high;
    const index_t other = static_cast<index_t>(j);
    const index_t swapped = out[i];
    out[i] = out[other];
    out[other] = swapped;
  }
}

}  // namespace densecore
