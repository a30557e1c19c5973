// The periodic embedding of columns: a vector of frequencies at a time.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace {

// Powers of t^2 in cos(2 pi t) and in sin(2 pi t) / t, for |t| <= 1/4: Taylor's, to the last bit.
template <class T>
struct TurnConstants;
template <>
struct TurnConstants<float> {
  static constexpr float cosine[] = {1.0f,        -19.7392088f, 64.939394f, -85.4568172f,
                                     60.2446414f, -26.4262568f, 7.90353637f};
  static constexpr float sine[] = {6.28318531f, -41.3417022f, 81.6052493f, -76.7058598f,
                                   42.0586939f, -15.0946426f, 3.81995258f};
  static constexpr float magic = 0x1.8p23f;  // its sum with a number is rounded to an integer
  static constexpr float most = 0x1p20f;
};
template <>
struct TurnConstants<double> {
  static constexpr double cosine[] = {1.0,
                                      -19.739208802178716,
                                      64.939394022668296,
                                      -85.456817206693728,
                                      60.244641371876661,
                                      -26.426256783374399,
                                      7.9035363713184692,
                                      -1.714390711088672,
                                      0.28200596845579123,
                                      -0.036382841142545669,
                                      0.0037798342006800396};
  static constexpr double sine[] = {
      6.2831853071795862,  -41.341702240399762,   81.605249276075057,   -76.705859753061389,
      42.058693944897655,  -15.09464257682299,    3.819952584848282,    -0.71812230177850056,
      0.10422916220813984, -0.012031585942120627, 0.0011309237482517963};
  static constexpr double magic = 0x1.8p52;
  static constexpr double most = 0x1p49;
};

// Cosine and sine of t turns (2 pi t). Beyond `most` turns, those of `most`: a number there has no
// fraction worth the name. A NaN passes.
template <class V>
inline void cosine_and_sine(V t, V& cosine, V& sine) {
  using C = TurnConstants<typename V::T>;
  const V magic = V::constant(C::magic), half = V::constant(typename V::T(0.5));
  t = max(V::constant(-C::most), min(V::constant(C::most), t));
  // t = n / 2 + r, and the sign is that of an even or an odd n.
  const V n = ((t + t) + magic) - magic, r = fnma(n, half, t);
  const V odd = n - V::constant(2) * ((n * half + magic) - magic);
  const V sign = fnma(odd + odd, odd, V::constant(1)), square = r * r;
  cosine = sign * polynomial(C::cosine, square);
  sine = sign * (r * polynomial(C::sine, square));
}

// See densecore::PeriodicKernels. `kept`: the cosines of all columns, then their sines.
template <class V>
void periodic_forward(index_t rows, const densecore::PeriodicShape& shape, const typename V::T* x,
                      index_t ldx, const typename V::T* const* p, typename V::T* kept, index_t ldk,
                      typename V::T* a, index_t lda) {
  using T = typename V::T;
  const index_t frequencies = shape.frequencies, further = shape.units - 1;
  const V turns = V::set(static_cast<T>(0.159154943091895335769));  // of a radian
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < shape.columns; ++j) {
      const V value = V::set(x[i * ldx + j]);
      const T *const w = p[0] + j * frequencies, *const b = p[1] + j * frequencies;
      T* const cosines = kept + i * ldk + j * frequencies;
      T* const sines = cosines + shape.columns * frequencies;
      for_each_vector<V>(frequencies, [=](index_t f, auto part) {
        V cosine, sine;
        cosine_and_sine(fma(value, part.load(w + f), part.load(b + f) * turns), cosine, sine);
        part.store(cosine, cosines + f);
        part.store(sine, sines + f);
      });
      T* const out = a + i * lda + j * shape.units;
      out[0] = x[i * ldx + j];
      for (index_t k = 0; k < further; ++k) {
        const T* const v = p[2] + (j * further + k) * frequencies;
        const double sum = row_total<V>(frequencies, [=](index_t f, auto part) {
          return part.load(v + f) * part.load(cosines + f);
        });
        out[1 + k] = static_cast<T>(sum + static_cast<double>(p[3][j * further + k]));
      }
    }
}

// -sin f, times the gradient for the cosine f of column j: what phases and frequencies get.
template <class V, class P>
inline V phase_gradient(const densecore::PeriodicShape& shape, const typename V::T* v,
                        const typename V::T* g, const typename V::T* sines, index_t f, P part) {
  V sum = V::set(0);
  for (index_t k = 0; k + 1 < shape.units; ++k)
    sum = fma(V::set(g[1 + k]), part.load(v + k * shape.frequencies + f), sum);
  return V::set(0) - part.load(sines + f) * sum;
}

template <class V>
void periodic_gradient(index_t rows, const densecore::PeriodicShape& shape, const typename V::T* x,
                       index_t ldx, const typename V::T* const* p, const typename V::T* kept,
                       index_t ldk, const typename V::T* g, index_t ldg, bool accumulate,
                       typename V::T* const* out) {
  using T = typename V::T;
  const index_t frequencies = shape.frequencies, further = shape.units - 1;
  const V tau = V::set(static_cast<T>(6.28318530717958647693));
  for (index_t j = 0; j < shape.columns; ++j) {
    const T* const v = p[2] + j * further * frequencies;
    const T* const cosines = kept + j * frequencies;
    const T* const sines = cosines + shape.columns * frequencies;
    const T* const of_column = g + j * shape.units;
    for_each_vector<V>(frequencies, [=](index_t f, auto part) {
      const auto start = [=](const T* from) {
        return accumulate ? part.load(from + f) : V::set(0);
      };
      T *const w = out[0] + j * frequencies, *const b = out[1] + j * frequencies;
      V slope = V::set(0), phase = start(b);
      for (index_t i = 0; i < rows; ++i) {
        const V along = phase_gradient<V>(shape, v, of_column + i * ldg, sines + i * ldk, f, part);
        phase = phase + along;
        slope = fma(V::set(x[i * ldx + j]), along, slope);
      }
      part.store(phase, b + f);
      part.store(fma(slope, tau, start(w)), w + f);
      for (index_t k = 0; k < further; ++k) {
        T* const of_unit = out[2] + (j * further + k) * frequencies;
        V sum = start(of_unit);
        for (index_t i = 0; i < rows; ++i)
          sum = fma(V::set(of_column[i * ldg + 1 + k]), part.load(cosines + i * ldk + f), sum);
        part.store(sum, of_unit + f);
      }
    });
    column_sum<V>(rows, further, of_column + 1, ldg, accumulate, out[3] + j * further);
  }
}

template <class V>
void periodic_input_gradient(index_t rows, const densecore::PeriodicShape& shape,
                             const typename V::T* const* p, const typename V::T* kept, index_t ldk,
                             const typename V::T* g, index_t ldg, typename V::T* dx, index_t lddx) {
  using T = typename V::T;
  const index_t frequencies = shape.frequencies;
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < shape.columns; ++j) {
      const T* const v = p[2] + j * (shape.units - 1) * frequencies;
      const T* const w = p[0] + j * frequencies;
      const T* const sines = kept + i * ldk + (shape.columns + j) * frequencies;
      const T* const of_column = g + i * ldg + j * shape.units;
      const double sum = row_total<V>(frequencies, [=](index_t f, auto part) {
        return part.load(w + f) * phase_gradient<V>(shape, v, of_column, sines, f, part);
      });
      dx[i * lddx + j] =
          static_cast<T>(static_cast<double>(of_column[0]) + 6.28318530717958647693 * sum);
    }
}

}  // namespace
