// An ensemble on NumPy arrays.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bindings/array_snapshot.h"
#include "bindings/arrays.h"
#include "bindings/batch_arrays.h"
#include "bindings/gil.h"
#include "bindings/kernels_of.h"
#include "bindings/metric.h"
#include "bindings/settings.h"
#include "bindings/specs.h"
#include "training/ensemble.h"

namespace densecore::bindings {

template <class T>
class PyEnsemble : public TypedObject<T> {
 public:
  PyEnsemble(index_t inputs, const std::vector<py::dict>& layers, index_t members,
             const py::object& isa) {
    ensemble_ =
        std::make_unique<Ensemble<T>>(kernels_of(isa), network_spec_of(inputs, layers), members);
  }

  UseMark& mark() { return mark_; }

  // The following is refused while another thread uses the ensemble: a member that is in training
  // has its parameters and its optimizer's state elsewhere.
  py::array parameters() const {
    mark_.check_free();
    return view_of<T>(ensemble_->parameters(), 0,
                      {ensemble_->size(), ensemble_->network().parameter_count()});
  }
  py::array states() const {
    mark_.check_free();
    return view_of<T>(ensemble_->states(), 0, {ensemble_->size(), ensemble_->state_count()});
  }
  const std::vector<std::uint64_t>& seeds() const {
    mark_.check_free();
    return ensemble_->seeds;
  }
  void set_seeds(const std::vector<std::uint64_t>& seeds) {
    mark_.check_free();
    check_members("seeds", seeds.size());
    ensemble_->seeds = seeds;
  }

  void compile(const std::string& loss, const std::string& reduction,
               const std::vector<py::object>& optimizers, const py::list& metric_specs,
               bool from_logits, const std::vector<double>& loss_parameters) {
    const InUse in_use(mark_);
    check_members("optimizers", optimizers.size());
    const NetworkSpec& spec = ensemble_->network().spec();
    const Objective<T> objective(table(), loss, reduction_of(reduction), spec.last_activation(),
                                 spec.outputs(), from_logits, loss_parameters);
    ensemble_->compile(objective, settings_of(optimizers),
                       metrics_of(metric_specs, table(), objective, spec.outputs()));
  }

  // A loss for each of several outputs.
  void compile_heads(const std::vector<py::dict>& heads, const std::vector<py::object>& optimizers,
                     const py::list& metric_specs) {
    const InUse in_use(mark_);
    check_members("optimizers", optimizers.size());
    const Objective<T> objective =
        objective_of_heads<T>(table(), ensemble_->network().spec(), heads);
    std::vector<Metric<T>> metrics;
    for (const py::handle description : metric_specs)
      metrics.push_back(metric_of_head(description, table(), objective.heads()));
    ensemble_->compile(objective, settings_of(optimizers), std::move(metrics));
  }

  py::dict optimizer_states(index_t member) {
    mark_.check_free();
    OptimizerState<T>& optimizer = ensemble_->optimizer(checked_member(member));
    ensemble_->watch_optimizers();
    py::dict views;
    const index_t count = ensemble_->network().parameter_count();
    index_t offset = 0;
    for (const std::string& name : optimizer_state_names(*optimizer.settings())) {
      views[py::str(name)] = view_of<T>(optimizer.states(), offset, {count});
      offset += count;
    }
    return views;
  }
  // (steps, epochs) of all members.
  py::tuple progress() {
    mark_.check_free();
    check_compiled();
    py::list steps, epochs;
    for (index_t i = 0; i < ensemble_->size(); ++i) {
      steps.append(ensemble_->optimizer(i).steps);
      epochs.append(ensemble_->epochs(i));
    }
    return py::make_tuple(steps, epochs);
  }
  void set_progress(index_t member, std::int64_t steps, std::int64_t epochs) {
    mark_.check_free();
    ensemble_->optimizer(checked_member(member)).steps = steps;
    ensemble_->epochs(member) = epochs;
  }

