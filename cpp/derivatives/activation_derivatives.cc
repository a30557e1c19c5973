#include "derivatives/activation_derivatives.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "base/dtypes.h"

namespace densecore {
namespace {

// An entry has:
//   base                        name of the kernel function that computes s at argument(z), or null
//   f(z, a, f1, s, p, f2, f3)   writes the 2nd and 3rd derivative, from z, a = f(z), f1 = f', s and
//                               the activation's parameters p
// f' comes from the activation's kernel, so that first derivatives have the same bits as elsewhere.

// Piecewise linear: higher derivatives are 0 almost everywhere.
struct Straight {
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T, T, T, T, const double*, T& f2, T& f3) {
    f2 = f3 = 0;
  }
};
struct Linear : Straight {
  static constexpr char name[] = "linear";
};
struct Relu : Straight {
  static constexpr char name[] = "relu";
};
struct ReluGeneral : Straight {
  static constexpr char name[] = "relu_general";
};
struct LeakyRelu : Straight {
  static constexpr char name[] = "leaky_relu";
};
struct Relu6 : Straight {
  static constexpr char name[] = "relu6";
};
struct HardTanh : Straight {
  static constexpr char name[] = "hard_tanh";
};
struct HardSigmoid : Straight {
  static constexpr char name[] = "hard_sigmoid";
};
struct HardSilu {  // z (z + 3) / 6 in the middle
  static constexpr char name[] = "hard_silu";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T, T, const double*, T& f2, T& f3) {
    f2 = z > T(-3) && z < T(3) ? T(1) / T(3) : T(0);
    f3 = 0;
  }
};

struct HardShrink : Straight {
  static constexpr char name[] = "hard_shrink";
};
struct SoftShrink : Straight {
  static constexpr char name[] = "soft_shrink";
};
struct SparseSigmoid : Straight {
  static constexpr char name[] = "sparse_sigmoid";
};
struct SparsePlus {  // (z + 1)^2 / 4 in the middle
  static constexpr char name[] = "sparse_plus";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T, T, const double*, T& f2, T& f3) {
    f2 = z > T(-1) && z < T(1) ? T(0.5) : T(0);
    f3 = 0;
  }
};

// c exp(z / width) below 0, linear above.
template <class T>
void exponential_below(T z, T f1, T width, T& f2, T& f3) {
  f2 = z > 0 ? T(0) : f1 / width;
  f3 = f2 / width;
}
struct Elu {
  static constexpr char name[] = "elu";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T f1, T, const double*, T& f2, T& f3) {
    exponential_below(z, f1, T(1), f2, f3);
  }
};
struct Selu : Elu {
  static constexpr char name[] = "selu";
};
struct Celu {
  static constexpr char name[] = "celu";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T f1, T, const double* p, T& f2, T& f3) {
    exponential_below(z, f1, static_cast<T>(p[0]), f2, f3);
  }
};
struct Exponential {
  static constexpr char name[] = "exponential";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T, T a, T, T, const double*, T& f2, T& f3) {
    f2 = f3 = a;
  }
};

struct Tanh {  // f' = 1 - a^2
  static constexpr char name[] = "tanh";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T, T a, T f1, T, const double*, T& f2, T& f3) {
    f2 = -2 * a * f1;
    f3 = f1 * (6 * a * a - 2);
  }
};
struct TanhShrink {  // z - tanh(z)
  static constexpr char name[] = "tanh_shrink";
  static constexpr const char* base = "tanh";
  template <class T>
  static T argument(T z, const double*) {
    return z;
  }
  template <class T>
  static void f(T, T, T, T t, const double*, T& f2, T& f3) {
    const T slope = 1 - t * t;
    f2 = 2 * t * slope;
    f3 = slope * (2 - 6 * t * t);
  }
};

