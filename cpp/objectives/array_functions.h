// exp and the like over arrays of doubles, for what is computed once per row of a batch: the heads
// of distributions and the objectives made of them.
//
// All of that is done in double precision, whatever the network's dtype: it is a few numbers per
// row, and a float's rounding would show in the tails of squashed actions. Only these functions
// come from the kernels; what is between them is plain arithmetic, the same on every level.
#pragma once

#include <vector>

#include "base/view.h"
#include "kernels/dispatch.h"

namespace densecore {

using Numbers = std::vector<double>;

class ArrayFunctions {
 public:
  explicit ArrayFunctions(const KernelTables& tables);

  // In place.
  void exp(Numbers& x) const { apply(exp_, x); }
  void expm1(Numbers& x) const { apply(expm1_, x); }
  void log(Numbers& x) const { apply(log_, x); }
  void log1p(Numbers& x) const { apply(log1p_, x); }
  void tanh(Numbers& x) const { apply(tanh_, x); }

 private:
  using Function = void (*)(index_t, const double*, double*);
  static void apply(Function function, Numbers& x) {
    function(static_cast<index_t>(x.size()), x.data(), x.data());
  }
  Function exp_, expm1_, log_, log1p_, tanh_;
};

// Rows of numbers one behind the other, (rows, cols), as doubles; and back.
template <class T>
Numbers numbers_of(MatrixView<const T> from);
template <class T>
void write(const Numbers& from, MatrixView<T> to);

void add(Numbers& sum, const Numbers& other);
// Added up in their order.
double mean_of(const Numbers& x);

// Throws std::invalid_argument, naming the first number outside lowest .. highest (a NaN is) and
// its row.
void check_range(const char* name, const Numbers& x, index_t cols, double lowest, double highest,
                 const char* wanted);

}  // namespace densecore
