#include "training/ensemble.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "base/dtypes.h"

namespace densecore {
namespace {

// Below this many multiply-adds the calling thread does all the work (see Executor).
constexpr double parallel_work = 1 << 20;
// Cost of copying a member to a worker and back, in multiply-adds; of a member in a lane, all of
// it.
constexpr double member_work = 4096, lane_work = 1536;

// How often threads check whether to stop, and how often the calling thread asks `interrupt`:
// Ctrl-C must take effect within 100 ms.
constexpr auto look_interval = std::chrono::milliseconds(5);
constexpr auto question_interval = std::chrono::milliseconds(40);

class Relay : public Interrupt {
 public:
  explicit Relay(const std::atomic<bool>& stop) : stop_(stop) {}
  bool requested() noexcept override { return stop_.load(std::memory_order_relaxed); }

 private:
  const std::atomic<bool>& stop_;
};

// For the calling thread: asks `interrupt` now and then, and checks whether another task has
// failed.
class Asker : public Interrupt {
 public:
  Asker(Interrupt* interrupt, std::atomic<bool>& stop) : interrupt_(interrupt), stop_(stop) {}
  bool requested() noexcept override {
    const auto now = Executor::Clock::now();
    if (interrupt_ != nullptr && now >= next_) {
      next_ = now + question_interval;
      if (interrupt_->requested()) interrupted = true, stop_.store(true);
    }
    return stop_.load(std::memory_order_relaxed);
  }
  bool interrupted = false;

 private:
  Interrupt* interrupt_;
  std::atomic<bool>& stop_;
  Executor::Clock::time_point next_ = Executor::Clock::now() + question_interval;
};

class Recorder : public EpochObserver {
 public:
  Recorder(const Report& report, index_t member) : report_(report), member_(member) {}
  void epoch_begin() override {}
  bool epoch_end(const EpochResult& result) override {
    report_.write(epoch_++, member_, result);
    return true;
  }

