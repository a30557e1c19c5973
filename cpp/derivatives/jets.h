// Derivatives along a line, and their backward pass.
//
// The forward pass computes with every array v also v1 = dv/ds and v2 = d2v/ds2 along the line
// s -> (x + s direction, parameters + s tangent): Taylor-mode differentiation (Griewank & Walther,
// Evaluating Derivatives, 2008, ch. 13). The backward pass computes the gradient of C from dC/dv,
// dC/dv1 and dC/dv2 of the outputs. With C = sum of l'(v) v1 that is the Hessian times the tangent
// (Pearlmutter, Fast exact multiplication by the Hessian, 1994).
//
// As in training, gradients are sums over leaves, whose number follows from the shape alone.
#pragma once

#include <array>
#include <vector>

#include "derivatives/jet_rules.h"
#include "kernels/activation_derivatives.h"
#include "network/network.h"

namespace densecore {

template <class T>
class Jets {
 public:
  static constexpr int max_order = 2;
  // Values, first and second derivatives.
  using Views = std::array<MatrixView<T>, max_order + 1>;
  using ConstViews = std::array<MatrixView<const T>, max_order + 1>;

  // The network in prediction mode; `order` is 1 or 2. `direction` (rows, inputs) may be empty and
  // `tangent` (parameters) null; of the tangent only layers that are trained count. With
  // `stop_at_z` the outputs are the last layer's z. Throws std::invalid_argument for a layer or an
  // activation whose second derivatives are not known, and lists the known ones.
  void forward(Executor& executor, const Network<T>& network, int order, MatrixView<const T> x,
               MatrixView<const T> direction, const T* tangent, bool stop_at_z);
  // Whether there was a pass; it may have had no rows.
  bool has_pass() const { return rows_ != no_pass; }
  index_t rows() const { return rows_; }
  int order() const { return order_; }
  // The k-th derivative of the outputs in the last pass.
  MatrixView<const T> output(int k) const;
  // From dC/d(output k), where an empty view stands for zeros, into `gradients` (parameters) and,
  // unless that is empty, into `dx`.
  void backward(Executor& executor, const Network<T>& network, const ConstViews& grad, T* gradients,
                MatrixView<T> dx);

 private:
  using Buffers = std::array<AlignedBuffer<T>, max_order + 1>;
  struct Step {
    const Layer<T>* layer = nullptr;
    JetRule<T> rule;
    rules::Scale<T> scale{};  // of the rules `columns` and `rows`
    // The activation: element by element by `derivatives`, or softmax when that is null.
    const ActivationFunction<T>* function = nullptr;
    ActivationDerivatives<T> derivatives = nullptr;
    // The input of the function; normalised rows; of a sum, gradients for its other summand.
    Buffers z;
    Buffers slope;  // f', f'', f'''

    bool normalizes() const { return rule.kind == JetKind::columns || rule.kind == JetKind::rows; }
    std::size_t from = 0;  // of a sum in a stack: which layer's input is the other summand
    std::vector<Source> sources;
  };

  Step step_of(const Network<T>& network, std::size_t l, bool stop_at_z) const;
  void prepare(const Network<T>& network, index_t rows, bool stop_at_z);
  void forward_rows(const Network<T>& network, Range rows, void* scratch);
  void affine(const Network<T>& network, const Step& step, const Views& x, const Views& z,
              void* scratch) const;
  void backward_rows(const Network<T>& network, int order, Range rows, T* gradients,
                     MatrixView<T> dx, void* scratch);
  void backward_affine(const Network<T>& network, const Step& step, int order, const Views& x,
                       const Views& g, const Views& below, bool added, T* gradients,
                       void* scratch) const;
  // Some rows of arrays without gaps between the rows.
  Views views(Buffers& buffers, index_t cols, Range rows) const;
  Views inputs_of(std::size_t l, Range rows);
  Views gradient(std::size_t l, Range rows);
  // In a graph: an input of a layer, and the gradient by it.
  Views taken(const Source& source, Range rows);
  Views gradient_of(const Source& source, Range rows);
  // The inputs of a layer that merges, into a; the gradients by them, from g.
  void merge(const Step& step, Range rows, const Views& a);
  void merge_back(const Step& step, int order, Range rows, const Views& g);

  static constexpr index_t no_pass = -1;

  index_t rows_ = no_pass, widest_ = 0;
  int order_ = 0;
  std::vector<T> tangent_;   // empty: none
  std::vector<Step> steps_;  // one per layer
  std::vector<index_t> cols_;
  std::vector<Buffers> arrays_;    // arrays_[l] is layer l's input, the last one the outputs
  int input_order_ = 0;            // products skip higher derivatives of the input, which are zero
  std::size_t lowest_ = 0;         // the first layer that is trained
  bool stack_ = true;              // see Graph::stack
  std::vector<Buffers> gradient_;  // two, by turns; of a graph one for each array
  AlignedBuffer<T> partials_;
};

}  // namespace densecore
