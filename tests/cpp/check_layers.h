// The checks of what layers without products and steps around an update are made of.
#pragma once

#include <cmath>
#include <vector>

#include "check.h"

namespace densecore::check {

template <class T>
void check_without_products(const Kernels<T>& kernels) {
  const KernelTable<T>&tested = kernels.tested, &portable = kernels.portable;
  const index_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 67};

  // call(kernels of a level, rows, cols, x, other, vectors, out) for both levels; results agree.
  const auto check = [&](const std::string& name, double limit, index_t more, auto call) {
    report(name, [&](Numbers& numbers, Hash& hash) {
      Guarded<T> x_(2500), other_(2500), out_(2500), kept_(2500), expected_(2500), exact_(2500);
      Guarded<T> vectors_[4] = {Guarded<T>(100), Guarded<T>(100), Guarded<T>(100), Guarded<T>(100)};
      for (const index_t rows : {1, 2, 5, 9, 30})
        for (const index_t cols : sizes) {
          describe("%td x %td", rows, cols);
          const auto number = [&](index_t, index_t) { return 1 + 2 * numbers.symmetric(); };
          const MatrixView<T> x = x_.fill(rows, cols, cols + 1, number);
          const MatrixView<T> other = other_.fill(rows, cols + more, cols + 3, number);
          const T* vectors[4];
          for (int v = 0; v < 4; ++v) vectors[v] = vectors_[v].fill(1, cols, cols, number).data;
          const MatrixView<T> out = out_.fill(rows, cols, cols + 2, number);
          const MatrixView<T> kept = kept_.fill(rows, cols + more, cols + 4);
          const MatrixView<T> expected = expected_.fill(
              rows, cols, cols + 2, [&](index_t i, index_t j) { return out.row(i)[j]; });
          const MatrixView<T> exact = exact_.fill(rows, cols + more, cols + 4);
          call(tested, x, other, vectors, out, kept);
          out_.check_outside("out");
          kept_.check_outside("kept");
          call(portable, x, other, vectors, expected, exact);
          hash.add(out);
          hash.add(kept);
          const double allowed = limit * kernels.eps * std::fmax(1, largest(expected));
          compare("out", out, expected, [&](index_t, index_t) { return allowed; });
          const double also = limit * kernels.eps * std::fmax(1, largest(exact));
          compare("kept", kept, exact, [&](index_t, index_t) { return also; });
        }
    });
  };
  using Table = KernelTable<T>;
  using View = MatrixView<T>;
  check("normalization.column_product_sum", 64, 0,
        [](const Table& t, View x, View y, const T**, View out, View) {
          t.normalization.column_product_sum(x.rows, x.cols, x.data, x.stride, y.data, y.stride,
                                             true, out.data);
        });
  check("normalization.column_squares", 64, 0,
        [](const Table& t, View x, View, const T** v, View out, View) {
          t.normalization.column_squares(x.rows, x.cols, x.data, x.stride, v[0], out.data);
        });
  check("normalization.columns", 8, 0,
        [](const Table& t, View x, View, const T** v, View out, View kept) {
          t.normalization.columns(x.rows, x.cols, x.data, x.stride, v[0], v[1], v[2], v[3],
                                  kept.data, kept.stride, out.data, out.stride);
        });
  check("normalization.columns_gradient", 16, 0,
        [](const Table& t, View x, View y, const T** v, View out, View) {
          t.normalization.columns_gradient(x.rows, x.cols, x.data, x.stride, y.data, y.stride, v[0],
                                           v[1], v[2], out.data, out.stride);
        });
  for (const bool centered : {true, false}) {
    // With a divisor of 1 instead of the number of columns, too.
    const auto rule = [=](View x) {
      return RowRule{1e-3, centered ? static_cast<double>(x.cols) : 1, centered};
    };
    const std::string suffix = centered ? "" : ", not centered";
    check("normalization.rows" + suffix, 64, 1,
          [=](const Table& t, View x, View, const T** v, View out, View kept) {
            t.normalization.rows(x.rows, x.cols, rule(x), x.data, x.stride, v[0], v[1], kept.data,
                                 kept.stride, out.data, out.stride);
          });
    check("normalization.rows_gradient" + suffix, 128, 1,
          [=](const Table& t, View x, View y, const T** v, View out, View) {
            t.normalization.rows_gradient(x.rows, x.cols, rule(x), x.data, x.stride, v[0], y.data,
                                          y.stride, out.data, out.stride);
          });
  }
  check("elementwise.multiply", 0, 0,
        [](const Table& t, View x, View y, const T**, View out, View) {
          t.elementwise.multiply(x.rows, x.cols, x.data, x.stride, y.data, y.stride, out.data,
                                 out.stride);
        });
  check("elementwise.sum", 0, 0, [](const Table& t, View x, View y, const T**, View out, View) {
    t.elementwise.sum(x.rows, x.cols, x.data, x.stride, y.data, y.stride, out.data, out.stride);
  });
  check("elementwise.drop", 0, 0, [](const Table& t, View x, View, const T**, View out, View) {
    t.elementwise.drop({{7, 3}, {1, 2, 3, 4}, 30000}, x.rows, x.cols, T(1.5), out.data, out.stride);
  });
}

