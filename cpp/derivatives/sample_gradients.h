// The gradient of each row of a batch (training needs only their sum), and the normal equations of
// least squares that are made of them.
//
// For one row the gradient of a dense layer is the outer product of its input and its delta. The
// backward pass takes all rows of a block together, as in training; only this last step differs.
#pragma once

#include <vector>

#include "network/network.h"

namespace densecore {

template <class T>
class RowGradients {
 public:
  // In prediction mode: dropout is off, and batch normalisation uses its moving averages.
  // `from_z`: the gradients given are dC/dz of the last layer, else dC/da.
  // `trained_only`: a row's columns are the parameters of the layers that are trained, else all.
  RowGradients(Network<T>& network, index_t rows, bool from_z, bool trained_only);

  index_t columns() const { return columns_; }
  // The ranges of rows that are computed independently, one per task.
  int ranges(index_t rows) const;
  Range range(index_t rows, int number) const;

  // The outputs of rows [begin, end) of x, at most as many as the constructor was told.
  MatrixView<const T> forward(MatrixView<const T> x, Range rows, void* scratch);
  // Where to write dC/da of those rows before `backward`.
  MatrixView<T> output_gradient(Range rows);
  // Writes it for C = output number `unit`: 1 there, 0 elsewhere.
  void output_unit(Range rows, index_t unit);
  // The gradients of row i, times scale[i] unless `scale` is null, into row i of `out`. Columns of
  // layers that are not trained stay as they are.
  template <class U>
  void backward(MatrixView<const T> x, Range rows, const double* scale, MatrixView<U> out, int task,
                void* scratch);

 private:
  Network<T>& network_;
  bool from_z_;
  std::size_t lowest_;
  index_t columns_ = 0;
  std::vector<index_t> column_;  // of each layer
  // For layers that are not dense: memory for one row of gradients per range.
  AlignedBuffer<T> rows_;
};

// Each row's gradient of its own loss, into `out` (rows, parameters).
template <class T>
void sample_gradients(Executor& executor, Network<T>& network, const Objective<T>& objective,
                      MatrixView<const T> x, const Targets<T>& targets, MatrixView<T> out);

// d outputs / d parameters, into `out` (rows * outputs, parameters).
template <class T>
void parameter_jacobian(Executor& executor, Network<T>& network, MatrixView<const T> x,
                        MatrixView<T> out);

// The Gauss-Newton equations of half the weighted sum of squares of r = output - target:
// `matrix` = J^T W J, its lower triangle (columns, columns), row-major, and `vector` = J^T W r,
// with J = dr / d(trained parameters). Returns the sum of squares. In double precision for every T:
// the condition number of the matrix is the square of J's. The bits do not depend on the number of
// threads.
template <class T>
double normal_equations(Executor& executor, Network<T>& network, MatrixView<const T> x,
                        const Targets<T>& targets, double* matrix, double* vector);
// The number of trained parameters: the rows of that matrix.
template <class T>
index_t trained_columns(const Network<T>& network);

}  // namespace densecore
