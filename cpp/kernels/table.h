// All that the rest of the library knows of the kernels: one table of functions per ISA and dtype.
//
// Plain C structures only. Kernel objects are compiled with flags of their own, so a standard
// template instantiated here could be merged by the linker into baseline code and crash old CPUs.
//
// Matrices are row-major; `ld*` is the distance between rows in elements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtypes.h"

namespace densecore {

using index_t = std::ptrdiff_t;

// C[i][j] = start + sum over k of A[i][k] * B[k][j], for i < m, j < n, k < depth.
// A[i][k] lies at a[i * a_row + k * a_col] and B[k][j] at b[k * b_row + j * b_col]: both may be
// transposed matrices (b_row or b_col is 1). C is row-major. `start` is the old C when
// `accumulate`, else bias[j], else 0 (bias == nullptr).
// Every element is one chain of fused multiply-adds in increasing k, whatever the tile it falls
// in: the same bits for every split of m, n and (with accumulate) depth.
// With `rate` the product is a gradient that is not kept: C[i][j] -= rate * sum, as the update
// of plain SGD does it; `accumulate` is false, and depth at most gemm_depth. `scratch`:
// gemm_scratch_bytes of the calling thread's own, aligned to a cache line.
template <class T>
struct GemmArguments {
  index_t m, n, depth;
  const T* a;
  index_t a_row, a_col;
  const T* b;
  index_t b_row, b_col;
  const T* bias;
  bool accumulate;
  T* c;
  index_t ldc;
  T* scratch;
  const T* rate = nullptr;
};
constexpr index_t gemm_depth = 1024;
// Up to so many rows a product with a transposed B is as fast as with B itself.
constexpr index_t gemm_few_rows = 8;
constexpr std::size_t gemm_scratch_bytes = 2320 * 1024;

// A number that the user may choose, of an activation, a loss or an optimizer.
struct Hyperparameter {
  const char* name;
  double initial;
  // The values allowed: minimum <= value < maximum, or minimum < value when `open`.
  double minimum, maximum;
  bool open;
};

// a = f(z) and dz = g * f'(z) over a matrix. In place is allowed (a == z, dz == g).
// `z` may be null in `backward` unless the activation needs its input. `parameters` are the values
// for the entry's list, null when that is empty.
template <class T>
struct ActivationEntry {
  const char* name;
  const Hyperparameter* parameters;
  int parameter_count;
  bool needs_input;  // the derivative cannot be written in terms of the output alone
  bool row_wise;     // an output depends on its whole row (softmax)
  bool identity;     // nothing to compute
  bool single_rows;  // the kernels of single rows have it (row-wise ones: as the last layer's)
  void (*forward)(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda,
                  const double* parameters);
  void (*backward)(index_t rows, index_t cols, const T* z, index_t ldz, const T* a, index_t lda,
                   const T* g, index_t ldg, T* dz, index_t lddz, const double* parameters);
  // The same over n elements, whole vectors: of `lanes`, and of `short_lanes` elements. Null for
  // row-wise ones. `derive` turns g into dz. Where that is g f'(z), `activate_and_derive` puts
  // f'(z) in the place of z; there is one of the two.
  void (*activate[2])(index_t n, const T* z, T* a, const double* parameters);
  void (*activate_and_derive[2])(index_t n, T* z, T* a, const double* parameters);
  void (*derive[2])(index_t n, const T* z, const T* a, T* g, const double* parameters);
};

// The loss of `rows` rows, and its gradient where `gradient` is not null:
//   returns      sum over r of weight[r] * loss(r)     (weight 1 when null)
//   gradient[r]  scale * weight[r] * d loss(r) / d output[r]
// `output` is what the loss is taken of: the network's output, or, in the fused form, the input of
// its last activation. Targets are `values`, or class numbers in `labels`. `parameters` are the
// values for the entry's list.
template <class T>
struct LossArguments {
  index_t rows, cols;
  const T* output;
  index_t ld_output;
  const T* values;
  index_t ld_values;
  const std::int32_t* labels;
  const T* weight;
  double scale;
  T* gradient;
  index_t ld_gradient;
  const double* parameters;
  int parameter_count;
  // Rows of `output` and `gradient` have room for whole vectors, which may be read and written
  // beyond `cols`.
  bool whole = false;
};

// Targets: a value per output, one class number, a value per group of outputs (as many as there are
// parameters: one quantile each), or a value per two outputs (a distribution's two parameters).
enum class TargetKind { values, labels, quantiles, pairs };

template <class T>
struct LossEntry {
  const char* name;
  const Hyperparameter* parameters;
  int parameter_count;
  TargetKind targets;
  bool averaged;     // a row's loss is a mean over its outputs (targets, for pairs), not a sum
  const char* link;  // the activation that `fused` also computes, or null
  double (*plain)(const LossArguments<T>&);
  double (*fused)(const LossArguments<T>&);
  // The range that targets must be in; where a loss has no minimum outside, or means nothing.
  double lowest_target, highest_target;
};

constexpr int max_optimizer_scalars = 8;
constexpr int max_optimizer_states = 4;

// How an optimizer's step of a whole array (a kernel, a bias) follows from what `update` computes.
enum class ArrayStep {
  none,         // `update` is the step
  trust_ratio,  // `update` gives a direction; the step has a length in proportion to the array's
  factored,     // the same; of a matrix the mean squares are a product of its rows' and columns'
};

// One update of `n` parameters, element by element, so any split of n gives the same bits.
template <class T>
struct OptimizerEntry {
  const char* name;
  const Hyperparameter* hyperparameters;
  int hyperparameter_count;
  bool descent;               // p -= scalars[0] * g: see GemmArguments::rate
  const char* const* states;  // names of the arrays that it keeps per parameter
  int state_count;
  double (*initial_state)(const double* hyperparameters, int state);
  // The numbers that all parameters share in step number `step` (1, 2, ...), in double precision.
  void (*prepare)(const double* hyperparameters, std::int64_t step, double* scalars);
  // With an array step it writes a direction where the parameters would be, and does not read them.
  void (*update)(index_t n, const double* scalars, T* parameter, const T* gradient,
                 T* const* state);
  ArrayStep array_step;
};

// A dense layer with all that it works on, for the rows of a batch at once. z, a and delta are
// (rows, ld) with ld a multiple of the vector's length that `units` take (see short_lanes), below
// and the transposed weights the same for the inputs. What is written there beyond the columns
// means nothing.
template <class T>
struct SmallLayer {
  index_t inputs, units;
  const T* x;
  index_t ld_x;
  bool whole_x;            // rows of x have room for whole vectors
  const T *weight, *bias;  // bias null: none
  T *z, *a;                // may be the same
  index_t ld;
  T* delta;             // dC/da; then dC/dz
  const T* transposed;  // W^T, in memory of its own; (units rounded up to whole vectors, ld_below)
  T* below;             // dC/dx, unless null
  index_t ld_below;
  T *weight_gradient, *bias_gradient;  // unless null
  // The activation's, or null. After `activate_and_derive`, `derive` only multiplies by f'(z).
  void (*activate)(index_t n, const T* z, T* a, const double* parameters);
  void (*activate_and_derive)(index_t n, T* z, T* a, const double* parameters);
  void (*derive)(index_t n, const T* z, const T* a, T* g, const double* parameters);
  const double* parameters;
  // The following is set by small_choose.
  void (*transpose)(const SmallLayer&);
  void (*multiply)(const SmallLayer&, index_t rows);
  void (*multiply_back)(const SmallLayer&, index_t rows);
  void (*sum_gradients)(const SmallLayer&, index_t rows);
  index_t tight, tail;
};

// A layer for the kernels of single rows.
struct RowLayer {
  index_t inputs, units;
  index_t weight, bias;  // offsets into the parameters; bias -1: none
  int activation;        // index in the table
};

// Steps on single rows, for networks of at most `tiny_layers` dense layers of at most `lanes` units
// each with element-wise activations (the last one's may be part of the loss: `from_z`).
constexpr int tiny_layers = 8;
constexpr index_t tiny_inputs = 64;

// The parts of a layer that a RowLayer lacks.
template <class T>
struct TinyExtra {
  const ActivationEntry<T>* activation;  // null for those that the kernel has inlined
  const double* parameters;              // the activation's
  const T* factors;                      // (steps, units) that dropout multiplies with, or null
  double l1[2], l2[2];                   // penalties of the weights and of the biases
};

// A step's update when it is more than p -= rate * g.
template <class T>
struct TinyUpdate {
  const OptimizerEntry<T>* rule;
  const double* hyperparameters;
  std::int64_t first;               // number of the first step, counted from 1
  T* states[max_optimizer_states];  // each as the parameters
  double weight_decay;
  double clipvalue, clipnorm, global_clipnorm;  // 0: none
  bool penalized;
  double penalty_factor;  // of the penalties, in the gradient
  double penalty_share;   // and in the loss
};

template <class T>
struct TinyTraining {
  const RowLayer* layers;
  const TinyExtra<T>* extras;
  int layer_count;
  T* parameters;
  T* gradients;  // those of the last step
  // Step i takes row order[i] of x and of the targets (row i without an order).
  index_t steps;
  const index_t* order;
  const T* x;
  index_t ldx;
  const T* values;
  index_t ld_values;
  const std::int32_t* labels;
  const T* weight;
  double (*loss)(const LossArguments<T>&);
  bool from_z;   // the loss takes the last z instead of a
  double scale;  // of every row's gradient
  const double* loss_parameters;
  int loss_parameter_count;
  const double* rates;          // the learning rate of each step
  const TinyUpdate<T>* update;  // null: p -= rate * g
  double* total_loss;           // += the losses
  T* outputs;                   // (steps, units) what the loss took, or null
  T* scratch;                   // gemm_scratch_bytes
};

// Steps on single rows of as many networks as a vector has lanes, of one architecture: layers of at
// most `lane_units` units with inlined activations, at most `tiny_layers` of them, `tiny_inputs`
// inputs. Arrays (count, lanes) have the networks' numbers side by side. Every network's numbers
// have the bits of its own training.
constexpr index_t lane_units = 16;

// The first is taken of a, the others, fused with their activation, of z.
enum class LaneLoss { squared, binary, categorical, sparse };
// The update rules that it has, and how many arrays of state they keep.
enum class LaneUpdate { sgd, adam };
constexpr int lane_states = 2;

template <class T>
struct LaneTraining {
  const RowLayer* layers;
  int layer_count;
  T* parameters;           // (parameters, lanes), updated
  T* states[lane_states];  // the same, of the update rule
  LaneUpdate update;
  // `prepare`'s numbers for step i and lane l: scalars[i * scalars_step + k * lanes + l].
  const T* scalars;
  index_t scalars_step;
  index_t steps;
  // `shared`: row i of x is every network's, else x is (steps, inputs, lanes); and so the targets,
  // class numbers (steps,) or (steps, lanes).
  bool shared;
  const T* x;
  index_t ldx;
  const T* values;
  index_t ld_values;
  const std::int32_t* labels;
  LaneLoss loss;
  double scale;        // of every row's gradient
  double share;        // of a mean over the outputs: 1 / outputs, else 1
  double* total_loss;  // (lanes,) += the losses
  T* scratch;          // lane_scratch elements per lane
};
// The inputs, the targets, each layer's outputs, and the gradients of two layers.
constexpr index_t lane_scratch = tiny_inputs + lane_units * (tiny_layers + 3);

// One row through layers of at most 4 vectors (`lanes` each) of units. `last_by_row`: the last
// activation when it takes whole rows, else null.
constexpr index_t row_units = 64;

template <class T>
struct RowPrediction {
  const RowLayer* layers;
  int layer_count;
  const T* parameters;
  const T* x;
  void (*last_by_row)(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda,
                      const double* parameters);
  T* out;
};

// A mathematical function by itself: out[i] = f(in[i]). Tests of its accuracy go through here.
template <class T>
struct FunctionEntry {
  const char* name;
  void (*apply)(index_t n, const T* in, T* out);
};

// The machine's peak speed, for benchmarks to compare with; `out` has `lanes` elements.
template <class T>
struct PeakEntry {
  // Multiply-adds in registers; returns how many it did.
  index_t (*multiply_adds)(index_t repeats, T* out);
  // Memory read in order, and memory read and written back.
  void (*read_all)(index_t n, const T* in, T* out);
  void (*rewrite_all)(index_t n, T* x);
};

// How a row x is normalised: (x - mean) / sqrt(sum of (x - mean)^2 / count + epsilon), where the
// mean is 0 unless `centered`.
struct RowRule {
  double epsilon, count;
  bool centered;
};

// Normalisation of columns and of rows. Vectors over columns have `cols` elements.
template <class T>
struct NormalizationKernels {
  // out[j] = (accumulate ? out[j] : 0) + sum over i of a[i][j] * b[i][j]
  void (*column_product_sum)(index_t rows, index_t cols, const T* a, index_t lda, const T* b,
                             index_t ldb, bool accumulate, T* out);
  // out[j] = sum over i of (x[i][j] - mean[j])^2
  void (*column_squares)(index_t rows, index_t cols, const T* x, index_t ldx, const T* mean,
                         T* out);
  // normalized = (x - mean) * inverse, kept unless null; y = normalized * gamma + beta
  void (*columns)(index_t rows, index_t cols, const T* x, index_t ldx, const T* mean,
                  const T* inverse, const T* gamma, const T* beta, T* normalized, index_t ldn, T* y,
                  index_t ldy);
  // dx = factor * (g - mean_g - normalized * mean_gn)
  void (*columns_gradient)(index_t rows, index_t cols, const T* g, index_t ldg, const T* normalized,
                           index_t ldn, const T* factor, const T* mean_g, const T* mean_gn, T* dx,
                           index_t lddx);
  // The same over each row, by what the rule makes of the row; `normalized` has a column more, for
  // the inverse of the deviation.
  void (*rows)(index_t rows, index_t cols, const RowRule& rule, const T* x, index_t ldx,
               const T* gamma, const T* beta, T* normalized, index_t ldn, T* y, index_t ldy);
  void (*rows_gradient)(index_t rows, index_t cols, const RowRule& rule, const T* g, index_t ldg,
                        const T* gamma, const T* normalized, index_t ldn, T* dx, index_t lddx);
};

// 16 random bits for each element of some rows, of Philox's blocks under this key (base/philox.h).
struct DropNumbers {
  std::uint64_t key[2];
  std::uint64_t counter[4];  // of the first row's first block; then block and row are counted in
                             // the first two
  std::uint32_t kept;        // of 2^16 numbers so many keep their element: 1 to 2^16
};

// Element by element.
template <class T>
struct ElementwiseKernels {
  // out = factor where a random number is below `kept`, else 0
  void (*drop)(const DropNumbers& numbers, index_t rows, index_t cols, T factor, T* out,
               index_t ld);
  // out = a * b and out = a + b; out may be either.
  void (*multiply)(index_t rows, index_t cols, const T* a, index_t lda, const T* b, index_t ldb,
                   T* out, index_t ldo);
  void (*sum)(index_t rows, index_t cols, const T* a, index_t lda, const T* b, index_t ldb, T* out,
              index_t ldo);
  // Whether all are low .. high, two finite numbers; a NaN is not.
  bool (*all_inside)(index_t n, const T* x, T low, T high);
};

// Columns of a periodic embedding, the frequencies and the outputs of each.
struct PeriodicShape {
  index_t columns, frequencies, units;
};

// Column x becomes x and further outputs sum over f of v[k][f] cos(2 pi w[f] x + b[f]) + c[k]. The
// arrays p of parameters and `out` of their gradients: w and b (columns, frequencies), v (columns,
// units - 1, frequencies), c (columns, units - 1).
template <class T>
struct PeriodicKernels {
  // `kept` (rows, 2 columns frequencies): what the gradients need.
  void (*forward)(index_t rows, const PeriodicShape& shape, const T* x, index_t ldx,
                  const T* const* p, T* kept, index_t ldk, T* a, index_t lda);
  void (*gradient)(index_t rows, const PeriodicShape& shape, const T* x, index_t ldx,
                   const T* const* p, const T* kept, index_t ldk, const T* g, index_t ldg,
                   bool accumulate, T* const* out);
  void (*input_gradient)(index_t rows, const PeriodicShape& shape, const T* const* p, const T* kept,
                         index_t ldk, const T* g, index_t ldg, T* dx, index_t lddx);
};

// Functions of gradients and parameters besides an optimizer's update.
template <class T>
struct GradientKernels {
  double (*sum_of_squares)(index_t n, const T* x);
  double (*sum_of_magnitudes)(index_t n, const T* x);
  // g += the gradient of l1 |x| + l2 x^2
  void (*add_penalty)(index_t n, const T* x, double l1, double l2, T* g);
  void (*scale)(index_t n, double factor, T* x);
  // To -limit .. limit.
  void (*clip)(index_t n, double limit, T* x);
  // mean = momentum * mean + (1 - momentum) * x
  void (*average)(index_t n, double momentum, const T* x, T* mean);
};

template <class T>
struct KernelTable {
  int lanes;        // elements per vector register
  int short_lanes;  // of the vectors that rows of no more elements take in small layers
  void (*gemm)(const GemmArguments<T>&);
  void (*small_choose)(SmallLayer<T>&);
  // `kept`: with all that `small_backward` wants.
  void (*small_forward)(const SmallLayer<T>* layers, index_t count, index_t rows, bool kept);
  void (*small_backward)(const SmallLayer<T>* layers, index_t count, index_t rows);
  void (*tiny_train)(const TinyTraining<T>&);
  void (*lane_train)(const LaneTraining<T>&);  // null where a vector is one number
  void (*predict_row)(const RowPrediction<T>&);
  index_t row_units;  // the widest layer that predict_row takes
  // out[j][i] = in[i][j]
  void (*transpose)(index_t rows, index_t cols, const T* in, index_t ld_in, T* out, index_t ld_out);
  // out[j] = (accumulate ? out[j] : 0) + the sum of column j, in an order that depends on the
  // number of rows only
  void (*column_sum)(index_t rows, index_t cols, const T* in, index_t ld, bool accumulate, T* out);
  // out[i] += in[i]
  void (*add)(index_t n, const T* in, T* out);
  const ActivationEntry<T>* activations;
  int activation_count;
  const LossEntry<T>* losses;
  int loss_count;
  const OptimizerEntry<T>* optimizers;
  int optimizer_count;
  const FunctionEntry<T>* functions;
  int function_count;
  NormalizationKernels<T> normalization;
  ElementwiseKernels<T> elementwise;
  PeriodicKernels<T> periodic;
  GradientKernels<T> gradients;
  PeakEntry<T> peak;
};

struct KernelTables {
  const char* isa;
#define DENSECORE_FIELD(T, NAME, field, dtype) const KernelTable<T>* field;
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_FIELD)
#undef DENSECORE_FIELD
};

}  // namespace densecore
