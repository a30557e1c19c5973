// Heads of distributions over NumPy arrays.
#include <cmath>
#include <memory>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "bindings/head_arrays.h"
#include "bindings/kernels_of.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"
#include "objectives/categorical_rows.h"
#include "objectives/normal_rows.h"
#include "objectives/policy.h"

namespace densecore::bindings {
namespace {

ArrayFunctions functions_of(const py::object& isa) { return ArrayFunctions(kernels_of(isa)); }

// Heads of many numbers are computed without the GIL: they are copies, which no call changes. One
// takes some 30 multiply-adds' time.
template <class H, class Body>
auto computed(const H& head, Body&& body) {
  if (30.0 * static_cast<double>(head.rows() * head.cols()) < released_work) return body();
  const ReleasedGil release;
  return body();
}

// The head's own arrays, of its dtype.
class DistributionHead : public CoreObject {
 public:
  bool single() const { return single_; }

 protected:
  explicit DistributionHead(bool single) : single_(single) {}
  py::array shown_rows(const Numbers& numbers) const { return vector_of(numbers, single_); }

  bool single_;
};

template <class H>
void check_alike(const H& one, const H& other) {
  if (one.rows().rows() == other.rows().rows() && one.rows().cols() == other.rows().cols() &&
      one.single() == other.single())
    return;
  const auto text = [](const H& head) {
    return "(" + std::to_string(head.rows().rows()) + ", " + std::to_string(head.rows().cols()) +
           ") of " + (head.single() ? "float32" : "float64");
  };
  throw std::invalid_argument("kl: found a distribution " + text(other) + ", wanted one " +
                              text(one));
}

class PyNormal : public DistributionHead {
 public:
  using Action = Numbers;
  using Gradient = NormalGradient;

  PyNormal(const py::object& loc, const py::object& log_scale, double lowest, double highest,
           bool squashed, const py::object& isa)
      : DistributionHead(is_single("loc", loc)),
        rows_(made(loc, log_scale, lowest, highest, squashed, isa)) {}

  py::tuple sample(std::uint64_t seed) const {
    Numbers noise, action, log_prob;
    computed(rows_, [&] {
      noise = rows_.noise(seed);
      rows_.sample(noise, action, log_prob);
    });
    return py::make_tuple(matrix_of(action, rows_.rows(), rows_.cols(), single_),
                          shown_rows(log_prob),
                          matrix_of(noise, rows_.rows(), rows_.cols(), false));
  }
  py::array mode() const {
    Numbers action, log_prob;
    computed(rows_, [&] {
      const Numbers none(static_cast<std::size_t>(rows_.rows() * rows_.cols()));
      rows_.sample(none, action, log_prob);
    });
    return matrix_of(action, rows_.rows(), rows_.cols(), single_);
  }
  py::object sample_gradient(const py::object& noise, const py::object& by_action,
                             const py::object& by_log_prob) const {
    const index_t rows = rows_.rows(), cols = rows_.cols();
    Numbers action, log_prob;
    if (!by_action.is_none()) {
      action = matrix_numbers("by_action", by_action, rows, cols, single_);
      check_range("by_action", action, cols, -largest_number, largest_number, "finite numbers");
    }
    if (!by_log_prob.is_none())
      log_prob = vector_numbers("by_log_prob", by_log_prob, rows, single_);
    const Numbers drawn = matrix_numbers("noise", noise, rows, cols, false);
    return shown(computed(rows_, [&] { return rows_.sample_gradient(drawn, action, log_prob); }));
  }
  Action action(const py::object& given) const {
    Numbers found = matrix_numbers("action", given, rows_.rows(), rows_.cols(), single_);
    if (rows_.squashed())
      check_range("action", found, rows_.cols(), -1, 1, "numbers from -1 to 1");
    else
      check_range("action", found, rows_.cols(), -largest_number, largest_number, "finite numbers");
    return found;
  }
  py::tuple divergence_gradient(const PyNormal& other, const py::object& weight) const {
    check_alike(*this, other);
    NormalGradient own, others;
    const Numbers factors = vector_numbers("weight", weight, rows_.rows(), single_);
    computed(rows_, [&] { rows_.divergence_gradient(other.rows_, factors, own, others); });
    return py::make_tuple(shown(own), other.shown(others));
  }

  // (loc, log_scale): a head of these, of the same limits, is the same.
  py::tuple parameters() const {
    const index_t rows = rows_.rows(), cols = rows_.cols();
    const Numbers scales = rows_.unlimited_log_scale();
    py::array loc = matrix_of(rows_.loc(), rows, cols, single_);
    if (shared_) return py::make_tuple(loc, shown_rows(scales));
    return py::make_tuple(loc, matrix_of(scales, rows, cols, single_));
  }

