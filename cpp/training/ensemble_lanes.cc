// Members of an ensemble in the lanes of one kernel (kernels/lanes.h): which members fit together,
// and the copies of their parameters, states and data to the lanes and back.
#include <algorithm>
#include <numeric>

#include "base/dtypes.h"
#include "base/random.h"
#include "layers/lookup.h"
#include "training/ensemble.h"

namespace densecore {
namespace {

// The number of the loss in the kernel (LaneLoss), or -1 if it has none.
template <class T>
int lane_loss_of(const Objective<T>& objective, bool row_wise) {
  const std::string name = objective.loss().name;
  if (!objective.fused())
    return name == "mean_squared_error" && !row_wise ? static_cast<int>(LaneLoss::squared) : -1;
  const std::vector<double>& parameters = objective.parameters();  // label_smoothing
  if (std::any_of(parameters.begin(), parameters.end(), [](double p) { return p != 0; })) return -1;
  if (name == "binary_crossentropy") return static_cast<int>(LaneLoss::binary);
  if (name == "categorical_crossentropy") return static_cast<int>(LaneLoss::categorical);
  if (name == "sparse_categorical_crossentropy") return static_cast<int>(LaneLoss::sparse);
  return -1;
}

}  // namespace

template <class T>
void Ensemble<T>::choose_lanes() {
  const KernelTable<T>& table = network().table();
  const Layers<T>& layers = network().layers();
  row_layers_.clear();
  if (network().graph().stack) row_layers_ = row_layers_of(table, layers);
  narrow_ =
      table.lane_train != nullptr && !row_layers_.empty() && !network().array_steps() &&
      row_layers_.size() <= tiny_layers && row_layers_.front().inputs <= tiny_inputs &&
      std::all_of(row_layers_.begin(), row_layers_.end(),
                  [](const RowLayer& layer) { return layer.units <= lane_units; }) &&
      std::all_of(layers.begin(), layers.end(), [](const auto& layer) { return layer->trainable; });
  if (!narrow_) return;
  const int loss = lane_loss_of(*objective_, layers.back()->activation()->row_wise());
  narrow_ = loss >= 0;
  if (narrow_) lane_loss_ = static_cast<LaneLoss>(loss);
  lane_updates_[static_cast<int>(LaneUpdate::sgd)] = &find_optimizer(table, "sgd");
  lane_updates_[static_cast<int>(LaneUpdate::adam)] = &find_optimizer(table, "adam");
}

template <class T>
bool Ensemble<T>::fits_lanes(index_t member) const {
  const OptimizerState<T>& optimizer = member_of(member).optimizer;
  const OptimizerEntry<T>* const entry = &optimizer.entry();
  return narrow_ && (entry == lane_updates_[0] || entry == lane_updates_[1]) && optimizer.plain();
}

template <class T>
bool Ensemble<T>::same_lanes(index_t a, index_t b, const Members& data) const {
  return &member_of(a).optimizer.entry() == &member_of(b).optimizer.entry() &&
         data.size_of(a) == data.size_of(b);
}

template <class T>
bool Ensemble<T>::fits_lanes(index_t begin, index_t end, const Members& data) const {
  if (!narrow_ || end - begin < 2) return false;
  for (index_t i = begin; i < end; ++i)
    if (!fits_lanes(i) || !same_lanes(begin, i, data) || data.weighted(i)) return false;
  return true;
}

template <class T>
std::vector<std::vector<index_t>> Ensemble<T>::groups_of(const Members& data,
                                                         index_t batch_size) const {
  const auto lanes = static_cast<std::size_t>(network().table().lanes);
  Numbers fitting, others;
  for (index_t i = 0; i < size(); ++i) {
    const bool one_row = std::min(batch_size, data.size_of(i)) == 1;
    const bool fits = one_row && metrics_.empty() && !data.weighted(i) && fits_lanes(i);
    (fits ? fitting : others).push_back(i);
  }
  // Members of a group must have equally many steps, so they are sorted by their number of rows.
  std::stable_sort(fitting.begin(), fitting.end(),
                   [&](index_t a, index_t b) { return data.size_of(a) < data.size_of(b); });
  std::vector<Numbers> groups;
  for (const index_t member : fitting) {
    if (groups.empty() || groups.back().size() == lanes ||
        !same_lanes(groups.back().front(), member, data))
      groups.emplace_back();
    groups.back().push_back(member);
  }
  for (const index_t member : others) groups.push_back({member});
  return groups;
}

template <class T>
index_t Ensemble<T>::lane_steps() const {
  // The gathered rows fit into the first-level cache.
  const index_t numbers = network().inputs() + network().outputs();
  return std::clamp<index_t>(256 / numbers, 8, 64);
}

template <class T>
void Ensemble<T>::reserve_lanes(Worker& worker) {
  const index_t lanes = network().table().lanes, steps = lane_steps();
  auto& to = worker.lanes;
  reserve(to.scalars, steps * max_optimizer_scalars * lanes);
  reserve(to.x, steps * network().inputs() * lanes);
  reserve(to.values, steps * network().outputs() * lanes);
  reserve(to.labels, steps * lanes);
  reserve(to.scratch, lane_scratch * lanes);
  reserve(to.losses, lanes);
  std::fill_n(to.losses.data(), lanes, 0.0);
}

template <class T>
void Ensemble<T>::enter_lanes(Lanes& to, const Numbers& group) {
  const KernelTable<T>& table = network().table();
  const index_t lanes = table.lanes, count = network().parameter_count();
  const auto members = static_cast<index_t>(group.size());
  const int states = member_of(group.front()).optimizer.entry().state_count;
  reserve(to.parameters, count * lanes);
  for (int s = 0; s < states; ++s) reserve(to.states[s], count * lanes);
  if (group.back() - group.front() + 1 == members)
    table.transpose(members, count, parameters_of(group.front()), count, to.parameters.data(),
                    lanes);
  for (index_t lane = 0; lane < members; ++lane) {
    const index_t member = group[static_cast<std::size_t>(lane)];
    if (group.back() - group.front() + 1 != members)
      table.transpose(1, count, parameters_of(member), count, to.parameters.data() + lane, lanes);
    for (int s = 0; s < states; ++s)
      table.transpose(1, count, member_of(member).optimizer.states()->data() + s * count, count,
                      to.states[s].data() + lane, lanes);
  }
}

template <class T>
void Ensemble<T>::leave_lanes(const Lanes& from, const Numbers& group) {
  const KernelTable<T>& table = network().table();
  const index_t lanes = table.lanes, count = network().parameter_count();
  const auto members = static_cast<index_t>(group.size());
  const int states = member_of(group.front()).optimizer.entry().state_count;
  if (group.back() - group.front() + 1 == members)
    table.transpose(count, members, from.parameters.data(), lanes, parameters_of(group.front()),
                    count);
  for (index_t lane = 0; lane < members; ++lane) {
    const index_t member = group[static_cast<std::size_t>(lane)];
    if (group.back() - group.front() + 1 != members)
      table.transpose(count, 1, from.parameters.data() + lane, lanes, parameters_of(member), count);
    for (int s = 0; s < states; ++s)
      table.transpose(count, 1, from.states[s].data() + lane, lanes,
                      member_of(member).optimizer.states()->data() + s * count, count);
  }
}

template <class T>
void Ensemble<T>::settle(Resident& resident) {
  if (resident.valid) leave_lanes(resident.lanes, resident.group);
  resident.valid = false;
}

template <class T>
void Ensemble<T>::settle() {
  if (!resident_) return;
  for (Resident& resident : residents_) settle(resident);
  resident_ = false;
}

template <class T>
void Ensemble<T>::shuffle_lanes(Worker& worker, const Numbers& group, index_t rows) {
  auto& orders = worker.lanes.orders;
  orders.resize(std::max(orders.size(), group.size()));
  for (std::size_t lane = 0; lane < group.size(); ++lane) {
    orders[lane].resize(static_cast<std::size_t>(rows));
    Random random(seeds[static_cast<std::size_t>(group[lane])], Stream::shuffle,
                  static_cast<std::uint64_t>(member_of(group[lane]).epochs));
    permutation(random, rows, orders[lane].data());
  }
}

template <class T>
void Ensemble<T>::scalars_of_lanes(Worker& worker, const Numbers& group, LaneTraining<T>& p) {
  const index_t lanes = network().table().lanes;
  const auto members = static_cast<index_t>(group.size());
  T* const to = worker.lanes.scalars.data();
  p.scalars = to;
  if (p.update == LaneUpdate::sgd) {  // the same for all steps
    for (index_t lane = 0; lane < members; ++lane) {
      OptimizerState<T>& state = member_of(group[static_cast<std::size_t>(lane)]).optimizer;
      to[lane] = static_cast<T>(state.settings()->hyperparameter_values()[0]);
      state.steps += p.steps;
    }
    return;
  }
  p.scalars_step = max_optimizer_scalars * lanes;
  // Most often all members have the same values, and Adam's powers are slow to compute.
  const OptimizerState<T>& first = member_of(group.front()).optimizer;
  const double* const first_values = first.settings()->hyperparameter_values();
  const std::int64_t first_step = first.steps;
  for (index_t step = 0; step < p.steps; ++step) {
    double scalars[max_optimizer_scalars] = {};
    first.entry().prepare(first_values, first_step + step + 1, scalars);
    for (int k = 0; k < max_optimizer_scalars; ++k)
      std::fill_n(to + step * p.scalars_step + k * lanes, lanes, static_cast<T>(scalars[k]));
  }
  for (index_t lane = 0; lane < members; ++lane) {
    OptimizerState<T>& state = member_of(group[static_cast<std::size_t>(lane)]).optimizer;
    const double* const values = state.settings()->hyperparameter_values();
    const bool same =
        state.steps == first_step &&
        std::equal(values, values + std::tuple_size_v<HyperparameterValues>, first_values);
    for (index_t step = 0; step < p.steps && !same; ++step) {
      double scalars[max_optimizer_scalars] = {};
      state.entry().prepare(values, state.steps + step + 1, scalars);
      for (int k = 0; k < max_optimizer_scalars; ++k)
        to[step * p.scalars_step + k * lanes + lane] = static_cast<T>(scalars[k]);
    }
    state.steps += p.steps;
  }
}

template <class T>
void Ensemble<T>::gather_lanes(Worker& worker, const Numbers& group, const Members& data,
                               bool shuffled, index_t begin, LaneTraining<T>& p) {
  const index_t lanes = network().table().lanes, inputs = network().inputs();
  auto& to = worker.lanes;
  const index_t columns = p.labels == nullptr ? objective_->target_columns() : 0;
  p.x = to.x.data(), p.ldx = inputs * lanes;
  p.values = to.values.data(), p.ld_values = columns * lanes;
  p.labels = p.labels == nullptr ? nullptr : to.labels.data();
  for (std::size_t l = 0; l < group.size(); ++l) {
    const MemberData<T> member = data.of(group[l]);
    const auto lane = static_cast<index_t>(l);
    for (index_t step = 0; step < p.steps; ++step) {
      index_t row = begin + step;
      if (shuffled) row = to.orders[l][static_cast<std::size_t>(row)];
      if (member.rows != nullptr) row = member.rows[row];
      const T* from = member.data.x.row(row);
      T* x = to.x.data() + step * p.ldx + lane;
      for (index_t k = 0; k < inputs; ++k) x[k * lanes] = from[k];
      if (columns == 0) {
        to.labels.data()[step * lanes + lane] = member.data.targets.labels[row];
        continue;
      }
      from = member.data.targets.values.row(row);
      T* y = to.values.data() + step * p.ld_values + lane;
      for (index_t k = 0; k < columns; ++k) y[k * lanes] = from[k];
    }
  }
}

template <class T>
void Ensemble<T>::gather_neighbours(Worker& worker, const Numbers& group, const Members& data,
                                    LaneTraining<T>& p) {
  const KernelTable<T>& table = network().table();
  const index_t lanes = table.lanes, inputs = network().inputs();
  const auto members = static_cast<index_t>(group.size());
  const MemberData<T> first = data.of(group.front());
  auto& to = worker.lanes;
  const auto gather = [&](const T* from, index_t step, index_t columns, T* out) {
    if (step > 0) return table.transpose(members, columns, from, step, out, lanes);
    for (index_t k = 0; k < columns; ++k) std::fill_n(out + k * lanes, lanes, from[k]);
  };
  gather(first.data.x.data, data.x_step, inputs, to.x.data());
  p.x = to.x.data(), p.ldx = inputs * lanes;
  if (p.labels == nullptr) {
    gather(first.data.targets.values.data, data.values_step, objective_->target_columns(),
           to.values.data());
    p.values = to.values.data();
    return;
  }
  for (index_t lane = 0; lane < members; ++lane)
    to.labels.data()[lane] = first.data.targets.labels[lane * data.labels_step];
  p.labels = to.labels.data();
}

template <class T>
void Ensemble<T>::step_lanes(Worker& worker, Lanes& lanes, const Numbers& group,
                             const Members& data, bool shuffled, index_t begin, index_t end) {
  const MemberData<T> first = data.of(group.front());
  LaneTraining<T> p{};
  p.layers = row_layers_.data();
  p.layer_count = static_cast<int>(row_layers_.size());
  p.parameters = lanes.parameters.data();
  for (int s = 0; s < lane_states; ++s) p.states[s] = lanes.states[s].data();
  const bool is_sgd = &member_of(group.front()).optimizer.entry() == lane_updates_[0];
  p.update = is_sgd ? LaneUpdate::sgd : LaneUpdate::adam;
  p.steps = end - begin;
  p.loss = lane_loss_;
  p.scale = objective_->gradient_scale(1);
  p.share = objective_->loss().averaged ? 1.0 / static_cast<double>(network().outputs()) : 1;
  p.total_loss = worker.lanes.losses.data();
  p.scratch = worker.lanes.scratch.data();
  p.labels = first.data.targets.labels;
  // One step of all members, or rows that each has of its own.
  const bool apart = data.x_step > 0 || data.values_step > 0 || data.labels_step > 0;
  p.shared = !shuffled && !apart && std::all_of(group.begin(), group.end(), [&](index_t member) {
    if (data.list.size() == 1) return data.list.front().rows == nullptr;
    const MemberData<T>& other = data.list[static_cast<std::size_t>(member)];
    return other.rows == nullptr && other.data.x.data == first.data.x.data &&
           other.data.targets.values.data == first.data.targets.values.data &&
           other.data.targets.labels == first.data.targets.labels;
  });
  if (p.shared) {
    p.x = first.data.x.row(begin), p.ldx = first.data.x.stride;
    p.values = first.data.targets.slice(begin, end).values.data;
    p.ld_values = first.data.targets.values.stride;
    if (p.labels != nullptr) p.labels += begin;
  } else if (apart) {
    gather_neighbours(worker, group, data, p);
  } else {
    gather_lanes(worker, group, data, shuffled, begin, p);
  }
  scalars_of_lanes(worker, group, p);
  network().table().lane_train(p);
}

template <class T>
void Ensemble<T>::fit_lanes(Worker& worker, Executor& executor, const Numbers& group,
                            const Members& data, const Members* validation,
                            const FitOptions& options, const Report& report) {
  const index_t rows = data.size_of(group.front());
  // Cost of the steps between two looks at the clock.
  const double work =
      static_cast<double>(lane_steps()) *
      (8192 + 3 * static_cast<double>(network().table().lanes) * network().forward_work(1));
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    Lanes& lanes = worker.lanes.members;
    reserve_lanes(worker);
    enter_lanes(lanes, group);
    try {
      if (options.shuffle) shuffle_lanes(worker, group, rows);
      for (index_t begin = 0; begin < rows; begin += lane_steps()) {
        step_lanes(worker, lanes, group, data, options.shuffle, begin,
                   std::min(begin + lane_steps(), rows));
        executor.check(work);
      }
    } catch (...) {
      leave_lanes(lanes, group);
      throw;
    }
    leave_lanes(lanes, group);
    for (const index_t member : group) ++member_of(member).epochs;
    for (std::size_t lane = 0; lane < group.size(); ++lane) {
      EpochResult result;
      result.training = {worker.lanes.losses.data()[lane] / static_cast<double>(rows) /
                         objective_->divisor(1)};
      if (validation != nullptr)
        visit(worker, group[lane], false, [&] {
          result.validation = worker.trainer->evaluate(
              executor, rows_of(worker, validation->of(group[lane]), 1), options.batch_size);
        });
      report.write(static_cast<index_t>(epoch), group[lane], result);
    }
  }
}