  // Lists of arrays: one for all members, or one each. `rows`: None, or an array of row numbers for
  // each member. `report` (epochs, values, members).
  // `best`: None, or (number of the monitored value, whether more is better, patience or 0) to keep
  // each member's best epoch. Returns the epochs that the members' parameters are of (members,).
  py::array_t<std::int64_t> fit(const py::tuple& data, const py::object& validation,
                                std::int64_t epochs, index_t batch_size, bool shuffle,
                                const py::object& report, const py::object& best) {
    const InUse in_use(mark_);
    check_compiled();
    Lists training, held_out;
    BorrowedArrays arrays;
    read(data, training, arrays);
    const bool validated = !validation.is_none();
    if (validated) read(validation.cast<py::tuple>(), held_out, arrays);
    const Report to = report_of(report, epochs, ensemble_->reported() * (validated ? 2 : 1));
    BestEpoch kept_best;
    FitOptions options{epochs, batch_size, shuffle};
    if (!best.is_none()) {
      const auto given = best.cast<py::tuple>();
      kept_best = {given[0].cast<std::size_t>(), given[1].cast<bool>(),
                   given[2].cast<std::int64_t>()};
      if (!validated || kept_best.value >= static_cast<std::size_t>(ensemble_->reported()))
        throw std::invalid_argument("best: wanted a number of the validation");
      options.best = &kept_best;
    }
    py::array_t<std::int64_t> kept(ensemble_->size());
    std::int64_t* const to_kept = kept.mutable_data();
    run([&](Interrupt* interrupt) {
      ensemble_->fit(interrupt, training.members, validated ? &held_out.members : nullptr, options,
                     to, to_kept);
    });
    return kept;
  }
  void evaluate(const py::tuple& data, const py::object& report) {
    const InUse in_use(mark_);
    check_compiled();
    Lists given;
    BorrowedArrays arrays;
    read(data, given, arrays);
    const Report to = report_of(report, 1, ensemble_->reported());
    run([&](Interrupt* interrupt) { ensemble_->evaluate(interrupt, given.members, to); });
  }

  // x (rows, inputs) for all, or (members, rows, inputs); and so y and the weights.
  py::object train_on_batch(const py::object& x, const py::object& y, const py::object& weight) {
    const InUse in_use(mark_);
    check_compiled();
    read_batch(x, y, weight);
    py::array_t<double> losses(ensemble_->size());
    double* const to = losses.mutable_data();
    run([&](Interrupt* interrupt) { ensemble_->train(interrupt, batch_.members, to); });
    return losses;
  }

  py::object predict(const py::object& x, const py::object& out) {
    const InUse in_use(mark_);
    const index_t inputs = ensemble_->network().inputs(), size = ensemble_->size();
    const bool each = dimensions(x) == 3;
    const py::array array =
        each ? checked<T>("x", x, {size, any, inputs}) : checked<T>("x", x, {any, inputs});
    const index_t rows = array.shape(each ? 1 : 0), outputs = ensemble_->network().outputs();
    const auto* from = static_cast<const T*>(array.data());
    std::vector<MatrixView<const T>> views;
    for (index_t i = 0; i < (each ? size : 1); ++i)
      views.push_back({from + i * rows * inputs, rows, inputs});
    const py::object result =
        out.is_none() ? py::object(py::array_t<T>({size, rows, outputs})) : out;
    py::array to = checked<T>("out", result, {size, rows, outputs}, true);
    const MatrixView<T> view(static_cast<T*>(to.mutable_data()), size * rows, outputs);
    refuse_overlap("out", view, "x", MatrixView<const T>(from, (each ? size : 1) * rows, inputs));
    if (!out.is_none()) refuse_parameters(view, *ensemble_->parameters());
    run([&](Interrupt* interrupt) { ensemble_->predict(interrupt, views, view); });
    return result;
  }

  void finish_training() {
    const InUse in_use(mark_);
    check_compiled();
    ensemble_->finish_training();
  }

 private:
  // The arrays that were read, with the copies that they refer to.
  struct Lists {
    typename Ensemble<T>::Members members;
    std::vector<std::vector<std::int32_t>> labels;
    std::vector<std::vector<std::int64_t>> rows;
  };