  const NormalRows& rows() const { return rows_; }
  // One array (rows, 2 cols), by loc and by log_scale side by side; where rows share their scale, a
  // pair (rows, cols), (cols,).
  py::object shown(const NormalGradient& gradient) const {
    const index_t rows = rows_.rows(), cols = rows_.cols();
    if (shared_)
      return py::make_tuple(matrix_of(gradient.loc, rows, cols, single_),
                            shown_rows(gradient.log_scale));
    py::array both = new_array({rows, 2 * cols}, single_);
    fill(both, 0, gradient.loc, rows, cols, single_);
    fill(both, cols, gradient.log_scale, rows, cols, single_);
    return both;
  }

 private:
  NormalRows made(const py::object& loc, const py::object& log_scale, double lowest, double highest,
                  bool squashed, const py::object& isa) {
    HeadRows means = rows_of("loc", loc, single_);
    shared_ = py::isinstance<py::array>(log_scale) &&
              py::reinterpret_borrow<py::array>(log_scale).ndim() == 1;
    HeadRows scales =
        shared_
            ? HeadRows{1, means.cols, vector_numbers("log_scale", log_scale, means.cols, single_)}
            : rows_of("log_scale", log_scale, single_);
    if (!shared_ && (scales.rows != means.rows || scales.cols != means.cols))
      wrong_shape("log_scale", py::reinterpret_borrow<py::array>(log_scale),
                  {means.rows, means.cols});
    return NormalRows(functions_of(isa), {means.rows, means.cols, scales.rows, squashed, single_},
                      std::move(means.numbers), std::move(scales.numbers), lowest, highest);
  }

  bool shared_ = false;  // before rows_, which sets it
  NormalRows rows_;
};

class PyCategorical : public DistributionHead {
 public:
  using Action = std::vector<std::int32_t>;
  using Gradient = Numbers;

  PyCategorical(const py::object& logits, const py::object& isa)
      : DistributionHead(is_single("logits", logits)), rows_(made(logits, isa)) {}

  py::tuple probabilities() const {
    return py::make_tuple(shown(rows_.probabilities()), shown(rows_.log_probabilities()));
  }
  py::array sample(std::uint64_t seed) const {
    return numbered(computed(rows_, [&] { return rows_.sample(seed); }));
  }
  py::array mode() const {
    return numbered(computed(rows_, [&] { return rows_.mode(); }));
  }
  Action action(const py::object& given) const {
    Action classes;
    read_labels("action", given, rows_.rows(), rows_.cols(), classes);
    return classes;
  }
  py::tuple divergence_gradient(const PyCategorical& other, const py::object& weight) const {
    check_alike(*this, other);
    Numbers own, others;
    const Numbers factors = vector_numbers("weight", weight, rows_.rows(), single_);
    computed(rows_, [&] { rows_.divergence_gradient(other.rows_, factors, own, others); });
    return py::make_tuple(shown(own), shown(others));
  }

  // (log_probabilities, probabilities) in double precision, and whether the logits were float32.
  py::tuple state() const {
    const index_t rows = rows_.rows(), cols = rows_.cols();
    return py::make_tuple(matrix_of(rows_.log_probabilities(), rows, cols, false),
                          matrix_of(rows_.probabilities(), rows, cols, false), single_);
  }
  static std::unique_ptr<PyCategorical> from_state(const py::object& log_p, const py::object& p,
                                                   bool single) {
    HeadRows logarithms = rows_of("log_probabilities", log_p, false);
    Numbers probabilities =
        matrix_numbers("probabilities", p, logarithms.rows, logarithms.cols, false);
    return std::unique_ptr<PyCategorical>(new PyCategorical(
        single, CategoricalRows(functions_of(py::none()), logarithms.rows, logarithms.cols,
                                std::move(logarithms.numbers), std::move(probabilities))));
  }

  const CategoricalRows& rows() const { return rows_; }
  py::object shown(const Numbers& gradient) const {
    return matrix_of(gradient, rows_.rows(), rows_.cols(), single_);
  }

 private:
  PyCategorical(bool single, CategoricalRows rows)
      : DistributionHead(single), rows_(std::move(rows)) {}

  CategoricalRows made(const py::object& logits, const py::object& isa) const {
    HeadRows found = rows_of("logits", logits, single_);
    return CategoricalRows(functions_of(isa), found.rows, found.cols, std::move(found.numbers));
  }
  static py::array numbered(const std::vector<std::int64_t>& classes) {
    return py::array_t<std::int64_t>(static_cast<index_t>(classes.size()), classes.data());
  }

