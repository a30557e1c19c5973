// Many networks of one architecture, trained side by side. Each member gets the bits of an ordinary
// network with its seed, optimizer and data.
//
// The members' parameters lie one after another in one buffer. Each thread has one worker: a
// network with its trainer, into which the parameters of a member are copied. A member is the task
// of one thread from the first epoch to the last; members do not wait for each other. Small
// networks are trained a vector of members at a time (ensemble_lanes.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "training/ensemble_worker.h"
#include "training/trainer.h"

namespace densecore {

// The data of a member: all rows of `data`, or the `count` rows of it that `rows` numbers.
template <class T>
struct MemberData {
  Data<T> data;
  const std::int64_t* rows = nullptr;
  index_t count = 0;
  index_t size() const { return rows == nullptr ? data.x.rows : count; }
};

// The data of all members: one for each of them, or one for all. Or `list` has the first one's, and
// the next one's arrays begin so many elements behind.
template <class T>
struct EnsembleData {
  std::vector<MemberData<T>> list;
  index_t x_step = 0, values_step = 0, labels_step = 0, weight_step = 0;

  MemberData<T> of(index_t member) const {
    if (list.size() > 1) return list[static_cast<std::size_t>(member)];
    MemberData<T> found = list.front();
    Targets<T>& targets = found.data.targets;
    found.data.x.data += member * x_step;
    if (targets.values.data != nullptr) targets.values.data += member * values_step;
    if (targets.labels != nullptr) targets.labels += member * labels_step;
    if (targets.weight != nullptr) targets.weight += member * weight_step;
    return found;
  }
  // What does not depend on where a member's arrays begin: its number of rows, and whether they
  // have weights.
  index_t size_of(index_t member) const { return one_of(member).size(); }
  bool weighted(index_t member) const { return one_of(member).data.targets.weight != nullptr; }

 private:
  const MemberData<T>& one_of(index_t member) const {
    return list[list.size() == 1 ? 0 : static_cast<std::size_t>(member)];
  }
};

// The results of each epoch and member: (epochs, values, members).
struct Report {
  double* data;
  index_t values, members;
  void write(index_t epoch, index_t value, index_t member, double number) const {
    data[(epoch * values + value) * members + member] = number;
  }
  // The values of training, then those of validation.
  void write(index_t epoch, index_t member, const EpochResult& result) const {
    index_t value = 0;
    for (const double number : result.training) write(epoch, value++, member, number);
    for (const double number : result.validation) write(epoch, value++, member, number);
  }
};

template <class T>
class Ensemble {
 public:
  using Members = EnsembleData<T>;
  using Numbers = std::vector<index_t>;  // of members

  // Throws std::invalid_argument for a bad specification. Parameters start at zero.
  Ensemble(const KernelTables& tables, NetworkSpec spec, index_t members);
  ~Ensemble();

  index_t size() const { return static_cast<index_t>(seeds.size()); }
  // The architecture that all members share. Its parameters are those of the last member that the
  // first worker had.
  const Network<T>& network() const;
  // (members, parameters), and (members, numbers in the layers' other arrays in their order).
  const std::shared_ptr<AlignedBuffer<T>>& parameters() {
    settle();
    return parameters_;
  }
  const std::shared_ptr<AlignedBuffer<T>>& states() const { return states_; }
  index_t state_count() const { return state_count_; }
  // The seeds of shuffles, dropout and noise, one for each member.
  std::vector<std::uint64_t> seeds;

  // `settings`: one object for each member.
  void compile(const Objective<T>& objective,
               const std::vector<std::shared_ptr<OptimizerSettings>>& settings,
               std::vector<Metric<T>> metrics);
  bool compiled() const { return !members_.empty(); }
  const Objective<T>& objective() const { return *objective_; }
  OptimizerState<T>& optimizer(index_t member) {
    settle();
    return member_of(member).optimizer;
  }
  // From now on each step writes the optimizers' states, as there are views of them.
  void watch_optimizers() { optimizers_watched_ = true; }
  std::int64_t& epochs(index_t member) { return member_of(member).epochs; }

  // All calls below run on the thread pool. `interrupt` is asked in the calling thread. After an
  // interruption each member is in the state after its last whole step.

  // Number of values per epoch of training or validation: see RunningMetrics.
  index_t reported() const {
    index_t count = 1 + static_cast<index_t>(metrics_.size());
    for (const Head<T>& head : objective_->heads())
      count += objective_->heads().size() > 1 && head.objective != nullptr;
    return count;
  }
  // Epochs that an exception prevents are not written. `kept` (members,), unless null, becomes the
  // epoch that each member's parameters are of (see Trainer::fit).
  void fit(Interrupt* interrupt, const Members& data, const Members* validation,
           const FitOptions& options, const Report& report, std::int64_t* kept);
  // One step of each member; `losses` (members,) are those before it.
  void train(Interrupt* interrupt, const Members& data, double* losses);
  void evaluate(Interrupt* interrupt, const Members& data, const Report& report);
  // x: one matrix for all, or one each; out (members * rows, outputs).
  void predict(Interrupt* interrupt, const std::vector<MatrixView<const T>>& x, MatrixView<T> out);
  // Replaces parameters by their moving average where an optimizer keeps one.
  void finish_training();