  static std::vector<std::shared_ptr<OptimizerSettings>> settings_of(
      const std::vector<py::object>& optimizers) {
    std::vector<std::shared_ptr<OptimizerSettings>> found;
    for (const py::object& optimizer : optimizers)
      found.push_back(object_of<PySettings>("optimizers", optimizer).settings);
    return found;
  }
  const KernelTable<T>& table() const { return ensemble_->network().table(); }
  void check_members(const char* name, std::size_t found) const {
    if (static_cast<index_t>(found) != ensemble_->size())
      throw std::invalid_argument(std::string(name) + ": found " + std::to_string(found) +
                                  ", wanted one for each of " + std::to_string(ensemble_->size()) +
                                  " members");
  }
  index_t checked_member(index_t member) const {
    check_compiled();
    if (member < 0 || member >= ensemble_->size())
      throw std::invalid_argument("member: found " + std::to_string(member) + ", wanted 0 to " +
                                  std::to_string(ensemble_->size() - 1));
    return member;
  }
  void check_compiled() const {
    if (!ensemble_->compiled())
      throw std::runtime_error("the ensemble is not compiled: call compile(optimizers, loss)");
  }
  static index_t dimensions(const py::object& array) {
    return py::isinstance<py::array>(array) ? py::reinterpret_borrow<py::array>(array).ndim() : 0;
  }
  Report report_of(const py::object& report, index_t epochs, index_t values) const {
    py::array array = checked<double>("report", report, {epochs, values, ensemble_->size()}, true);
    return {static_cast<double*>(array.mutable_data()), values, ensemble_->size()};
  }

  // (xs, ys, weights or None, rows or None)
  void read(const py::tuple& data, Lists& lists, BorrowedArrays& arrays) const {
    const auto xs = data[0].cast<py::list>(), ys = data[1].cast<py::list>();
    const bool weighted = !data[2].is_none(), numbered = !data[3].is_none();
    const py::list weights = weighted ? data[2].cast<py::list>() : py::list();
    const py::list rows = numbered ? data[3].cast<py::list>() : py::list();
    const std::size_t members = std::max({xs.size(), ys.size(), weights.size(), rows.size()});
    for (const py::list* list : {&xs, &ys, &weights, &rows})
      if (list->size() > 1) check_members("data", list->size());
    lists.labels.resize(ys.size());
    lists.rows.resize(rows.size());
    const auto borrow = [&](const char* name, const py::list& list) {
      for (const py::handle array : list)
        arrays.add(name, py::reinterpret_borrow<py::object>(array));
    };
    borrow("x", xs);
    borrow("y", ys);
    borrow("sample_weight", weights);
    for (std::size_t i = 0; i < members; ++i) {
      const auto of = [i](const py::list& list) -> py::object {
        return list[list.size() == 1 ? 0 : i];
      };
      MemberData<T> member;
      member.data.x = input_matrix<T>("x", of(xs), any, ensemble_->network().inputs());
      if (xs.size() > 1 || i == 0) ensemble_->network().check_numbers(member.data.x);
      const index_t count = member.data.x.rows;
      // Those of all members are read once, unless they do not fit this one's rows.
      const bool own = ys.size() > 1 || i == 0 || count != lists.members.list.front().data.x.rows;
      member.data.targets = own ? targets_of(ensemble_->network(), ensemble_->objective(), of(ys),
                                             count, lists.labels[ys.size() == 1 ? 0 : i])
                                : lists.members.list.front().data.targets;
      if (weighted) set_weights(ensemble_->objective(), member.data.targets, of(weights), count);
      if (numbered) {
        // A copy, which is checked: the array may be changed while its numbers are used.
        const py::array numbers = checked<std::int64_t>("indices", of(rows), {any});
        const auto* const from = static_cast<const std::int64_t*>(numbers.data());
        auto& copy = lists.rows[rows.size() == 1 ? 0 : i];
        copy.assign(from, from + numbers.shape(0));
        member.rows = copy.data();
        member.count = numbers.shape(0);
        check_rows(member, count);
      }
      if (member.size() == 0) throw std::invalid_argument("x: found no rows, wanted at least one");
      lists.members.list.push_back(member);
    }
  }

