// Steps whose batches several processes share: each computes the gradient of its part of the rows,
// the caller adds up the parts, and all make the same update. A base of PyNetwork, which is `Self`.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bindings/batch_arrays.h"
#include "bindings/gil.h"
#include "training/shared_step.h"

namespace densecore::bindings {

template <class T, class Self>
class SharedSteps {
 public:
  index_t leaves_of(index_t rows) const { return self().network().leaves_of(rows); }
  bool couples_rows() const { return self().network().couples_rows(); }
  // What a batch's sum of losses is divided by: its rows, or the sum of their weights.
  double batch_weight(const py::object& weight, index_t rows) {
    const T* weights = weight.is_none() ? nullptr : input_weights<T>(weight, rows);
    return self().trainer().objective().batch_weight(weights, rows);
  }
  py::array reduced() const {
    self().mark_.check_readable();
    return view_of<T>(self().network().gradients(), 0,
                      {self().network().parameter_count() + Network<T>::spare_slots});
  }
  double part_gradient(const py::object& x, const py::object& y, const py::object& weight,
                       const std::vector<index_t>& cuts, index_t leaf, double batch_weight,
                       const py::object& outputs) {
    Trainer<T>& t = self().trainer();
    const InUse in_use(self().mark_);
    const Data<T> rows = data_of(self().network(), t.objective(), x, y, weight, self().labels_);
    if (cuts.size() < 2 || cuts.back() - cuts.front() != rows.x.rows || cuts.front() < 0 ||
        !std::is_sorted(cuts.begin(), cuts.end()) || leaf < 0)
      throw std::invalid_argument(
          "cuts: found numbers that do not fit the rows of x, wanted "
          "ascending ones from the first row's to the last one's + 1");
    const MatrixView<T> out = outputs.is_none() ? MatrixView<T>()
                                                : output_matrix<T>("outputs", outputs, rows.x.rows,
                                                                   self().network().outputs());
    self().discard_pass();
    LossSum sum;
    self().run(3 * self().network().forward_work(rows.x.rows), [&](Executor& executor) {
      sum = densecore::part_gradient(executor, t, rows, {cuts, leaf, batch_weight}, out);
    });
    return sum.loss;
  }
  void neutral_gradient() {
    const InUse in_use(self().mark_);
    self().discard_pass();
    self().network().neutral_gradient();
  }
  double shared_update(double weight, double penalty_weight) {
    Trainer<T>& t = self().trainer();
    const InUse in_use(self().mark_);
    const PenaltyWeight<T> factor(self().network(), penalty_weight);
    self().discard_passes();
    double penalty = 0;
    self().run(
        8.0 * static_cast<double>(self().network().parameter_count()),
        [&](Executor& executor) { penalty = densecore::shared_update(executor, t, weight); });
    return penalty;
  }
  double add_penalties(double weight) {
    Trainer<T>& t = self().trainer();
    const InUse in_use(self().mark_);
    self().discard_pass();
    return densecore::add_penalties(t, weight);
  }
  double mean_loss(double loss, double weight, double penalty) {
    const double divisor = self().trainer().objective().divisor(weight);
    return (loss + penalty * divisor) / divisor;
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace densecore::bindings
