// The parts of `fit` and `evaluate`, for loops in Python: one batch at a time, added to running
// metrics. LoopSteps is a base of PyNetwork, which is `Self`.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bindings/batch_arrays.h"
#include "bindings/gil.h"
#include "training/running_metrics.h"
#include "training/trainer.h"

namespace densecore::bindings {

// The sums over the batches of a loop in Python.
template <class T>
class PyRunningMetrics : public TypedObject<T> {
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

template <class T, class Self>
class LoopSteps {
 public:
  std::unique_ptr<PyRunningMetrics<T>> running_metrics() {
    self().mark_.check_readable();
    return std::make_unique<PyRunningMetrics<T>>(self().trainer().running_metrics());
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
                      PyRunningMetrics<T>& running_metrics, const py::object& sample_weight) {
    Self& n = self();
    const Trainer<T>& t = trainer_of(running_metrics);
    const InUse in_use(n.mark_), metrics_in_use(running_metrics.mark());
    const auto a = input_matrix<T>("outputs", outputs, any, n.outputs());
    Targets<T> targets = targets_of(n.network(), t.objective(), y, a.rows, n.labels_);
    if (!sample_weight.is_none()) set_weights(t.objective(), targets, sample_weight, a.rows);
    const auto rows = static_cast<double>(a.rows);
    running_metrics.running_metrics().add_loss({loss * rows, rows}, a.rows);
    running_metrics.running_metrics().add_outputs(a, targets);
  }
  // A batch that several processes have shared, from the sums of its parts; without its outputs
  // (None) for a model without metrics.
  void add_batch(const py::object& outputs, const py::object& y, const py::object& sample_weight,
                 const std::vector<double>& sums, index_t rows, const std::vector<double>& weights,
                 double penalty, PyRunningMetrics<T>& running_metrics) {
    Self& n = self();
    Trainer<T>& t = trainer_of(running_metrics);
    const InUse in_use(n.mark_), metrics_in_use(running_metrics.mark());
    RunningMetrics<T>& to = running_metrics.running_metrics();
    if (!outputs.is_none()) {
      const auto a = input_matrix<T>("outputs", outputs, rows, n.outputs());
      Targets<T> targets = targets_of(n.network(), t.objective(), y, rows, n.labels_);
      if (!sample_weight.is_none()) set_weights(t.objective(), targets, sample_weight, rows);
      to.add_outputs(a, targets);
    }
    to.add_loss(n.loss_of_batch(sums, rows, weights, penalty), rows);
    if (t.objective().has_heads()) to.add_head_losses(n.network().head_losses(), rows);
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  Trainer<T>& trainer_of(PyRunningMetrics<T>& running_metrics) {
    Trainer<T>& trainer = self().trainer();
    const Objective<T>&now = trainer.objective(),
          &then = running_metrics.running_metrics().objective();
    bool same = now.sparse() == then.sparse() && now.heads().size() == then.heads().size();
    for (std::size_t h = 0; same && h < now.heads().size(); ++h)
      same = now.heads()[h].objective == then.heads()[h].objective;
    if (!same)
      throw std::invalid_argument(
          "running_metrics: found one for other targets: the model has been compiled anew since");
    return trainer;
  }

  template <class Body>
  void on_batch(const py::object& x, const py::object& y, const py::object& weight,
                PyRunningMetrics<T>& running_metrics, bool training, Body&& body) {
    Self& n = self();
    Trainer<T>& t = trainer_of(running_metrics);
    const InUse in_use(n.mark_), metrics_in_use(running_metrics.mark());
    const Data<T> batch = batch_of(n.network(), t.objective(), x, y, weight, n.labels_);
    if (training)
      n.discard_passes();
    else
      n.discard_pass();
    n.run((training ? 3 : 1) * n.network().forward_work(batch.x.rows),
          [&](Executor& executor) { body(executor, t, batch); });
  }
};

}  // namespace densecore::bindings
