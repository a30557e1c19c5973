// A network with what it is trained by, on NumPy arrays.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/epoch_observer.h"
#include "bindings/forward_passes.h"
#include "bindings/metric.h"
#include "bindings/network_derivatives.h"
#include "bindings/row_source.h"
#include "bindings/specs.h"
#include "network/whole_buffers.h"
#include "training/predict_rows.h"
#include "training/shared_step.h"
#include "training/trainer.h"

namespace densecore::bindings {

// How many rows of an epoch are done: written by `fit`, read by any thread at any time.
struct RowsDone {
  std::atomic<index_t> rows{0};
};

// What the batches of a loop in Python amount to.
template <class T>
class PyRunningMetrics {
 public:
  explicit PyRunningMetrics(RunningMetrics<T> running_metrics)
      : running_metrics_(std::move(running_metrics)) {}
  void reset() {
    const InUse in_use(mark_);
    running_metrics_.reset();
  }
  std::vector<double> results() {
    const InUse in_use(mark_);
    return running_metrics_.results();
  }
  // For a caller that holds `InUse` of the mark.
  RunningMetrics<T>& running_metrics() { return running_metrics_; }
  UseMark& mark() { return mark_; }

 private:
  RunningMetrics<T> running_metrics_;
  UseMark mark_;
};

template <class T>
class PyNetwork : public OpenPasses<T>, public NetworkDerivatives<T, PyNetwork<T>> {
  using Base = OpenPasses<T>;
  using Base::discard_pass, Base::discard_passes, Base::mark_, Base::network_, Base::output,
      Base::run;

 public:
  PyNetwork(index_t inputs, const std::vector<py::dict>& layers, const py::object& isa) {
    network_ = std::make_shared<Network<T>>(
        isa.is_none() ? active_kernels() : kernels_for(isa.cast<std::string>()),
        network_spec_of(inputs, layers));
  }

  std::string isa() const { return network_->isa(); }
  index_t parameter_count() const { return network_->parameter_count(); }
  // What follows is refused while another thread uses the network: it would read a mixture of two
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
    for (index_t i = 0; i < rows; ++i)
      layer.random_numbers({true, network_->seed, step}, i, numbers.mutable_data(i));
    return numbers;
  }

  void compile(const std::string& loss, const std::string& reduction,
               std::shared_ptr<OptimizerSettings> settings, const py::list& metric_specs,
               std::uint64_t seed, bool from_logits, const std::vector<double>& loss_parameters) {
    const InUse in_use(mark_);
    const NetworkSpec& spec = network_->spec();
    const Objective<T> objective(network_->table(), loss, reduction_of(reduction),
                                 spec.last_activation(), spec.outputs(), from_logits,
                                 loss_parameters);
    trainer_ = std::make_shared<Trainer<T>>(
        network_, objective, std::move(settings),
        metrics_of(metric_specs, network_->table(), objective, spec.outputs()), seed);
  }

