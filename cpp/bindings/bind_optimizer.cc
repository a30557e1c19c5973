// The settings of an optimizer, as Python sees them.
#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "bindings/settings.h"
#include "bindings/user_function.h"

namespace densecore::bindings {
namespace {

std::string name(const PySettings& self) { return self.settings->name(); }
double get(const PySettings& self, const std::string& hyperparameter) {
  return self.settings->get(hyperparameter);
}
void set(const PySettings& self, const std::string& hyperparameter, double value) {
  self.settings->set(hyperparameter, value);
}
py::dict values(const PySettings& self) {
  py::dict found;
  for (const Hyperparameter& h : self.settings->hyperparameters())
    found[h.name] = self.settings->get(h.name);
  return found;
}
void set_gradient_steps(const PySettings& self, double weight_decay, double clipvalue,
                        double clipnorm, double global_clipnorm, std::int64_t accumulation,
                        bool ema, double ema_momentum, std::int64_t ema_overwrite) {
  self.settings->set_gradient_steps({weight_decay, clipvalue, clipnorm, global_clipnorm,
                                     accumulation, ema_momentum, ema, ema_overwrite});
}
void set_schedule(const PySettings& self, const py::object& rates) {
  self.settings->set_schedule(schedule_of(rates));
}
void set_decay_schedule(const PySettings& self, const py::object& decays) {
  self.settings->set_decay_schedule(schedule_of(decays));
}
std::vector<std::string> states(const PySettings& self) {
  return optimizer_state_names(*self.settings);
}

constexpr MemberRow made_settings =
    constructor<PySettings, const std::string&>("OptimizerSettings(name)");
constexpr MemberRow optimizer_rows[] = {
    property<&name>("name", "The update rule."),
    method<&get>("get(hyperparameter)", "A hyperparameter's value."),
    method<&set>("set(hyperparameter, value)", "Set a hyperparameter, from the next step on."),
    method<&values>("values()", "All hyperparameters."),
    method<&set_gradient_steps>(
        "set_gradient_steps(*, weight_decay, clipvalue, clipnorm, global_clipnorm, accumulation, "
        "ema, ema_momentum, ema_overwrite)",
        "Set what is done with gradients and parameters around the update."),
    method<&set_schedule>("set_schedule(rates)",
                          "Take the learning rates of steps first ... first + count from "
                          "rates(first, count); None ends that."),
    method<&set_decay_schedule>("set_decay_schedule(decays)",
                                "The same of the weight decay, in place of the fixed one."),
    property<&states>("states", "Names of the arrays that the optimizer keeps per parameter."),
};
constexpr MemberRow optimizer_functions[] = {
    function<&optimizer_names>("optimizer_names()", "The names of all update rules."),
};

}  // namespace

void register_optimizer(py::module_& module) {
  add_rows(core_class<PySettings>(module, "OptimizerSettings",
                                  "An optimizer's name and hyperparameters.", &made_settings),
           table_of_rows<optimizer_rows>());
  add_rows(module, table_of_rows<optimizer_functions>());
}

}  // namespace densecore::bindings