 private:
  const Report& report_;
  index_t member_, epoch_ = 0;
};

}  // namespace

template <class T>
Ensemble<T>::Ensemble(const KernelTables& tables, NetworkSpec spec, index_t members)
    : tables_(&tables), spec_(std::move(spec)) {
  if (members < 1 || members > max_width)
    throw std::invalid_argument("number of members: found " + std::to_string(members) +
                                ", wanted 1 to " + std::to_string(max_width));
  reserve_workers(1);
  for (const auto& layer : network().layers())
    for (const StateBlock<T>& block : layer->states())
      state_count_ += static_cast<index_t>(block.values->size());
  const auto make = [members](index_t count) {
    return std::make_shared<AlignedBuffer<T>>(static_cast<std::size_t>(members) *
                                              static_cast<std::size_t>(count));
  };
  parameters_ = make(network().parameter_count());
  states_ = make(state_count_);
  seeds.resize(static_cast<std::size_t>(members));
}

template <class T>
Ensemble<T>::~Ensemble() = default;

template <class T>
const Network<T>& Ensemble<T>::network() const {
  return *workers_.front()->network;
}

template <class T>
void Ensemble<T>::reserve_workers(int count) {
  while (static_cast<int>(workers_.size()) < count) {
    auto worker = std::make_unique<Worker>();
    worker->network = std::make_shared<Network<T>>(*tables_, spec_);
    workers_.push_back(std::move(worker));
  }
  if (!compiled()) return;
  for (int i = 0; i < count; ++i) {
    Worker& worker = *workers_[static_cast<std::size_t>(i)];
    if (worker.trainer == nullptr)
      worker.trainer = std::make_unique<Trainer<T>>(
          worker.network, *objective_, members_.front().optimizer.settings(), metrics_, 0);
  }
}

template <class T>
void Ensemble<T>::compile(const Objective<T>& objective,
                          const std::vector<std::shared_ptr<OptimizerSettings>>& settings,
                          std::vector<Metric<T>> metrics) {
  settle();
  residents_.clear();
  optimizers_watched_ = false;
  const index_t count = network().parameter_count();
  std::vector<Member> members;
  members.reserve(settings.size());
  for (index_t i = 0; i < size(); ++i)
    members.push_back({OptimizerState<T>(network().table(), settings[static_cast<std::size_t>(i)],
                                         parameters_of(i), count)});
  objective_ = std::make_unique<Objective<T>>(objective);
  metrics_ = std::move(metrics);
  members_ = std::move(members);
  for (auto& worker : workers_) worker->trainer.reset();
  choose_lanes();
}

template <class T>
template <class Task>
void Ensemble<T>::run(Interrupt* interrupt, index_t tasks, double work, Task&& task) {
  const int threads =
      work < parallel_work ? 1 : static_cast<int>(std::min<index_t>(tasks, thread_count()));
  reserve_workers(threads);
  if (threads == 1) {
    // A single member's products may still be cut into parts for the pool.
    Executor executor(interrupt);
    for (index_t i = 0; i < tasks; ++i) task(*workers_.front(), executor, i);
    return;
  }
  std::atomic<index_t> next{0}, finished{0};
  std::atomic<bool> stop{false}, caller_is_here{false};
  std::mutex mutex;
  std::exception_ptr error;
  Asker asker(interrupt, stop);
  parallel_for(threads, threads, [&](int, int thread) {
    Relay relay(stop);
    Interrupt* const ask = thread == 0 ? static_cast<Interrupt*>(&asker) : &relay;
    Executor executor(ask, look_interval);
    if (thread == 0) caller_is_here.store(true);
    for (index_t i; (i = next.fetch_add(1)) < tasks; finished.fetch_add(1)) {
      if (stop.load(std::memory_order_relaxed)) continue;
      try {
        task(*workers_[static_cast<std::size_t>(thread)], executor, i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        stop.store(true);
      }
    }
    // The calling thread must take part, as only it may ask `interrupt`; it goes on asking until
    // the other threads have finished.
    if (thread != 0)
      while (!caller_is_here.load()) std::this_thread::yield();
    for (int waits = 0; thread == 0 && finished.load() < tasks; ++waits) {
      if (waits < 1000)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      asker.requested();
    }
  });
  if (asker.interrupted) throw Interrupted{};
  if (error) std::rethrow_exception(error);
}

template <class T>
void Ensemble<T>::enter(Worker& worker, index_t member, bool trains) {
  std::copy_n(parameters_of(member), network().parameter_count(),
              worker.network->parameters()->data());
  const T* state = states_->data() + member * state_count_;
  for (const auto& layer : worker.network->layers())
    for (const StateBlock<T>& block : layer->states()) {
      std::copy_n(state, block.values->size(), block.values->data());
      state += block.values->size();
    }
  const std::uint64_t seed = seeds[static_cast<std::size_t>(member)];
  worker.network->seed = seed;
  if (!trains) return;
  std::swap(worker.trainer->optimizer(), member_of(member).optimizer);
  worker.trainer->epochs = member_of(member).epochs;
  worker.trainer->set_seed(seed);
}

template <class T>
void Ensemble<T>::leave(Worker& worker, index_t member, bool trains) {
  if (!trains) return;
  std::copy_n(worker.network->parameters()->data(), network().parameter_count(),
              parameters_of(member));
  T* state = states_->data() + member * state_count_;
  for (const auto& layer : worker.network->layers())
    for (const StateBlock<T>& block : layer->states())
      state = std::copy_n(block.values->data(), block.values->size(), state);
  std::swap(worker.trainer->optimizer(), member_of(member).optimizer);
  member_of(member).epochs = worker.trainer->epochs;
}

template <class T>
Data<T> Ensemble<T>::rows_of(Worker& worker, const MemberData<T>& given, int memory) {
  const Data<T>& data = given.data;
  if (given.rows == nullptr) return data;
  typename Worker::Copies& to = worker.copies[memory];
  const index_t count = given.count;
  const auto matrix = [&](MatrixView<const T> from, AlignedBuffer<T>& buffer) {
    reserve(buffer, count * from.cols);
    for (index_t i = 0; i < count; ++i)
      std::memcpy(buffer.data() + i * from.cols, from.row(given.rows[i]),
                  static_cast<std::size_t>(from.cols) * sizeof(T));
    return MatrixView<const T>(buffer.data(), count, from.cols);
  };
  Data<T> rows;
  rows.x = matrix(data.x, to.x);
  if (data.targets.values) rows.targets.values = matrix(data.targets.values, to.values);
  // With several outputs there may be several of each, one after another.
  const auto arrays = [&](const auto* from, index_t number, index_t distance, auto& buffer) {
    reserve(buffer, number * count);
    for (index_t k = 0; k < number; ++k)
      for (index_t i = 0; i < count; ++i)
        buffer.data()[k * count + i] = from[k * distance + given.rows[i]];
    return buffer.data();
  };
  const Targets<T>& targets = data.targets;
  rows.targets.label_arrays = targets.label_arrays;
  rows.targets.weight_arrays = targets.weight_arrays;
  if (targets.label_distance != 0) rows.targets.label_distance = count;
  if (targets.weight_distance != 0) rows.targets.weight_distance = count;
  if (targets.labels != nullptr)
    rows.targets.labels =
        arrays(targets.labels, targets.label_arrays, targets.label_distance, to.labels);
  if (targets.weight != nullptr)
    rows.targets.weight =
        arrays(targets.weight, targets.weight_arrays, targets.weight_distance, to.weight);
  return rows;
}

template <class T>
void Ensemble<T>::fit_member(Worker& worker, Executor& executor, index_t member,
                             const Members& data, const Members* validation,
                             const FitOptions& options, const Report& report, std::int64_t* kept) {
  const Data<T> training = rows_of(worker, data.of(member), 0);
  Data<T> held_out;
  if (validation != nullptr) held_out = rows_of(worker, validation->of(member), 1);
  Recorder recorder(report, member);
  visit(worker, member, true, [&] {
    const std::int64_t epoch = worker.trainer->fit(
        executor, training, validation == nullptr ? nullptr : &held_out, options, recorder);
    if (kept != nullptr) kept[member] = epoch;
  });
}

template <class T>
void Ensemble<T>::fit(Interrupt* interrupt, const Members& data, const Members* validation,
                      const FitOptions& options, const Report& report, std::int64_t* kept) {
  settle();
  // Lanes make their steps together, and cannot keep another epoch each.
  std::vector<Numbers> groups;
  if (options.best == nullptr)
    groups = groups_of(data, options.batch_size);
  else
    for (index_t i = 0; i < size(); ++i) groups.push_back({i});
  if (kept != nullptr) std::fill_n(kept, size(), options.epochs - 1);
  run(interrupt, static_cast<index_t>(groups.size()), 2 * parallel_work,
      [&](Worker& worker, Executor& executor, index_t number) {
        const Numbers& group = groups[static_cast<std::size_t>(number)];
        if (group.size() > 1)
          fit_lanes(worker, executor, group, data, validation, options, report);
        else
          fit_member(worker, executor, group.front(), data, validation, options, report, kept);
      });
}

template <class T>
void Ensemble<T>::train(Interrupt* interrupt, const Members& data, double* losses) {
  const index_t lanes = network().table().lanes;
  const index_t rows = data.size_of(0);
  // Neighbours may share a vector; the task checks whether they fit.
  const index_t together = narrow_ && rows == 1 ? lanes : 1;
  if (together == 1)
    settle();
  else
    residents_.resize(static_cast<std::size_t>(divide_up(size(), lanes)));
  resident_ = together > 1;
  const double work = static_cast<double>(size()) *
                      ((together > 1 ? lane_work : member_work) + 3 * network().forward_work(rows));
  run(interrupt, divide_up(size(), together), work,
      [&](Worker& worker, Executor& executor, index_t number) {
        const index_t begin = number * together, end = std::min(begin + together, size());
        if (together > 1) {
          Resident& resident = residents_[static_cast<std::size_t>(number)];
          if (fits_lanes(begin, end, data))
            return train_lanes(worker, resident, begin, end, data, losses);
          settle(resident);
        }
        for (index_t i = begin; i < end; ++i)
          visit(worker, i, true, [&] {
            RunningMetrics<T> running_metrics(*objective_, {});
            worker.trainer->train_batch(executor, rows_of(worker, data.of(i), 0), running_metrics);
            losses[i] = running_metrics.results().front();
          });
      });
}

template <class T>
void Ensemble<T>::evaluate(Interrupt* interrupt, const Members& data, const Report& report) {
  settle();
  run(interrupt, size(), 2 * parallel_work, [&](Worker& worker, Executor& executor, index_t i) {
    visit(worker, i, false, [&] {
      report.write(0, i, {worker.trainer->evaluate(executor, rows_of(worker, data.of(i), 1)), {}});
    });
  });
}

template <class T>
void Ensemble<T>::predict(Interrupt* interrupt, const std::vector<MatrixView<const T>>& x,
                          MatrixView<T> out) {
  settle();
  const index_t rows = out.rows / size();
  const double work = static_cast<double>(size()) * (member_work + network().forward_work(rows));
  run(interrupt, size(), work, [&](Worker& worker, Executor& executor, index_t i) {
    visit(worker, i, false, [&] {
      worker.network->predict(executor, x[x.size() == 1 ? 0 : static_cast<std::size_t>(i)],
                              out.slice(i * rows, (i + 1) * rows));
    });
  });
}

template <class T>
void Ensemble<T>::finish_training() {
  settle();
  for (index_t i = 0; i < size(); ++i)
    member_of(i).optimizer.finish(parameters_of(i), network().trained());
}

#define DENSECORE_INSTANTIATE(T, ...) template class Ensemble<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