  void read_batch(const py::object& x, const py::object& y, const py::object& weight) {
    const index_t size = ensemble_->size(), inputs = ensemble_->network().inputs();
    const bool sparse = ensemble_->objective().sparse();
    const bool each_x = dimensions(x) == 3, each_y = dimensions(y) == (sparse ? 2 : 3);
    const bool each_weight = dimensions(weight) == 2;
    index_t weight_step = 0;  // from a member's to the next one's
    const py::array xs =
        each_x ? checked<T>("x", x, {size, any, inputs}) : checked<T>("x", x, {any, inputs});
    const index_t rows = xs.shape(each_x ? 1 : 0);
    if (rows == 0) throw std::invalid_argument("x: found no rows, wanted at least one");
    MemberData<T> first;
    first.data.x = {static_cast<const T*>(xs.data()), rows, inputs};
    ensemble_->network().check_numbers({first.data.x.data, xs.size() / inputs, inputs});
    const index_t columns = ensemble_->objective().target_columns();
    const auto heads = static_cast<index_t>(ensemble_->objective().heads().size());
    if (heads > 0) {
      const py::array ys =
          each_y ? checked<T>("y", y, {size, rows, columns}) : checked<T>("y", y, {rows, columns});
      batch_.labels.resize(1);
      first.data.targets = targets_of(ensemble_->network(), ensemble_->objective(),
                                      each_y ? ys.attr("reshape")(-1, columns) : py::object(ys),
                                      each_y ? size * rows : rows, batch_.labels.front());
      first.data.targets.values.rows = rows;
    } else if (sparse) {
      batch_.labels.resize(1);
      const py::object flat = each_y ? y.attr("reshape")(-1) : y;
      read_labels("y", flat, each_y ? size * rows : rows, ensemble_->network().outputs(),
                  batch_.labels.front());
      first.data.targets.labels = batch_.labels.front().data();
    } else {
      const py::array ys =
          each_y ? checked<T>("y", y, {size, rows, columns}) : checked<T>("y", y, {rows, columns});
      first.data.targets.values = {static_cast<const T*>(ys.data()), rows, columns};
      check_targets(ensemble_->objective().loss(),
                    {first.data.targets.values.data, ys.size() / columns, columns});
    }
    const bool by_head = heads > 0 && dimensions(weight) == 3;
    if (by_head) {  // (members, heads, rows), or (1, heads, rows) for all
      const py::array weights = checked<T>("sample_weight", weight, {any, heads, rows});
      if (weights.shape(0) != 1)
        check_members("sample_weight", static_cast<std::size_t>(weights.shape(0)));
      first.data.targets.weight = static_cast<const T*>(weights.data());
      first.data.targets.weight_arrays = heads;
      first.data.targets.weight_distance = rows;
      weight_step = weights.shape(0) == 1 ? 0 : heads * rows;
      check_weights(first.data.targets.weight, weights.size());
    } else if (!weight.is_none()) {
      const py::array weights = each_weight ? checked<T>("sample_weight", weight, {size, rows})
                                            : checked<T>("sample_weight", weight, {rows});
      first.data.targets.weight = static_cast<const T*>(weights.data());
      check_weights(first.data.targets.weight, weights.size());
      weight_step = each_weight ? rows : 0;
    }
    batch_.members = {{first},
                      each_x ? rows * inputs : 0,
                      each_y && !sparse ? rows * columns : 0,
                      each_y ? rows : 0,
                      weight_step};
  }

  static void check_rows(const MemberData<T>& member, index_t count) {
    for (index_t i = 0; i < member.count; ++i)
      if (member.rows[i] < 0 || member.rows[i] >= count)
        throw std::invalid_argument("indices: found row " + std::to_string(member.rows[i]) +
                                    ", wanted 0 to " + std::to_string(count - 1));
  }

  // Always without the GIL: other threads may want it, for schedules and metrics that are
  // functions. The ensemble is marked as in use.
  template <class Body>
  static void run(Body&& body) {
    run_interruptible(body);
  }

  std::unique_ptr<Ensemble<T>> ensemble_;
  UseMark mark_;
  Lists batch_;
};

}  // namespace densecore::bindings
