// Steps whose batches several processes share: each computes the gradient of its part of the rows,
// the caller adds up the parts, and all make the same update. A base of PyNetwork, which is `Self`.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/batch_arrays.h"
#include "bindings/gil.h"
#include "network/parts.h"
#include "training/shared_step.h"

namespace densecore::bindings {

template <class T, class Self>
class SharedSteps {
 public:
  index_t leaves_of(index_t rows) { return parts().leaves(rows); }
  bool couples_rows() const { return self().network().couples_rows(); }
  // The divisor of a batch's sum of losses, with several heads one for each of them.
  std::vector<double> batch_weights(const py::object& weight, index_t rows) {
    const Objective<T>& objective = self().trainer().objective();
    Targets<T> targets;
    if (!weight.is_none()) set_weights(objective, targets, weight, rows);
    std::vector<double> weights;
    if (objective.has_heads())
      objective.head_weights(targets, rows, weights);
    else
      weights.push_back(objective.batch_weight(targets.weight, rows));
    return weights;
  }
  py::array reduced() const {
    self().mark_.check_readable();
    return view_of<T>(self().network().gradients(), 0,
                      {self().network().parameter_count() + Network<T>::spare_slots});
  }
  // `add_up` is None or a function of an array, which must not call the network.
  std::vector<double> part_gradient(const py::object& x, const py::object& y,
                                    const py::object& weight, const std::vector<index_t>& cuts,
                                    index_t leaf, index_t batch_rows,
                                    const std::vector<double>& weights, const py::object& outputs,
                                    const py::object& add_up) {
    const BatchPart<T> part{whole_batch(batch_rows, weights), cuts, leaf,
                            [&add_up](T* values, index_t count) {
                              const AcquiredGil gil;
                              if (!add_up.is_none())
                                add_up(py::array_t<T>({count}, {sizeof(T)}, values, py::none()));
                            }};
    if (cuts.size() < 2 || cuts.front() < 0 || !std::is_sorted(cuts.begin(), cuts.end()) ||
        leaf < 0)
      refuse_cuts();
    return gradient_of(x, y, weight, part, outputs);
  }
  // For a part that is checked already, but for the number of its rows.
  std::vector<double> gradient_of(const py::object& x, const py::object& y,
                                  const py::object& weight, const BatchPart<T>& part,
                                  const py::object& outputs) {
    Trainer<T>& t = self().trainer();
    const InUse in_use(self().mark_);
    const Data<T> rows = data_of(self().network(), t.objective(), x, y, weight, self().labels_);
    if (part.cuts.back() - part.cuts.front() != rows.x.rows) refuse_cuts();
    const MatrixView<T> out = outputs.is_none() ? MatrixView<T>()
                                                : output_matrix<T>("outputs", outputs, rows.x.rows,
                                                                   self().network().outputs());
    self().discard_pass();
    std::vector<double> sums;
    self().run(3 * self().network().forward_work(rows.x.rows), [&](Executor& executor) {
      sums = densecore::part_gradient(executor, t, rows, part, out);
    });
    return sums;
  }
  void neutral_gradient() {
    const InUse in_use(self().mark_);
    self().discard_pass();
    parts().neutral_gradient();
  }
  std::vector<index_t> sums_of_pass() { return parts().sums_of_pass(); }
  std::size_t sums_of_part() { return parts().sum_count(self().trainer().objective()); }
  index_t summed_count() { return parts().summed_count(); }
  index_t table_columns() { return parts().table_columns(); }
  void take_table_rows(const py::object& to) {
    const PartGradients<T> found = parts();
    found.take_table_rows(output_matrix<T>("to", to, found.table_rows(), found.table_columns()));
  }
  void add_table_rows(const py::object& rows) {
    const auto view = input_matrix<T>("rows", rows, any, table_columns());
    const InUse in_use(self().mark_);
    parts().add_table_rows(view);
  }
  double shared_update(index_t rows, const std::vector<double>& weights, double penalty_weight) {
    return update_by(whole_batch(rows, weights), penalty_weight);
  }
  double update_by(const WholeBatch& batch, double penalty_weight) {
    Trainer<T>& t = self().trainer();
    const InUse in_use(self().mark_);
    const PenaltyWeight<T> factor(self().network(), penalty_weight);
    self().discard_passes();
    double penalty = 0;
    self().run(8.0 * static_cast<double>(self().network().parameter_count()),
               [&](Executor& executor) { penalty = densecore::shared_update(executor, t, batch); });
    return penalty;
  }
  double add_penalties(index_t rows, const std::vector<double>& weights) {
    Trainer<T>& t = self().trainer();
    const WholeBatch batch = whole_batch(rows, weights);
    const InUse in_use(self().mark_);
    self().discard_pass();
    return densecore::add_penalties(t, batch);
  }
  double mean_loss(const std::vector<double>& sums, index_t rows,
                   const std::vector<double>& weights, double penalty) {
    const LossSum sum = loss_of_batch(sums, rows, weights, penalty);
    return sum.loss / self().trainer().objective().divisor(sum.weight);
  }

 protected:
  LossSum loss_of_batch(const std::vector<double>& sums, index_t rows,
                        const std::vector<double>& weights, double penalty) {
    if (sums.size() != sums_of_part())
      throw std::invalid_argument("sums: found " + std::to_string(sums.size()) +
                                  " numbers, wanted " + std::to_string(sums_of_part()));
    return batch_loss(self().trainer(), whole_batch(rows, weights), sums, penalty);
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  const Self& self() const { return static_cast<const Self&>(*this); }
  PartGradients<T> parts() { return PartGradients<T>(self().network()); }
  [[noreturn]] static void refuse_cuts() {
    throw std::invalid_argument(
        "cuts: found numbers that do not fit the rows of x, wanted ascending ones from the first "
        "row's to the last one's + 1");
  }
  WholeBatch whole_batch(index_t rows, const std::vector<double>& weights) {
    const std::size_t wanted =
        std::max<std::size_t>(1, self().trainer().objective().heads().size());
    if (weights.size() != wanted)
      throw std::invalid_argument("weights: found " + std::to_string(weights.size()) +
                                  " numbers, wanted " + std::to_string(wanted));
    return {rows, weights};
  }
};

}  // namespace densecore::bindings