// The first three derivatives of the logistic function, from its value.
template <class T>
struct Logistic {
  explicit Logistic(T s) : s1(s * (1 - s)), s2(s1 * (1 - 2 * s)), s3(s1 * (1 - 6 * s1)) {}
  T s1, s2, s3;
};
struct OfLogistic {
  static constexpr const char* base = "sigmoid";
  template <class T>
  static T argument(T z, const double*) {
    return z;
  }
};
struct Sigmoid {
  static constexpr char name[] = "sigmoid";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T, T a, T, T, const double*, T& f2, T& f3) {
    const Logistic<T> s(a);
    f2 = s.s2;
    f3 = s.s3;
  }
};
struct Softplus : OfLogistic {  // f' = sigmoid(z)
  static constexpr char name[] = "softplus";
  template <class T>
  static void f(T, T, T, T value, const double*, T& f2, T& f3) {
    const Logistic<T> s(value);
    f2 = s.s1;
    f3 = s.s2;
  }
};
struct LogSigmoid : OfLogistic {  // f' = 1 - sigmoid(z)
  static constexpr char name[] = "log_sigmoid";
  template <class T>
  static void f(T, T, T, T value, const double*, T& f2, T& f3) {
    const Logistic<T> s(value);
    f2 = -s.s1;
    f3 = -s.s2;
  }
};
struct Silu : OfLogistic {  // z sigmoid(z)
  static constexpr char name[] = "silu";
  template <class T>
  static void f(T z, T, T, T value, const double*, T& f2, T& f3) {
    const Logistic<T> s(value);
    f2 = 2 * s.s1 + z * s.s2;
    f3 = 3 * s.s2 + z * s.s3;
  }
};
struct GeluTanh {  // z sigmoid(u), u = c (z + k z^3)
  static constexpr char name[] = "gelu_tanh";
  static constexpr const char* base = "sigmoid";
  static constexpr double c = 1.5957691216057307117, k = 0.044715;
  // Limited: there sigmoid(u) is 0 or 1 to the last bit, and powers of z do not overflow.
  template <class T>
  static T limited(T z) {
    return std::min(T(16), std::max(T(-16), z));
  }
  template <class T>
  static T argument(T z, const double*) {
    const T x = limited(z);
    return T(c) * (x + T(k) * x * x * x);
  }
  template <class T>
  static void f(T z, T, T, T value, const double*, T& f2, T& f3) {
    const T x = limited(z), u1 = T(c) * (1 + T(3 * k) * x * x), u2 = T(6 * c * k) * x;
    const T u3 = T(6 * c * k);
    const Logistic<T> s(value);
    // The chain rule for sigmoid(u(z)), then the product rule.
    const T s1 = s.s1 * u1, s2 = s.s2 * u1 * u1 + s.s1 * u2;
    const T s3 = s.s3 * u1 * u1 * u1 + 3 * s.s2 * u1 * u2 + s.s1 * u3;
    f2 = 2 * s1 + x * s2;
    f3 = 3 * s2 + x * s3;
  }
};
struct Gelu {  // z Phi(z): phi' = -z phi
  static constexpr char name[] = "gelu";
  static constexpr const char* base = "exp";
  template <class T>
  static T argument(T z, const double*) {
    return T(-0.5) * z * z;
  }
  template <class T>
  static void f(T z, T, T, T value, const double*, T& f2, T& f3) {
    // Beyond it the density is 0, which an infinite power of z would make NaN.
    const T x = std::min(T(40), std::max(T(-40), z)), density = T(0.39894228040143267794) * value;
    f2 = density * (2 - x * x);
    f3 = density * x * (x * x - 4);
  }
};
struct Mish {  // z t, t = tanh(softplus(z)) = n / (n + 2), n = e (e + 2), e = exp(z)
  static constexpr char name[] = "mish";
  static constexpr const char* base = "exp";
  static constexpr double limit = 20;  // t and sigmoid(z) are straight beyond it
  template <class T>
  static T argument(T z, const double*) {
    return std::min(T(limit), z);
  }
  template <class T>
  static void f(T z, T, T, T e, const double*, T& f2, T& f3) {
    const T x = std::max(T(-90), std::min(T(limit), z)), n = e * (e + 2), t = n / (n + 2);
    // u = 1 - t^2 without a difference of equals; s = sigmoid(z) = softplus'.
    const T u = 4 * (n + 1) / ((n + 2) * (n + 2)), s = e / (1 + e);
    const Logistic<T> logistic(s);
    const T t1 = u * s, u1 = -2 * t * t1;
    const T t2 = u1 * s + u * logistic.s1, u2 = -2 * (t1 * t1 + t * t2);
    const T t3 = u2 * s + 2 * u1 * logistic.s1 + u * logistic.s2;
    f2 = 2 * t1 + x * t2;
    f3 = 3 * t2 + x * t3;
  }
};
struct Softsign {  // z / (1 + |z|): f' = i^2, i = 1 / (1 + |z|)
  static constexpr char name[] = "softsign";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T f1, T, const double*, T& f2, T& f3) {
    const T i = 1 / (1 + std::abs(z));
    f2 = (z < 0 ? T(2) : T(-2)) * f1 * i;
    f3 = 6 * f1 * f1;
  }
};

