// A network with its optimizer and metrics, on NumPy arrays.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/batch_arrays.h"
#include "bindings/epoch_observer.h"
#include "bindings/forward_passes.h"
#include "bindings/kernels_of.h"
#include "bindings/loop_steps.h"
#include "bindings/metric.h"
#include "bindings/network_derivatives.h"
#include "bindings/row_source.h"
#include "bindings/settings.h"
#include "bindings/shared_steps.h"
#include "bindings/specs.h"
#include "bindings/usual_step.h"
#include "network/whole_buffers.h"
#include "training/predict_rows.h"
#include "training/trainer.h"

namespace densecore::bindings {

// How many rows of an epoch are done: written by `fit`, read by any thread at any time.
struct RowsDone : CoreObject {
  index_t count() const { return rows.load(std::memory_order_relaxed); }

  std::atomic<index_t> rows{0};
};

template <class T>
class PyNetwork : public TypedObject<T>,
                  public OpenPasses<T>,
                  public NetworkDerivatives<T, PyNetwork<T>>,
                  public LoopSteps<T, PyNetwork<T>>,
                  public SharedSteps<T, PyNetwork<T>>,
                  public UsualSteps<T, PyNetwork<T>> {
  friend class LoopSteps<T, PyNetwork<T>>;
  friend class SharedSteps<T, PyNetwork<T>>;
  friend class UsualSteps<T, PyNetwork<T>>;
  using Base = OpenPasses<T>;
  using Base::discard_pass, Base::discard_passes, Base::mark_, Base::network_, Base::output,
      Base::run;

 public:
  PyNetwork(index_t inputs, const std::vector<py::dict>& layers, const py::object& isa) {
    network_ = std::make_shared<Network<T>>(kernels_of(isa), network_spec_of(inputs, layers));
  }

  std::string isa() const { return network_->isa(); }
  index_t parameter_count() const { return network_->parameter_count(); }
  // The following is refused while another thread uses the network: it would read a mixture of two
  // steps, or change a step that is being made.
  py::array parameters() const {
    mark_.check_readable();
    return view_of<T>(network_->parameters(), 0, {network_->parameter_count()});
  }
  py::array gradients() const {
    mark_.check_readable();
    return view_of<T>(network_->gradients(), 0, {network_->parameter_count()});
  }
  py::array gradient_slots() const {
    mark_.check_readable();
    return view_of<T>(network_->gradients(), network_->parameter_count(),
                      {Network<T>::spare_slots});
  }
  // Of layer l: its parameters, their gradients and its other arrays, by name.
  py::tuple layer_views(std::size_t l) const {
    mark_.check_readable();
    const Layer<T>& layer = *network_->layers().at(l);
    py::dict parameters, gradients, states;
    for (const ParameterBlock& block : layer.parameters()) {
      const auto view = [&](const std::shared_ptr<AlignedBuffer<T>>& buffer) {
        if (block.rows == 0) return view_of<T>(buffer, block.offset, {block.cols});
        return view_of<T>(buffer, block.offset, {block.rows, block.cols});
      };
      parameters[block.name] = view(network_->parameters());
      gradients[block.name] = view(network_->gradients());
    }
    for (const StateBlock<T>& block : layer.states())
      states[block.name] = view_of<T>(block.values, 0, {layer.units()});
    return py::make_tuple(parameters, gradients, states);
  }
  std::uint64_t seed() const {
    mark_.check_readable();
    return network_->seed;
  }
  void set_seed(std::uint64_t seed) {
    mark_.check_free();
    network_->seed = seed;
    if (trainer_) trainer_->set_seed(seed);
  }
  std::uint64_t open_passes() const {
    mark_.check_readable();
    return network_->open_passes;
  }
  void set_open_passes(std::uint64_t count) {
    mark_.check_free();
    network_->open_passes = count;
  }
  void set_trainable(std::size_t l, bool trainable) {
    const InUse in_use(mark_);
    discard_passes();
    network_->layers().at(l);
    network_->set_trainable(l, trainable);
  }
  // See `or_by_model` in vectorcall_methods.h.
  py::object by_model = py::none();
  py::object get_model() const { return by_model; }
  void set_model(const py::object& model) { by_model = model; }
  // Of the layer's weights.
  void set_penalty(std::size_t l, double l1, double l2) {
    const InUse in_use(mark_);
    network_->layers().at(l);
    network_->set_penalty(l, 0, {l1, l2});
  }
  void set_function(std::size_t l, py::function forward, py::function derivative) {
    const InUse in_use(mark_);
    bindings::set_function(*network_, l, std::move(forward), std::move(derivative));
  }

  // The random numbers (rows, units) that a layer uses in training step number `step`: the factors
  // of dropout.
  py::array random_numbers(std::size_t l, std::uint64_t step, index_t rows) const {
    const Layer<T>& layer = *network_->layers().at(l);
    py::array_t<T> numbers({rows, layer.units()});
    layer.random_rows({true, network_->seed, step},
                      MatrixView<T>(numbers.mutable_data(), rows, layer.units()));
    return numbers;
  }

  void compile(const std::string& loss, const std::string& reduction, const PySettings& optimizer,
               const py::list& metric_specs, std::uint64_t seed, bool from_logits,
               const std::vector<double>& loss_parameters) {
    const InUse in_use(mark_);
    const NetworkSpec& spec = network_->spec();
    const Objective<T> objective(network_->table(), loss, reduction_of(reduction),
                                 spec.last_activation(), spec.outputs(), from_logits,
                                 loss_parameters);
    trainer_ = std::make_shared<Trainer<T>>(
        network_, objective, optimizer.settings,
        metrics_of(metric_specs, network_->table(), objective, spec.outputs()), seed);
  }

  // A loss for each of several outputs.
  void compile_heads(const std::vector<py::dict>& heads, const PySettings& optimizer,
                     const py::list& metric_specs, std::uint64_t seed) {
    const InUse in_use(mark_);
    const Objective<T> objective =
        objective_of_heads<T>(network_->table(), network_->spec(), heads);
    std::vector<Metric<T>> metrics;
    for (const py::handle description : metric_specs)
      metrics.push_back(metric_of_head(description, network_->table(), objective.heads()));
    trainer_ = std::make_shared<Trainer<T>>(network_, objective, optimizer.settings,
                                            std::move(metrics), seed);
  }

  py::dict optimizer_states() {
    mark_.check_readable();
    Trainer<T>& t = trainer();
    py::dict views;
    const index_t count = network_->parameter_count();
    index_t offset = 0;
    for (const std::string& name : optimizer_state_names(*t.optimizer().settings())) {
      views[py::str(name)] = view_of<T>(t.optimizer().states(), offset, {count});
      offset += count;
    }
    return views;
  }
  std::int64_t steps() {
    mark_.check_readable();
    return trainer().optimizer().steps;
  }
  void set_steps(std::int64_t steps) {
    mark_.check_free();
    trainer().optimizer().steps = steps;
  }
  std::int64_t epochs() {
    mark_.check_readable();
    return trainer().epochs;
  }
  void set_epochs(std::int64_t epochs) {
    mark_.check_free();
    trainer().epochs = epochs;
  }

  // Rows that must be made first, a block at a time.
  py::object predict_source(const RowSource<T>& source) {
    check_columns(*network_, source);
    const py::object result = output(py::none(), source.rows(), network_->outputs());
    const auto out_view = output_matrix<T>("out", result, source.rows(), network_->outputs());
    const InUse in_use(mark_);
    discard_pass();
    run(2 * released_work,
        [&](Executor& executor) { predict_rows(executor, *network_, source, out_view); });
    return result;
  }

  py::object predict(const py::object& x, const py::object& out) {
    if (const RowSource<T>* source = row_source<T>(x)) return predict_source(*source);
    const auto x_view = input_matrix<T>("x", x, any, network_->inputs());
    const py::object result = output(out, x_view.rows, network_->outputs());
    const auto out_view = output_matrix<T>("out", result, x_view.rows, network_->outputs());
    if (!out.is_none()) {
      refuse_overlap("out", out_view, "x", x_view);
      refuse_parameters(out_view, *network_->parameters());
    }
    const InUse in_use(mark_);
    discard_pass();
    run(network_->forward_work(x_view.rows),
        [&](Executor& executor) { network_->predict(executor, x_view, out_view); });
    return result;
  }

  double penalty() const {
    mark_.check_readable();
    return network_->penalized() ? network_->penalty() : 0;
  }

  double loss_and_gradients(const py::object& x, const py::object& y, const py::object& weight) {
    Trainer<T>& t = trainer();
    const InUse in_use(mark_);
    const Data<T> batch = batch_of(x, y, weight, labels_);
    discard_pass();
    LossSum sum;
    run(3 * network_->forward_work(batch.x.rows), [&](Executor& executor) {
      sum = network_->gradient(executor, t.objective(), batch.x, batch.targets,
                               static_cast<std::uint64_t>(t.optimizer().steps));
    });
    return sum.loss / t.objective().divisor(sum.weight);
  }

  void apply_gradients() {
    Trainer<T>& t = trainer();
    const InUse in_use(mark_);
    discard_passes();
    run(8.0 * static_cast<double>(network_->parameter_count()),
        [&](Executor& executor) { t.apply_gradients(executor); });
  }

  // See network/whole_buffers.h.
  bool blend(PyNetwork& other, double tau) {
    const InUse in_use(mark_), others(other.mark_);
    if (!same_arrays(*network_, *other.network_)) return false;
    discard_passes();
    densecore::blend(*network_, *other.network_, tau);
    return true;
  }
  void add_noise(double deviation, std::uint64_t seed) {
    const InUse in_use(mark_);
    discard_passes();
    densecore::add_noise(*network_, deviation, seed);
  }
  double clip_gradients(double most_norm, double most) {
    const InUse in_use(mark_);
    return densecore::clip_gradients(*network_, most_norm, most);
  }

  // Parameters become their average, where the optimizer keeps one.
  void finish_training() {
    Trainer<T>& t = trainer();
    const InUse in_use(mark_);
    discard_passes();
    t.optimizer().finish(network_->parameters()->data(), network_->trained());
  }

  // For bound steps: arrays are checked once, then used at each call.
  const std::shared_ptr<Trainer<T>>& bound_trainer() {
    trainer();
    return trainer_;
  }
  Data<T> batch_of(const py::object& x, const py::object& y, const py::object& weight,
                   std::vector<std::int32_t>& labels) {
    return bindings::batch_of(*network_, trainer().objective(), x, y, weight, labels);
  }
  // For a caller that holds `InUse` already.
  UseMark& mark() { return mark_; }
  double train_on(const InUse&, const Data<T>& batch, std::int64_t steps) {
    discard_passes();
    double loss = 0;
    run(3 * network_->forward_work(batch.x.rows) * static_cast<double>(steps),
        [&](Executor& executor) { loss = trainer_->train_on_batch(executor, batch, steps); });
    return loss;
  }
  void predict_into(const InUse&, MatrixView<const T> x, MatrixView<T> out) {
    discard_pass();
    run(network_->forward_work(x.rows),
        [&](Executor& executor) { network_->predict(executor, x, out); });
  }
  Network<T>& network() { return *network_; }
  const Network<T>& network() const { return *network_; }
  // For NetworkDerivatives: the network is busy, and forgets an open forward pass.
  template <class Body>
  void use(double work, Body&& body) {
    const InUse in_use(mark_);
    discard_pass();
    run(work, body);
  }
  index_t inputs() const { return network_->inputs(); }
  index_t outputs() const { return network_->outputs(); }

  double train_on_batch(const py::object& x, const py::object& y, const py::object& weight) {
    const InUse in_use(mark_);
    return train_on(in_use, batch_of(x, y, weight, labels_), 1);
  }

  // Appends to `results` a list with each epoch's value for each number: loss and metrics, then
  // those of the validation rows; also when an exception ends the training early. `row_order` is
  // None or an array (rows,), which a hook may write before the epoch begins.
  void fit(const py::object& x, const py::object& y, const py::object& weight,
           const py::object& validation, std::int64_t epochs, index_t batch_size, bool shuffle,
           py::list results, py::object epoch_begin, py::object epoch_end,
           const py::object& row_order, double penalty_weight, RowsDone* rows_done) {
    const Objective<T>& objective = trainer().objective();
    const std::shared_ptr<Trainer<T>> kept = trainer_;
    std::vector<std::int32_t> labels, validation_labels;
    BorrowedArrays arrays;
    InUse in_use(mark_);
    const Data<T> training = data_of(*network_, objective, x, y, weight, labels, true);
    borrow<T>(arrays, x, y, weight);
    std::optional<Data<T>> held_out;
    if (!validation.is_none()) {
      const auto parts = validation.cast<py::tuple>();
      if (parts.size() != 3)
        throw std::invalid_argument("validation: found a tuple of " + std::to_string(parts.size()) +
                                    ", wanted (x, y, sample_weight)");
      held_out =
          data_of(*network_, objective, parts[0], parts[1], parts[2], validation_labels, true);
      borrow<T>(arrays, parts[0], parts[1], parts[2]);
    }
    if (training.x.rows == 0) throw std::invalid_argument("x: found no rows, wanted at least one");
    const std::int64_t* const order =
        row_order.is_none() ? nullptr
                            : input_vector<std::int64_t>("row_order", row_order, training.x.rows);
    arrays.add("row_order", row_order);
    FitOptions options{epochs, batch_size, shuffle, order};
    options.penalty_weight = penalty_weight;
    if (rows_done != nullptr) options.rows_done = &rows_done->rows;
    discard_passes();
    PythonObserver observer({std::move(epoch_begin), std::move(epoch_end)}, in_use);
    const auto report = [&] {
      discard_passes();  // those that callbacks have made
      for (const std::vector<double>& column : observer.columns) results.append(list_of(column));
    };
    try {
      run(2 * released_work, [&](Executor& executor) {
        kept->fit(executor, training, held_out ? &*held_out : nullptr, options, observer);
      });
    } catch (...) {
      report();
      throw;
    }
    report();
  }

  std::vector<double> evaluate(const py::object& x, const py::object& y, const py::object& weight) {
    Trainer<T>& t = trainer();
    std::vector<std::int32_t> labels;
    BorrowedArrays arrays;
    const InUse in_use(mark_);
    const Data<T> all = data_of(*network_, t.objective(), x, y, weight, labels, true);
    borrow<T>(arrays, x, y, weight);
    discard_pass();
    std::vector<double> results;
    run(2 * released_work,
        [&](Executor& executor) { results = t.evaluate(executor, all, all.x.rows); });
    return results;
  }

 private:
  Trainer<T>& trainer() {
    if (!trainer_)
      throw std::runtime_error("the model is not compiled: call compile(optimizer=..., loss=...)");
    return *trainer_;
  }
  // Shared with a running `fit`, whose hooks may compile the model anew.
  std::shared_ptr<Trainer<T>> trainer_;
  std::vector<std::int32_t> labels_;
};

// bind_derivatives.cc
template <class T>
void register_derivatives(const py::handle& network);
// bind_parts.cc
void register_parts(const py::handle& network);

}  // namespace densecore::bindings
