// Losses of actions' values, and advantages, over NumPy arrays.
#include <vector>

#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/head_arrays.h"
#include "bindings/register.h"
#include "objectives/policy.h"

namespace densecore::bindings {
namespace {

py::tuple td_loss(const py::object& values, const py::object& action, const py::object& target,
                  const py::object& weight, double delta) {
  const bool single = is_single("values", values);
  const HeadRows given = rows_of("values", values, single);
  if (given.rows == 0) throw std::invalid_argument("values: found no rows, wanted at least one");
  check_range("values", given.numbers, given.cols, -largest_number, largest_number,
              "finite numbers");
  std::vector<std::int32_t> actions;
  read_labels("actions", action, given.rows, given.cols, actions);
  Numbers gradient, errors;
  const double loss = action_value_loss(
      given.numbers, given.cols, actions, vector_numbers("targets", target, given.rows, single),
      weight.is_none() ? Numbers() : vector_numbers("sample_weight", weight, given.rows, single),
      delta, gradient, errors);
  return py::make_tuple(loss, matrix_of(gradient, given.rows, given.cols, single),
                        vector_of(errors, single));
}

std::vector<char> flags(const char* name, const py::object& given, index_t size) {
  const py::array array = checked<bool>(name, given, {size});
  const auto* const data = static_cast<const bool*>(array.data());
  return {data, data + size};
}

// See `advantages`: all arrays are (steps, runs) as vectors.
py::array policy_advantages(index_t runs, const py::object& rewards, const py::object& values,
                            const py::object& terminated, const py::object& truncated,
                            const py::object& after_cut, double discount, double lambda) {
  const index_t size = checked<double>("rewards", rewards, {any}).size();
  if (runs < 1 || size % runs != 0)
    throw std::invalid_argument("runs: found a number that does not divide the rewards");
  return vector_of(
      advantages(
          runs, vector_numbers("rewards", rewards, size, false),
          vector_numbers("values", values, size + runs, false),
          flags("terminated", terminated, size), flags("truncated", truncated, size),
          after_cut.is_none() ? Numbers() : vector_numbers("final_values", after_cut, size, false),
          discount, lambda),
      false);
}

constexpr MemberRow policy_functions[] = {
    function<&td_loss>(
        "td_loss(values, action, target, weight, delta)",
        "(loss, its derivatives by `values`, errors) of the chosen actions' values."),
    function<&policy_advantages>(
        "policy_advantages(runs, rewards, values, terminated, truncated, after_cut, discount, "
        "lambda_)",
        "Generalised advantages of (steps, runs) rewards, as vectors of float64."),
};

}  // namespace

void register_policies(py::module_& module) { add_rows(module, table_of_rows<policy_functions>()); }

}  // namespace densecore::bindings