template <class T>
void check_periodic(const Kernels<T>& kernels) {
  using Table = PeriodicKernels<T>;
  report("periodic", [&](Numbers& numbers, Hash& hash) {
    Guarded<T> x_(100), g_(1200), dx_[2] = {Guarded<T>(100), Guarded<T>(100)};
    Guarded<T> kept_[2] = {Guarded<T>(6000), Guarded<T>(6000)};
    Guarded<T> a_[2] = {Guarded<T>(1200), Guarded<T>(1200)};
    struct Arrays {
      Guarded<T> of[4] = {Guarded<T>(1000), Guarded<T>(1000), Guarded<T>(1000), Guarded<T>(1000)};
    } p_, out_[2];
    for (const index_t rows : {1, 2, 9})
      for (const index_t columns : {1, 3})
        for (const index_t frequencies : {1, 3, 4, 8, 16, 17, 33})
          for (const index_t units : {2, 5}) {
            describe("%td rows of %td x %td x %td", rows, columns, frequencies, units);
            const PeriodicShape shape{columns, frequencies, units};
            const auto number = [&](index_t, index_t) { return 2 * numbers.symmetric(); };
            const MatrixView<T> x = x_.fill(rows, columns, columns + 1, number);
            const MatrixView<T> g = g_.fill(rows, columns * units, columns * units + 2, number);
            const index_t sizes[] = {columns * frequencies, columns * frequencies,
                                     columns * (units - 1) * frequencies, columns * (units - 1)};
            const T* p[4];
            for (int i = 0; i < 4; ++i) p[i] = p_.of[i].fill(1, sizes[i], sizes[i], number).data;
            MatrixView<T> kept[2], a[2], dx[2], out[2][4];
            for (int level = 0; level < 2; ++level) {
              const Table& table = level == 0 ? kernels.tested.periodic : kernels.portable.periodic;
              kept[level] =
                  kept_[level].fill(rows, 2 * columns * frequencies, 2 * columns * frequencies + 3);
              a[level] = a_[level].fill(rows, columns * units, columns * units + 1);
              dx[level] = dx_[level].fill(rows, columns, columns + 2);
              T* to[4];
              for (int i = 0; i < 4; ++i) {
                out[level][i] = out_[level].of[i].fill(1, sizes[i], sizes[i],
                                                       [](index_t, index_t) { return 0.5; });
                to[i] = out[level][i].data;
              }
              table.forward(rows, shape, x.data, x.stride, p, kept[level].data, kept[level].stride,
                            a[level].data, a[level].stride);
              table.gradient(rows, shape, x.data, x.stride, p, kept[level].data, kept[level].stride,
                             g.data, g.stride, true, to);
              table.input_gradient(rows, shape, p, kept[level].data, kept[level].stride, g.data,
                                   g.stride, dx[level].data, dx[level].stride);
            }
            kept_[0].check_outside("kept");
            a_[0].check_outside("a");
            dx_[0].check_outside("dx");
            const auto same = [&](const char* name, MatrixView<T> found, MatrixView<T> expected) {
              hash.add(found);
              const double allowed = 256 * kernels.eps * std::fmax(1, largest(expected));
              compare(name, found, expected, [&](index_t, index_t) { return allowed; });
            };
            same("kept", kept[0], kept[1]);
            same("a", a[0], a[1]);
            same("dx", dx[0], dx[1]);
            for (int i = 0; i < 4; ++i) {
              out_[0].of[i].check_outside("gradient");
              same("gradient", out[0][i], out[1][i]);
            }
          }
  });
}

template <class T>
void check_gradient_steps(const Kernels<T>& kernels) {
  const GradientKernels<T>& tested = kernels.tested.gradients;
  const GradientKernels<T>& portable = kernels.portable.gradients;
  const auto check = [&](const char* name, auto call) {
    report(std::string("gradients.") + name, [&](Numbers& numbers, Hash& hash) {
      Guarded<T> x_(3000), g_(3000), expected_(3000);
      for (const index_t n : {1, 2, 3, 5, 8, 15, 16, 17, 31, 64, 257, 2500}) {
        describe("%td elements", n);
        const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
        const MatrixView<T> x = x_.fill(1, n, n, number), g = g_.fill(1, n, n, number);
        const MatrixView<T> expected =
            expected_.fill(1, n, n, [&](index_t, index_t j) { return g.data[j]; });
        const double value = call(tested, n, x.data, g.data);
        g_.check_outside("g");
        const double wanted = call(portable, n, x.data, expected.data);
        hash.add(value);
        hash.add(g);
        if (!is_close(value, wanted, 16 * kernels.eps * (1 + std::abs(wanted))))
          fail("found %.17g, expected %.17g", value, wanted);
        compare("g", g, expected, [&](index_t, index_t) { return 8 * kernels.eps; });
      }
    });
  };
  using Table = GradientKernels<T>;
  check("sum_of_squares",
        [](const Table& t, index_t n, const T* x, T*) { return t.sum_of_squares(n, x); });
  check("sum_of_magnitudes",
        [](const Table& t, index_t n, const T* x, T*) { return t.sum_of_magnitudes(n, x); });
  check("add_penalty", [](const Table& t, index_t n, const T* x, T* g) {
    t.add_penalty(n, x, 0.1, 0.2, g);
    return 0.0;
  });
  check("scale", [](const Table& t, index_t n, const T*, T* g) {
    t.scale(n, 0.3, g);
    return 0.0;
  });
  check("clip", [](const Table& t, index_t n, const T*, T* g) {
    t.clip(n, 0.4, g);
    return 0.0;
  });
  check("average", [](const Table& t, index_t n, const T* x, T* g) {
    t.average(n, 0.9, x, g);
    return 0.0;
  });
}

}  // namespace densecore::check