  // A loss for each of several outputs.
  void compile_heads(const std::vector<py::dict>& heads,
                     std::shared_ptr<OptimizerSettings> settings, const py::list& metric_specs,
                     std::uint64_t seed) {
    const InUse in_use(mark_);
    const Objective<T> objective =
        objective_of_heads<T>(network_->table(), network_->spec(), heads);
    std::vector<Metric<T>> metrics;
    for (const py::handle description : metric_specs)
      metrics.push_back(metric_of_head(description, network_->table(), objective.heads()));
    trainer_ = std::make_shared<Trainer<T>>(network_, objective, std::move(settings),
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
    check_columns(source);
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
    if (!out.is_none()) refuse_overlap("out", out_view, "x", x_view);
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

  // Steps whose batches several processes share (bind_parts.cc).
  index_t leaves_of(index_t rows) const { return network_->leaves_of(rows); }
  bool couples_rows() const { return network_->couples_rows(); }
  // What a batch's sum of losses is divided by, with several heads for each of them.
  std::vector<double> batch_weights(const py::object& weight, index_t rows) {
    const Objective<T>& objective = trainer().objective();
    Targets<T> targets;
    if (!weight.is_none()) set_weights(targets, weight, rows);
    std::vector<double> weights;
    if (objective.has_heads())
      objective.head_weights(targets, rows, weights);
    else
      weights.push_back(objective.batch_weight(targets.weight, rows));
    return weights;
  }
  py::array reduced() const {
    mark_.check_readable();
    return view_of<T>(network_->gradients(), 0,
                      {network_->parameter_count() + Network<T>::spare_slots});
  }
  std::vector<double> part_gradient(const py::object& x, const py::object& y,
                                    const py::object& weight, const std::vector<index_t>& cuts,
                                    index_t leaf, index_t batch_rows,
                                    const std::vector<double>& weights, const py::object& outputs,
                                    const py::object& add_up) {
    Trainer<T>& t = trainer();
    const InUse in_use(mark_);
    const Data<T> rows = data(x, y, weight, labels_);
    if (cuts.size() < 2 || cuts.back() - cuts.front() != rows.x.rows || cuts.front() < 0 ||
        !std::is_sorted(cuts.begin(), cuts.end()) || leaf < 0)
      throw std::invalid_argument(
          "cuts: found numbers that do not fit the rows of x, wanted "
          "ascending ones from the first row's to the last one's + 1");
    const MatrixView<T> out =
        outputs.is_none() ? MatrixView<T>()
                          : output_matrix<T>("outputs", outputs, rows.x.rows, network_->outputs());
    const BatchPart<T> part{whole_batch(batch_rows, weights), cuts, leaf,
                            [&add_up](T* values, index_t count) {
                              const AcquiredGil gil;
                              if (!add_up.is_none())
                                add_up(py::array_t<T>({count}, {sizeof(T)}, values, py::none()));
                            }};
    discard_pass();
    std::vector<double> sums;
    run(3 * network_->forward_work(rows.x.rows),
        [&](Executor& executor) { sums = densecore::part_gradient(executor, t, rows, part, out); });
    return sums;
  }
  void neutral_gradient() {
    const InUse in_use(mark_);
    discard_pass();
    network_->neutral_gradient();
  }
  std::vector<index_t> sums_of_pass() const { return network_->sums_of_pass(); }
  std::size_t sums_of_part() { return network_->sums_of_part(trainer().objective()); }
  index_t summed_count() const { return network_->summed_count(); }
  index_t table_columns() const { return network_->table_columns(); }
  void take_table_rows(const py::object& to) const {
    network_->take_table_rows(output_matrix<T>("to", to, any, network_->table_columns()));
  }
  void add_table_rows(const py::object& rows) {
    const auto view = input_matrix<T>("rows", rows, any, network_->table_columns());
    const InUse in_use(mark_);
    network_->add_table_rows(view);
  }
  double shared_update(index_t rows, const std::vector<double>& weights, double penalty_weight) {
    Trainer<T>& t = trainer();
    const WholeBatch batch = whole_batch(rows, weights);
    const InUse in_use(mark_);
    const PenaltyWeight<T> factor(*network_, penalty_weight);
    discard_passes();
    double penalty = 0;
    run(8.0 * static_cast<double>(network_->parameter_count()),
        [&](Executor& executor) { penalty = densecore::shared_update(executor, t, batch); });
    return penalty;
  }
  double add_penalties(index_t rows, const std::vector<double>& weights) {
    Trainer<T>& t = trainer();
    const WholeBatch batch = whole_batch(rows, weights);
    const InUse in_use(mark_);
    discard_pass();
    return densecore::add_penalties(t, batch);
  }
  double mean_loss(const std::vector<double>& sums, index_t rows,
                   const std::vector<double>& weights, double penalty) {
    const LossSum sum =
        batch_loss(trainer(), whole_batch(rows, weights), checked_sums(sums), penalty);
    return sum.loss / trainer().objective().divisor(sum.weight);
  }
  void add_batch(const py::object& outputs, const py::object& y, const py::object& sample_weight,
                 const std::vector<double>& sums, index_t rows, const std::vector<double>& weights,
                 double penalty, PyRunningMetrics<T>& running_metrics) {
    Trainer<T>& t = trainer_of(running_metrics);
    const InUse in_use(mark_), metrics_in_use(running_metrics.mark());
    RunningMetrics<T>& to = running_metrics.running_metrics();
    if (!outputs.is_none()) {
      const auto a = input_matrix<T>("outputs", outputs, rows, network_->outputs());
      Targets<T> targets = targets_of(y, rows, labels_);
      if (!sample_weight.is_none()) set_weights(targets, sample_weight, rows);
      to.add_outputs(a, targets);
    }
    to.add_loss(batch_loss(t, whole_batch(rows, weights), checked_sums(sums), penalty), rows);
    if (t.objective().has_heads()) to.add_head_losses(network_->head_losses(), rows);
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

  // For bound steps: checked once, then called with what was found.
  const std::shared_ptr<Trainer<T>>& bound_trainer() {
    trainer();
    return trainer_;
  }
  Data<T> batch_of(const py::object& x, const py::object& y, const py::object& weight,
                   std::vector<std::int32_t>& labels) {
    const Data<T> batch = data(x, y, weight, labels);
    if (batch.x.rows == 0) throw std::invalid_argument("x: found no rows, wanted at least one");
    return batch;
  }
  // Checks the contents of a bound batch's arrays again (labels, weights); their memory has not
  // moved.
  void check_contents(Data<T>& batch, const py::object& y,
                      std::vector<std::int32_t>& labels) const {
    if (trainer_->objective().has_heads()) {
      labels.resize(static_cast<std::size_t>(batch.x.rows * batch.targets.label_arrays));
      read_heads(batch.targets.values, labels.data());
    } else if (batch.targets.labels != nullptr) {
      read_labels("y", y, batch.x.rows, network_->outputs(), labels);
      batch.targets.labels = labels.data();
    } else {
      check_targets(trainer_->objective().loss(), batch.targets.values);
    }
    if (batch.targets.weight != nullptr)
      check_weights(batch.targets.weight, batch.x.rows * batch.targets.weight_arrays);
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
           py::list results, EpochHooks hooks, const py::object& row_order, double penalty_weight,
           RowsDone* rows_done) {
    trainer();
    const std::shared_ptr<Trainer<T>> kept = trainer_;
    std::vector<std::int32_t> labels, validation_labels;
    BorrowedArrays arrays;
    InUse in_use(mark_);
    const Data<T> training = data(x, y, weight, labels, true);
    borrow(arrays, x, y, weight);
    std::optional<Data<T>> held_out;
    if (!validation.is_none()) {
      const auto parts = validation.cast<py::tuple>();
      if (parts.size() != 3)
        throw std::invalid_argument("validation: found a tuple of " + std::to_string(parts.size()) +
                                    ", wanted (x, y, sample_weight)");
      held_out = data(parts[0], parts[1], parts[2], validation_labels, true);
      borrow(arrays, parts[0], parts[1], parts[2]);
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
    PythonObserver observer(std::move(hooks), in_use);
    const auto report = [&] {
      discard_passes();  // those that callbacks have made
      for (const std::vector<double>& column : observer.columns) results.append(py::cast(column));
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

  // The parts of `fit` and `evaluate`, for loops in Python.
  std::unique_ptr<PyRunningMetrics<T>> running_metrics() {
    mark_.check_readable();
    return std::make_unique<PyRunningMetrics<T>>(trainer().running_metrics());
  }
  void train_batch(const py::object& x, const py::object& y, const py::object& weight,
                   PyRunningMetrics<T>& running_metrics, double penalty_weight) {
    on_batch(x, y, weight, running_metrics, true,
             [&](Executor& executor, Trainer<T>& t, const Data<T>& batch) {
               t.train_batch(executor, batch, running_metrics.running_metrics(), penalty_weight);
             });
  }
  void evaluate_batch(const py::object& x, const py::object& y, const py::object& weight,
                      PyRunningMetrics<T>& running_metrics) {
    on_batch(x, y, weight, running_metrics, false,
             [&](Executor& executor, Trainer<T>& t, const Data<T>& batch) {
               t.evaluate_batch(executor, batch, running_metrics.running_metrics(), batch.x.rows);
             });
  }
  // A batch whose mean loss the caller has computed.
  void add_to_metrics(const py::object& outputs, const py::object& y, double loss,
                      PyRunningMetrics<T>& running_metrics) {
    trainer_of(running_metrics);
    const InUse in_use(mark_), metrics_in_use(running_metrics.mark());
    const auto a = input_matrix<T>("outputs", outputs, any, network_->outputs());
    const Targets<T> targets = targets_of(y, a.rows, labels_);
    const auto rows = static_cast<double>(a.rows);
    running_metrics.running_metrics().add_loss({loss * rows, rows}, a.rows);
    running_metrics.running_metrics().add_outputs(a, targets);
  }

  std::vector<double> evaluate(const py::object& x, const py::object& y, const py::object& weight) {
    Trainer<T>& t = trainer();
    std::vector<std::int32_t> labels;
    BorrowedArrays arrays;
    const InUse in_use(mark_);
    const Data<T> all = data(x, y, weight, labels, true);
    borrow(arrays, x, y, weight);
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
  Trainer<T>& trainer_of(PyRunningMetrics<T>& running_metrics) {
    const Objective<T>&now = trainer().objective(),
          &then = running_metrics.running_metrics().objective();
    bool same = now.sparse() == then.sparse() && now.heads().size() == then.heads().size();
    for (std::size_t h = 0; same && h < now.heads().size(); ++h)
      same = now.heads()[h].objective == then.heads()[h].objective;
    if (!same)
      throw std::invalid_argument(
          "running_metrics: found one for other targets: the model has been compiled anew since");
    return *trainer_;
  }

  template <class Body>
  void on_batch(const py::object& x, const py::object& y, const py::object& weight,
                PyRunningMetrics<T>& running_metrics, bool training, Body&& body) {
    Trainer<T>& t = trainer_of(running_metrics);
    const InUse in_use(mark_), metrics_in_use(running_metrics.mark());
    const Data<T> batch = batch_of(x, y, weight, labels_);
    if (training)
      discard_passes();
    else
      discard_pass();
    run((training ? 3 : 1) * network_->forward_work(batch.x.rows),
        [&](Executor& executor) { body(executor, t, batch); });
  }

  void check_columns(const RowSource<T>& source) const {
    if (source.cols() != network_->inputs())
      throw std::invalid_argument("x: found " + std::to_string(source.cols()) +
                                  " columns, wanted " + std::to_string(network_->inputs()));
  }

  // The arrays of `data`, for as long as they are read.
  static void borrow(BorrowedArrays& arrays, const py::object& x, const py::object& y,
                     const py::object& weight) {
    borrow_rows<T>(arrays, x);
    arrays.add("y", y);
    arrays.add("sample_weight", weight);
  }

  // `labels` is where class numbers go: the core wants them as int32, checked. `by_batch`: x may be
  // a source of rows.
  Data<T> data(const py::object& x, const py::object& y, const py::object& weight,
               std::vector<std::int32_t>& labels, bool by_batch = false) {
    Data<T> d;
    if (by_batch) d.source = row_source<T>(x);
    if (d.source != nullptr) {
      check_columns(*d.source);
      d.x = {nullptr, d.source->rows(), d.source->cols()};
    } else {
      d.x = input_matrix<T>("x", x, any, network_->inputs());
      network_->check_numbers(d.x);
    }
    d.targets = targets_of(y, d.x.rows, labels);
    if (!weight.is_none()) set_weights(d.targets, weight, d.x.rows);
    return d;
  }

  Targets<T> targets_of(const py::object& y, index_t rows, std::vector<std::int32_t>& labels) {
    Targets<T> targets;
    if (trainer().objective().has_heads()) {
      const Objective<T>& objective = trainer().objective();
      targets.values = input_matrix<T>("y", y, rows, objective.target_columns());
      targets.label_arrays = objective.label_arrays();
      targets.label_distance = rows;
      labels.resize(static_cast<std::size_t>(rows * targets.label_arrays));
      read_heads(targets.values, labels.data());
      targets.labels = labels.data();
    } else if (trainer().objective().sparse()) {
      read_labels("y", y, rows, network_->outputs(), labels);
      targets.labels = labels.data();
    } else {
      targets.values = input_matrix<T>("y", y, rows, trainer().objective().target_columns());
      check_targets(trainer().objective().loss(), targets.values);
    }
    return targets;
  }

  // Checks the targets of each head, and copies class numbers to `labels`.
  void read_heads(MatrixView<const T> values, std::int32_t* labels) const {
    for (const Head<T>& head : trainer_->objective().heads()) {
      if (head.objective == nullptr) continue;
      const MatrixView<const T> own{values.data + head.target, values.rows, head.target_columns,
                                    values.stride};
      if (head.labels >= 0)
        copy_labels(own, head.columns, labels + head.labels * values.rows);
      else
        check_targets(head.objective->loss(), own);
    }
  }
  // (rows,), or with several heads also (heads, rows).
  void set_weights(Targets<T>& targets, const py::object& weight, index_t rows) {
    const auto heads = static_cast<index_t>(trainer().objective().heads().size());
    if (heads > 0 && py::isinstance<py::array>(weight) &&
        py::reinterpret_borrow<py::array>(weight).ndim() == 2) {
      targets.weight = input_matrix<T>("sample_weight", weight, heads, rows).data;
      targets.weight_arrays = heads;
      targets.weight_distance = rows;
      check_weights(targets.weight, heads * rows);
    } else {
      targets.weight = input_weights<T>(weight, rows);
    }
  }

  WholeBatch whole_batch(index_t rows, const std::vector<double>& weights) {
    const std::size_t wanted = std::max<std::size_t>(1, trainer().objective().heads().size());
    if (weights.size() != wanted)
      throw std::invalid_argument("weights: found " + std::to_string(weights.size()) +
                                  " numbers, wanted " + std::to_string(wanted));
    return {rows, weights};
  }
  const std::vector<double>& checked_sums(const std::vector<double>& sums) {
    const std::size_t wanted = network_->sums_of_part(trainer().objective());
    if (sums.size() != wanted)
      throw std::invalid_argument("sums: found " + std::to_string(sums.size()) +
                                  " numbers, wanted " + std::to_string(wanted));
    return sums;
  }

  // Shared with a running `fit`, whose hooks may compile the model anew.
  std::shared_ptr<Trainer<T>> trainer_;
  std::vector<std::int32_t> labels_;
};

// bind_derivatives.cc
template <class T>
void register_derivatives(py::class_<PyNetwork<T>>& type);
// bind_parts.cc
template <class T>
void register_parts(py::class_<PyNetwork<T>>& type);

}  // namespace densecore::bindings