 private:
  using Worker = EnsembleWorker<T>;
  struct Member {
    OptimizerState<T> optimizer;
    std::int64_t epochs = 0;
  };

  Member& member_of(index_t member) { return members_[static_cast<std::size_t>(member)]; }
  const Member& member_of(index_t member) const {
    return members_[static_cast<std::size_t>(member)];
  }
  T* parameters_of(index_t member) {
    return parameters_->data() + member * network().parameter_count();
  }
  void reserve_workers(int count);
  // Runs task(worker, executor, number) for 0 .. tasks-1, together `work` multiply-adds. Rethrows
  // the first exception of a task; the tasks that run then stop as at an interruption.
  template <class Task>
  void run(Interrupt* interrupt, index_t tasks, double work, Task&& task);
  // `enter` copies the member's parameters and states to the worker, `leave` copies them back.
  void enter(Worker& worker, index_t member, bool trains);
  void leave(Worker& worker, index_t member, bool trains);
  template <class Body>
  void visit(Worker& worker, index_t member, bool trains, Body&& body);
  // A member's data: views, or copies of numbered rows in the worker's memory number `memory` (0 or
  // 1).
  static Data<T> rows_of(Worker& worker, const MemberData<T>& data, int memory);
  void fit_member(Worker& worker, Executor& executor, index_t member, const Members& data,
                  const Members* validation, const FitOptions& options, const Report& report,
                  std::int64_t* kept);

  // A member per lane (ensemble_lanes.cc). Whether the kernel takes the network and the loss at
  // all; batches of one row of the members begin .. end together.
  void choose_lanes();
  bool fits_lanes(index_t member) const;
  bool same_lanes(index_t a, index_t b, const Members& data) const;
  bool fits_lanes(index_t begin, index_t end, const Members& data) const;
  // All members: groups for the kernel, then the others one by one.
  std::vector<Numbers> groups_of(const Members& data, index_t batch_size) const;
  index_t lane_steps() const;  // that are made at once
  // Parameters and states of a group of members, (count, lanes).
  using Lanes = LaneArrays<T>;
  void reserve_lanes(Worker& worker);
  void enter_lanes(Lanes& to, const Numbers& group);
  void leave_lanes(const Lanes& from, const Numbers& group);
  // Single steps leave the parameters in the lanes, until a view may show them or another call
  // wants them: writes them to the members' own memory.
  void settle();
  struct Resident {
    bool valid = false;
    Numbers group;
    Lanes lanes;
  };
  void settle(Resident& resident);
  void shuffle_lanes(Worker& worker, const Numbers& group, index_t rows);
  // Steps begin .. end of an epoch of a group, in the order of `shuffle_lanes` if `shuffled`; adds
  // to the lanes' losses.
  void step_lanes(Worker& worker, Lanes& lanes, const Numbers& group, const Members& data,
                  bool shuffled, index_t begin, index_t end);
  void scalars_of_lanes(Worker& worker, const Numbers& group, LaneTraining<T>& p);
  void gather_lanes(Worker& worker, const Numbers& group, const Members& data, bool shuffled,
                    index_t begin, LaneTraining<T>& p);
  // The same of one step, of neighbours whose arrays follow each other.
  void gather_neighbours(Worker& worker, const Numbers& group, const Members& data,
                         LaneTraining<T>& p);
  void fit_lanes(Worker& worker, Executor& executor, const Numbers& group, const Members& data,
                 const Members* validation, const FitOptions& options, const Report& report);
  void train_lanes(Worker& worker, Resident& resident, index_t begin, index_t end,
                   const Members& data, double* losses);

  const KernelTables* tables_;
  NetworkSpec spec_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Member> members_;
  std::vector<Metric<T>> metrics_;
  std::unique_ptr<Objective<T>> objective_;
  std::vector<RowLayer> row_layers_;
  bool narrow_ = false;  // whether the kernel takes such layers and such a loss
  LaneLoss lane_loss_ = LaneLoss::squared;
  const OptimizerEntry<T>* lane_updates_[2] = {};  // by LaneUpdate
  std::vector<Resident> residents_;                // of each group of neighbours
  bool resident_ = false;                          // whether one may be valid
  bool optimizers_watched_ = false;
  index_t state_count_ = 0;
  std::shared_ptr<AlignedBuffer<T>> parameters_, states_;
};

template <class T>
template <class Body>
void Ensemble<T>::visit(Worker& worker, index_t member, bool trains, Body&& body) {
  enter(worker, member, trains);
  try {
    body();
  } catch (...) {
    leave(worker, member, trains);
    throw;
  }
  leave(worker, member, trains);
}

}  // namespace densecore
