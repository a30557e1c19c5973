// The check of the matrix product, and of the kernels that only move and add: against what
// kernels/table.h says of them.
#pragma once

#include <vector>

#include "check.h"

namespace densecore::check {

template <class T>
void check_gemm(const Kernels<T>& kernels) {
  report("gemm", [&](Numbers& numbers, Hash& hash) {
    constexpr index_t most = 784 * 200, most_b = 780 * 710;
    Guarded<T> a_(most), b_(most_b), bias_(most), c_(most),
        scratch_(gemm_scratch_bytes / sizeof(T));
    const MatrixView<T> scratch =
        scratch_.fill(1, gemm_scratch_bytes / sizeof(T), gemm_scratch_bytes / sizeof(T),
                      [](index_t, index_t) { return std::numeric_limits<double>::quiet_NaN(); });
    const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
    enum Start { zero, bias, accumulate };
    const auto one = [&](index_t m, index_t n, index_t k, Start start, bool transposed,
                         bool transposed_b) {
      describe("m %td n %td depth %td, start %d, transposed %d %d", m, n, k, start, transposed,
               transposed_b);
      const MatrixView<T> a =
          transposed ? a_.fill(k, m, m + 2, number) : a_.fill(m, k, k + 1, number);
      const MatrixView<T> b =
          transposed_b ? b_.fill(n, k, k + 3, number) : b_.fill(k, n, n + 3, number);
      const MatrixView<T> row = bias_.fill(1, n, n, number);
      // An old C that is not wanted is NaN: code that reads it shows it.
      const MatrixView<T> c = c_.fill(m, n, n + 5, [&](index_t, index_t) {
        return start == accumulate ? numbers.symmetric() : std::numeric_limits<double>::quiet_NaN();
      });
      std::vector<double> expected(static_cast<std::size_t>(m * n)), magnitude(expected.size());
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < n; ++j) {
          double sum = start == accumulate ? c.row(i)[j] : start == bias ? row.data[j] : T(0);
          double size = std::abs(sum);
          for (index_t l = 0; l < k; ++l) {
            const double term = static_cast<double>(transposed ? a.row(l)[i] : a.row(i)[l]) *
                                static_cast<double>(transposed_b ? b.row(j)[l] : b.row(l)[j]);
            sum += term;
            size += std::abs(term);
          }
          expected[static_cast<std::size_t>(i * n + j)] = sum;
          magnitude[static_cast<std::size_t>(i * n + j)] = size;
        }
      kernels.tested.gemm({m, n, k, a.data, transposed ? 1 : a.stride, transposed ? a.stride : 1,
                           b.data, transposed_b ? 1 : b.stride, transposed_b ? b.stride : 1,
                           start == bias ? row.data : nullptr, start == accumulate, c.data,
                           c.stride, scratch.data});
      c_.check_outside("c");
      scratch_.check_outside("scratch");
      hash.add(c);
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < n; ++j) {
          const std::size_t place = static_cast<std::size_t>(i * n + j);
          // At most 2 k roundings of half an ULP in the chain, as many in the reference.
          const double limit = static_cast<double>(2 * k + 2) * kernels.eps * magnitude[place];
          if (!is_close(static_cast<double>(c.row(i)[j]), expected[place], limit))
            return fail("c[%td][%td]: found %.17g, expected %.17g", i, j,
                        static_cast<double>(c.row(i)[j]), expected[place]);
        }
    };
    const auto every_way = [&](index_t m, index_t n, index_t k) {
      for (const Start start : {zero, bias, accumulate})
        for (const bool transposed : {false, true})
          for (const bool transposed_b : {false, true})
            one(m, n, k, start, transposed, transposed_b);
    };
    for (const index_t m : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17, 30})
      for (const index_t n : widths)
        for (const index_t k : {0, 1, 2, 5, 19}) every_way(m, n, k);
    for (const index_t k : {64, 127, 256, 300, 513, 784})
      for (const index_t m : {1, 6, 15})
        for (const index_t n : {1, 10, 37, 66}) every_way(m, n, k);
    every_way(130, 128, 130);
    every_way(32, 140, 784);
    every_way(280, 70, 400);                            // more than one block of rows and of depth
    for (const Start start : {zero, bias, accumulate})  // few rows, B from memory
      one(9, 700, 780, start, false, false);
  });
}

// Each is additions in a stated order: exact on every level.
template <class T>
void check_moves_and_sums(const Kernels<T>& kernels) {
  Guarded<T> in_(40 * 150), out_(40 * 150), sum_(200);
  const auto exact = [](index_t, index_t) { return 0.0; };
  const auto for_each_size = [](auto body) {
    for (const index_t rows : {0, 1, 2, 3, 15, 16, 17, 33})
      for (const index_t cols : widths) {
        describe("%td x %td", rows, cols);
        body(rows, cols);
      }
  };
  report("transpose", [&](Numbers& numbers, Hash& hash) {
    for_each_size([&](index_t rows, index_t cols) {
      const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
      const MatrixView<T> in = in_.fill(rows, cols, cols + 2, number);
      const MatrixView<T> out = out_.fill(cols, rows, rows + 1);
      kernels.tested.transpose(rows, cols, in.data, in.stride, out.data, out.stride);
      out_.check_outside("out");
      hash.add(out);
      for (index_t i = 0; i < rows; ++i)
        for (index_t j = 0; j < cols; ++j)
          if (out.row(j)[i] != in.row(i)[j]) return fail("out[%td][%td] is wrong", j, i);
    });
  });
  report("column_sum", [&](Numbers& numbers, Hash& hash) {
    for_each_size([&](index_t rows, index_t cols) {
      const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
      const MatrixView<T> in = in_.fill(rows, cols, cols + 2, number);
      for (const bool accumulate : {false, true}) {
        const MatrixView<T> out = out_.fill(1, cols, cols, number);
        const MatrixView<T> sum = sum_.fill(
            1, cols, cols, [&](index_t, index_t j) { return accumulate ? out.data[j] : T(0); });
        // Every fourth row is one sum, the first of which starts with what was there.
        for (index_t j = 0; j < cols; ++j) {
          T part[4] = {sum.data[j], 0, 0, 0};
          for (index_t i = 0; i < rows; ++i) part[i % 4] += in.row(i)[j];
          sum.data[j] = (part[0] + part[1]) + (part[2] + part[3]);
        }
        kernels.tested.column_sum(rows, cols, in.data, in.stride, accumulate, out.data);
        out_.check_outside("out");
        hash.add(out);
        compare("out", out, sum, exact);
      }
    });
  });
  report("add", [&](Numbers& numbers, Hash& hash) {
    for_each_size([&](index_t, index_t n) {
      const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
      const MatrixView<T> in = in_.fill(1, n, n, number), out = out_.fill(1, n, n, number);
      const MatrixView<T> sum =
          sum_.fill(1, n, n, [&](index_t, index_t j) { return out.data[j] + in.data[j]; });
      kernels.tested.add(n, in.data, out.data);
      out_.check_outside("out");
      hash.add(out);
      compare("out", out, sum, exact);
    });
  });
}

}  // namespace densecore::check
