#include "derivatives/sample_gradients.h"

#include <algorithm>
#include <cmath>

#include "base/dtypes.h"

namespace densecore {
namespace {

constexpr index_t range_rows = 32;
// Rows that the workspace has room for at a time.
constexpr index_t block_rows = 1024;
// Memory for the rows of J that are made at once; `gemm_depth` rows may take more.
constexpr index_t block_bytes = index_t{1} << 21;
// Cost of an element of J in multiply-adds: it is computed and stored.
constexpr double element_work = 8;

template <class T, class U>
U* outer_product(MatrixView<const T> x, MatrixView<const T> delta, index_t i, U scale, bool bias,
                 U* out) {
  const T *const from = x.row(i), *const d = delta.row(i);
  const index_t units = delta.cols;
  for (index_t j = 0; j < x.cols; ++j, out += units) {
    const U factor = scale * static_cast<U>(from[j]);
    for (index_t u = 0; u < units; ++u) out[u] = factor * static_cast<U>(d[u]);
  }
  if (!bias) return out;
  for (index_t u = 0; u < units; ++u) out[u] = scale * static_cast<U>(d[u]);
  return out + units;
}

}  // namespace

template <class T>
RowGradients<T>::RowGradients(Network<T>& network, index_t rows, bool from_z, bool trained_only)
    : network_(network), from_z_(from_z), lowest_(network.lowest_) {
  if (!network.embedding_tables_.empty())
    throw std::invalid_argument("gradients of rows: found an embedding, wanted none");
  if (network.shared_)
    throw std::invalid_argument(
        "gradients of rows: found layers that share their parameters, wanted none");
  network.heads_.begin();
  network.start({});
  network.reserve(rows);
  Executor executor;
  network.transpose_weights(executor, rows, false);
  bool others = false;
  for (const auto& layer : network.layers_) {
    if (!network.others_.empty())
      layer->begin(network.pass_, network.parameters_->data(), MatrixView<const T>());
    column_.push_back(trained_only ? columns_ : layer->parameter_offset());
    if (layer->trainable || !trained_only) columns_ += layer->parameter_count();
    others = others || (layer->dense() == nullptr && layer->parameter_count() > 0);
  }
  if (others)
    rows_ = AlignedBuffer<T>(static_cast<std::size_t>(ranges(rows) * network.parameter_count_));
}

template <class T>
int RowGradients<T>::ranges(index_t rows) const {
  // A Python function gets all rows at once, in the calling thread.
  return network_.couples_in_pass_ ? 1 : static_cast<int>(divide_up(rows, range_rows));
}

template <class T>
Range RowGradients<T>::range(index_t rows, int number) const {
  if (network_.couples_in_pass_) return {0, rows};
  return {number * range_rows, std::min(rows, (number + 1) * range_rows)};
}

template <class T>
MatrixView<const T> RowGradients<T>::forward(MatrixView<const T> x, Range rows, void* scratch) {
  network_.forward_rows(x, rows.begin, rows.end, MatrixView<T>(), from_z_, scratch);
  return network_.workspace_.a(network_.layers_.size() - 1, rows.begin, rows.end);
}

template <class T>
MatrixView<T> RowGradients<T>::output_gradient(Range rows) {
  return network_.workspace_.gradient(network_.layers_.size() - 1, rows.begin, rows.end);
}

template <class T>
void RowGradients<T>::output_unit(Range rows, index_t unit) {
  const MatrixView<T> g = output_gradient(rows);
  for (index_t i = 0; i < g.rows; ++i) {
    std::fill_n(g.row(i), g.cols, T(0));
    g.row(i)[unit] = 1;
  }
}

template <class T>
template <class U>
void RowGradients<T>::backward(MatrixView<const T> x, Range rows, const double* scale,
                               MatrixView<U> out, int task, void* scratch) {
  Network<T>& n = network_;
  const index_t begin = rows.begin, end = rows.end;
  const auto factor = [&](index_t i) { return scale == nullptr ? U(1) : static_cast<U>(scale[i]); };
  for (std::size_t l = n.layers_.size(); l-- > lowest_;) {
    if (!n.visited(l, false)) continue;
    Layer<T>& layer = *n.layers_[l];
    const bool from_here = from_z_ && l + 1 == n.layers_.size();
    const MatrixView<T> delta = n.workspace_.gradient(l, begin, end);
    if (const Dense<T>* const dense = layer.dense()) {
      if (!from_here)
        dense->delta(n.workspace_.kept(l, begin, end), n.workspace_.a(l, begin, end),
                     dense->all_units(), delta, n.workspace_.slopes);
      if (layer.trainable) {
        const MatrixView<const T> input = n.input_of(l, x, begin, end);
        for (index_t i = begin; i < end; ++i)
          outer_product(input, MatrixView<const T>(delta), i - begin, factor(i), dense->use_bias(),
                        out.row(i) + column_[l]);
      }
      n.pass_down_dense(l, delta, begin, end, MatrixView<T>(), scratch);
    } else {
      if (layer.trainable && !from_here && layer.parameter_count() > 0) {
        T* const row = rows_.data() + task * n.parameter_count_;
        for (index_t i = begin; i < end; ++i) {
          layer.parameter_gradient(n.pass_, n.rows_of(l, x, i, i + 1),
                                   delta.slice(i - begin, i - begin + 1), false, row);
          const T* const from = row + layer.parameter_offset();
          U* const to = out.row(i) + column_[l];
          for (index_t j = 0; j < layer.parameter_count(); ++j)
            to[j] = factor(i) * static_cast<U>(from[j]);
        }
      }
      n.input_gradient_other(l, x, begin, end, from_here, MatrixView<T>());
    }
  }
}

namespace {

// rows(gradients, block, rows within it, task, scratch) for all rows of x; `passes`: backward
// passes of each.
template <class T, class Rows>
void by_blocks(Executor& executor, Network<T>& network, MatrixView<const T> x, index_t passes,
               bool from_z, Rows&& rows) {
  RowGradients<T> gradients(network, std::min(block_rows, x.rows), from_z, false);
  for (index_t begin = 0; begin < x.rows; begin += block_rows) {
    const Range block{begin, std::min(begin + block_rows, x.rows)};
    const double work =
        element_work * static_cast<double>(passes) * network.forward_work(block.size());
    executor.run(gradients.ranges(block.size()), work, [&](int task, void* scratch) {
      rows(gradients, block, gradients.range(block.size(), task), task, scratch);
    });
  }
}

}  // namespace

template <class T>
void sample_gradients(Executor& executor, Network<T>& network, const Objective<T>& objective,
                      MatrixView<const T> x, const Targets<T>& targets, MatrixView<T> out) {
  by_blocks(executor, network, x, 1, objective.fused(),
            [&](RowGradients<T>& gradients, Range block, Range rows, int task, void* scratch) {
              const MatrixView<const T> from = x.slice(block.begin, block.end);
              const auto a = gradients.forward(from, rows, scratch);
              objective.rows(a, targets.slice(block.begin + rows.begin, block.begin + rows.end),
                             objective.gradient_scale(1), gradients.output_gradient(rows));
              gradients.backward(from, rows, nullptr, out.slice(block.begin, block.end), task,
                                 scratch);
            });
}

template <class T>
void parameter_jacobian(Executor& executor, Network<T>& network, MatrixView<const T> x,
                        MatrixView<T> out) {
  const index_t outputs = network.outputs(), parameters = network.parameter_count();
  by_blocks(executor, network, x, outputs, false,
            [&](RowGradients<T>& gradients, Range block, Range rows, int task, void* scratch) {
              const MatrixView<const T> from = x.slice(block.begin, block.end);
              gradients.forward(from, rows, scratch);
              for (index_t u = 0; u < outputs; ++u) {
                gradients.output_unit(rows, u);
                gradients.backward(from, rows, nullptr,
                                   MatrixView<T>(out.row(block.begin * outputs + u), block.size(),
                                                 parameters, outputs * parameters),
                                   task, scratch);
              }
            });
}

template <class T>
index_t trained_columns(const Network<T>& network) {
  index_t columns = 0;
  for (const auto& layer : network.layers())
    if (layer->trainable) columns += layer->parameter_count();
  return columns;
}

template <class T>
double normal_equations(Executor& executor, Network<T>& network, MatrixView<const T> x,
                        const Targets<T>& targets, double* matrix, double* vector) {
  const index_t outputs = network.outputs(), columns = trained_columns(network);
  const index_t least = std::max<index_t>(1, gemm_depth / outputs);
  const index_t block =
      std::min(x.rows, std::max(least, block_bytes / static_cast<index_t>(sizeof(double)) /
                                           outputs / std::max<index_t>(1, columns)));
  RowGradients<T> gradients(network, block, false, true);
  AlignedBuffer<double> jacobian(static_cast<std::size_t>(block * outputs * columns));
  AlignedBuffer<double> residuals(static_cast<std::size_t>(block * outputs));
  AlignedBuffer<double> roots(static_cast<std::size_t>(block));
  const auto gemm = kernels_for(network.isa()).f64->gemm;
  // The threads share strips of the result; narrower strips would read J more often.
  const index_t strip = std::max<index_t>(24, divide_up(divide_up(columns, 12), 8) * 8);
  double sum = 0;
  for (index_t begin = 0; begin < x.rows; begin += block) {
    const index_t rows = std::min(block, x.rows - begin), depth = rows * outputs;
    const MatrixView<const T> from = x.slice(begin, begin + rows);
    const Targets<T> wanted = targets.slice(begin, begin + rows);
    executor.run(gradients.ranges(rows),
                 element_work * static_cast<double>(depth) * static_cast<double>(columns),
                 [&](int task, void* scratch) {
                   const Range range = gradients.range(rows, task);
                   const MatrixView<const T> a = gradients.forward(from, range, scratch);
                   for (index_t i = range.begin; i < range.end; ++i) {
                     const double root = wanted.weight == nullptr
                                             ? 1
                                             : std::sqrt(static_cast<double>(wanted.weight[i]));
                     roots.data()[i] = root;
                     for (index_t u = 0; u < outputs; ++u)
                       residuals.data()[i * outputs + u] =
                           root * (static_cast<double>(a.row(i - range.begin)[u]) -
                                   static_cast<double>(wanted.values.row(i)[u]));
                   }
                   for (index_t u = 0; u < outputs; ++u) {
                     gradients.output_unit(range, u);
                     gradients.backward(from, range, roots.data(),
                                        MatrixView<double>(jacobian.data() + u * columns, rows,
                                                           columns, outputs * columns),
                                        task, scratch);
                   }
                 });
    for (index_t i = 0; i < depth; ++i) sum += residuals.data()[i] * residuals.data()[i];
    executor.run(static_cast<int>(divide_up(columns, strip)),
                 0.5 * static_cast<double>(depth) * static_cast<double>(columns * columns),
                 [&](int task, void* scratch) {
                   const index_t i = task * strip, end = std::min(columns, i + strip);
                   const double* const a = jacobian.data() + i;  // J^T, by its strides
                   const auto room = static_cast<double*>(scratch);
                   gemm({end - i, end, depth, a, 1, columns, jacobian.data(), columns, 1, nullptr,
                         begin > 0, matrix + i * columns, columns, room});
                   gemm({end - i, 1, depth, a, 1, columns, residuals.data(), 1, 1, nullptr,
                         begin > 0, vector + i, 1, room});
                 });
  }
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                              \
  template class RowGradients<T>;                                                                  \
  template index_t trained_columns(const Network<T>&);                                             \
  template void RowGradients<T>::backward(MatrixView<const T>, Range, const double*,               \
                                          MatrixView<T>, int, void*);                              \
  template void sample_gradients(Executor&, Network<T>&, const Objective<T>&, MatrixView<const T>, \
                                 const Targets<T>&, MatrixView<T>);                                \
  template void parameter_jacobian(Executor&, Network<T>&, MatrixView<const T>, MatrixView<T>);    \
  template double normal_equations(Executor&, Network<T>&, MatrixView<const T>, const Targets<T>&, \
                                   double*, double*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