struct Squareplus {  // f' = (1 + z / r) / 2, r = sqrt(z^2 + b): f'' = b / (2 r^3)
  static constexpr char name[] = "squareplus";
  static constexpr const char* base = nullptr;
  template <class T>
  static void f(T z, T, T, T, const double* p, T& f2, T& f3) {
    // From r, not from its square, which may overflow; 0 for b = 0.
    const T b = static_cast<T>(p[0]), r = std::hypot(z, std::sqrt(b));
    f2 = b > 0 ? b / r / r / r / 2 : T(0);
    f3 = b > 0 ? -3 * f2 * (z / r) / r : T(0);
  }
};

// Every activation of this list has derivatives of second and third order.
using List = std::tuple<Linear, Relu, Sigmoid, Tanh, ReluGeneral, LeakyRelu, Relu6, Elu, Selu, Celu,
                        Exponential, Gelu, GeluTanh, Silu, Mish, Softplus, Softsign, LogSigmoid,
                        HardSigmoid, HardSilu, HardTanh, TanhShrink, HardShrink, SoftShrink,
                        SparseSigmoid, SparsePlus, Squareplus>;

template <class T, class Entry>
void fill(const KernelTable<T>& table, const ActivationEntry<T>& activation, index_t n, const T* z,
          const T* a, const double* parameters, T* first, T* second, T* third) {
  std::fill_n(first, n, T(1));
  activation.backward(1, n, z, n, a, n, first, n, first, n, parameters);
  if constexpr (Entry::base != nullptr) {
    // `second` holds s until f'' replaces it.
    for (index_t i = 0; i < n; ++i) second[i] = Entry::argument(z[i], parameters);
    for (int i = 0; i < table.function_count; ++i)
      if (std::strcmp(table.functions[i].name, Entry::base) == 0)
        table.functions[i].apply(n, second, second);
  }
  T unused;
  for (index_t i = 0; i < n; ++i)
    Entry::f(z[i], a[i], first[i], second[i], parameters, second[i],
             third == nullptr ? unused : third[i]);
}

template <class Visit>
void for_each(Visit&& visit) {
  std::apply([&](auto... entries) { (visit(entries), ...); }, List());
}

}  // namespace

template <class T>
ActivationDerivatives<T> find_activation_derivatives(const std::string& name) {
  ActivationDerivatives<T> found = nullptr;
  for_each([&](auto entry) {
    if (name == entry.name) found = fill<T, decltype(entry)>;
  });
  return found;
}

std::vector<std::string> activations_with_derivatives() {
  std::vector<std::string> names;
  for_each([&](auto entry) { names.emplace_back(entry.name); });
  return names;
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template ActivationDerivatives<T> find_activation_derivatives(const std::string&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