template <class T>
void Ensemble<T>::train_lanes(Worker& worker, Resident& resident, index_t begin, index_t end,
                              const Members& data, double* losses) {
  Numbers& group = resident.group;
  reserve_lanes(worker);
  if (!resident.valid) {
    group.resize(static_cast<std::size_t>(end - begin));
    std::iota(group.begin(), group.end(), begin);
    enter_lanes(resident.lanes, group);
    resident.valid = true;
  }
  step_lanes(worker, resident.lanes, group, data, false, 0, 1);
  // There is a view of the members' memory, to read it or to write there.
  const bool states = member_of(begin).optimizer.entry().state_count > 0;
  if (parameters_.use_count() > 1 || (states && optimizers_watched_)) settle(resident);
  for (index_t i = begin; i < end; ++i)
    losses[i] = worker.lanes.losses.data()[i - begin] / objective_->divisor(1);
}

#define DENSECORE_INSTANTIATE(T, ...)                                                          \
  template void Ensemble<T>::choose_lanes();                                                   \
  template bool Ensemble<T>::fits_lanes(index_t, index_t, const Members&) const;               \
  template std::vector<std::vector<index_t>> Ensemble<T>::groups_of(const Members&, index_t)   \
      const;                                                                                   \
  template void Ensemble<T>::fit_lanes(Worker&, Executor&, const Numbers&, const Members&,     \
                                       const Members*, const FitOptions&, const Report&);      \
  template void Ensemble<T>::settle();                                                         \
  template void Ensemble<T>::settle(Resident&);                                                \
  template void Ensemble<T>::train_lanes(Worker&, Resident&, index_t, index_t, const Members&, \
                                         double*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
