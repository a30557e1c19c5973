// Gradients of the rows of a batch one by one, where training wants only their sum; and what a
// method of least squares makes of them.
//
// Sample by sample a dense layer's gradient is the outer product of its input and its delta: the
// way back goes through all rows of a block together, as ever, and only the last step differs.
#pragma once

#include <vector>

#include "network/network.h"

namespace densecore {

template <class T>
class RowGradients {
 public:
  // Prediction: nothing drops out, and batch normalisation uses its moving averages. `from_z`: what
  // comes is dC/dz of the last layer. Columns of a row are the network's parameters, or with
  // `trained_only` those of the layers that are trained.
  RowGradients(Network<T>& network, index_t rows, bool from_z, bool trained_only);

  index_t columns() const { return columns_; }
  // Ranges of rows that threads may take one by one.
  int ranges(index_t rows) const;
  Range range(index_t rows, int number) const;

  // Of rows [begin, end) of x, at most as many as were announced.
  MatrixView<const T> forward(MatrixView<const T> x, Range rows, void* scratch);
  // Where dC/da of those rows goes before `backward`.
  MatrixView<T> output_gradient(Range rows);
  // That of output number `unit` itself.
  void output_unit(Range rows, index_t unit);
  // Row i's gradients, times scale[i] unless that is null, into row i of `out`. Columns of what is
  // not trained stay as they are.
  template <class U>
  void backward(MatrixView<const T> x, Range rows, const double* scale, MatrixView<U> out, int task,
                void* scratch);

 private:
  Network<T>& network_;
  bool from_z_;
  std::size_t lowest_;
  index_t columns_ = 0;
  std::vector<index_t> column_;  // of each layer
  // Of layers that are not dense, one row of gradients for each range.
  AlignedBuffer<T> rows_;
};

// The Gauss-Newton equations of half the weighted sum of squares of r = output - target:
// `matrix` = J^T W J, its lower triangle (columns, columns), row-major, and `vector` = J^T W r,
// with J = dr / d(what is trained). Returns the sum of squares. In double precision whatever T:
// the matrix has the square of J's condition. The bits do not depend on the number of threads.
template <class T>
double normal_equations(Executor& executor, Network<T>& network, MatrixView<const T> x,
                        const Targets<T>& targets, double* matrix, double* vector);
// Number of rows of that matrix.
template <class T>
index_t trained_columns(const Network<T>& network);

}  // namespace densecore