  CategoricalRows rows_;
};

template <class H>
py::array log_prob(const H& head, const py::object& action) {
  const typename H::Action actions = head.action(action);
  return vector_of(computed(head.rows(), [&] { return head.rows().log_prob(actions); }),
                   head.single());
}
template <class H>
py::object log_prob_gradient(const H& head, const py::object& action, const py::object& weight) {
  const typename H::Action actions = head.action(action);
  const Numbers factors = vector_numbers("weight", weight, head.rows().rows(), head.single());
  return head.shown(
      computed(head.rows(), [&] { return head.rows().log_prob_gradient(actions, factors); }));
}
template <class H>
py::array entropy(const H& head) {
  return vector_of(computed(head.rows(), [&] { return head.rows().entropy(); }), head.single());
}
template <class H>
py::object entropy_gradient(const H& head, const py::object& weight) {
  const Numbers factors = vector_numbers("weight", weight, head.rows().rows(), head.single());
  return head.shown(computed(head.rows(), [&] { return head.rows().entropy_gradient(factors); }));
}
template <class H>
py::array divergence(const H& head, const H& other) {
  check_alike(head, other);
  return vector_of(computed(head.rows(), [&] { return head.rows().divergence(other.rows()); }),
                   head.single());
}

// (loss, mean entropy, divergence, clipped, gradient).
template <class H>
py::tuple policy_loss(const H& head, const py::object& action, const py::object& before,
                      const py::object& advantage, double clip, double bonus) {
  const index_t rows = head.rows().rows();
  if (rows == 0) throw std::invalid_argument("actions: found no rows, wanted at least one");
  const typename H::Action actions = head.action(action);
  const Numbers gain = vector_numbers("advantages", advantage, rows, head.single());
  const Numbers earlier =
      before.is_none() ? Numbers() : vector_numbers("old_log_prob", before, rows, head.single());
  typename H::Gradient gradient;
  const bool clipped = !before.is_none();
  const PolicyLoss found = computed(head.rows(), [&] {
    return densecore::policy_loss(head.rows(), actions, clipped ? &earlier : nullptr, gain, clip,
                                  bonus, gradient);
  });
  return py::make_tuple(found.loss, found.entropy, found.divergence, found.clipped,
                        head.shown(gradient));
}

// The methods of both heads.
template <class H>
constexpr MemberRow head_rows[] = {
    method<&log_prob<H>>("log_prob(action)",
                         "The logarithm of each row's density or probability, (rows,)."),
    method<&log_prob_gradient<H>>(
        "log_prob_gradient(action, weight)",
        "Its derivatives by the parameters, each row's times its weight."),
    method<&H::sample>(
        "sample(seed)",
        "A class for each row; of normal numbers (actions, their log_prob, the noise)."),
    method<&H::mode>("mode()", "The most likely action of each row."),
    method<&entropy<H>>("entropy()", "The entropy of each row, (rows,)."),
    method<&entropy_gradient<H>>("entropy_gradient(weight)",
                                 "Its derivatives by the parameters, each row's times its weight."),
    method<&divergence<H>>("divergence(other)",
                           "Kullback and Leibler's divergence from another one, (rows,)."),
    method<&H::divergence_gradient>("divergence_gradient(other, weight)",
                                    "Its derivatives by these parameters and by the other's."),
    method<&policy_loss<H>>("policy_loss(action, before, advantage, clip, entropy)",
                            "(loss, mean entropy, divergence, clipped share, gradient) of the "
                            "clipped surrogate, or with None for `before` of the policy gradient."),
};
constexpr MemberRow normal_rows[] = {
    method<&PyNormal::sample_gradient>(
        "sample_gradient(noise, by_action, by_log_prob)",
        "The derivatives of a cost by the parameters, from those by a sample and its log_prob."),
    method<&PyNormal::parameters>(
        "parameters()", "(loc, log_scale), of which an equal one is made with the same limits."),
};
constexpr MemberRow categorical_rows[] = {
    method<&PyCategorical::state>("state()",
                                  "(log_probabilities, probabilities) in double precision, and "
                                  "whether the logits were float32."),
    function<&PyCategorical::from_state>("from_state(log_probabilities, probabilities, single)",
                                         "That of a `state`."),
    method<&PyCategorical::probabilities>(
        "probabilities()", "The classes' probabilities (rows, classes), and their logarithms."),
};
constexpr MemberRow made_normal =
    constructor<PyNormal, const py::object&, const py::object&, double, double, bool,
                const py::object&>("Normal(loc, log_scale, lowest, highest, squashed, isa=None)");
constexpr MemberRow made_categorical =
    constructor<PyCategorical, const py::object&, const py::object&>(
        "Categorical(logits, isa=None)");

}  // namespace

void register_distributions(py::module_& module) {
  const py::handle normal = core_class<PyNormal>(
      module, "Normal", "Rows of independent normal numbers, or of their tanh.", &made_normal);
  add_rows(normal, table_of_rows<head_rows<PyNormal>>());
  add_rows(normal, table_of_rows<normal_rows>());
  const py::handle categorical = core_class<PyCategorical>(
      module, "Categorical", "Rows of classes with given logits.", &made_categorical);
  add_rows(categorical, table_of_rows<head_rows<PyCategorical>>());
  add_rows(categorical, table_of_rows<categorical_rows>());
}

}  // namespace densecore::bindings
