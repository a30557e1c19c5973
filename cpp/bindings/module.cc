#include "base/fork_lock.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"

// Python 3.13t and later may run without the GIL: every object guards itself (see InUse).
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "The compiled core of densecore. Its interface is private; use `densecore`.";
  module.attr("__version__") = DENSECORE_VERSION;
  // Resolves DENSECORE_ISA now: a level that cannot be had is an error of the import.
  densecore::active_kernels();
  densecore::prepare_for_forks();
  densecore::bindings::register_runtime(module);
  densecore::bindings::register_kernels(module);
  densecore::bindings::register_optimizer(module);
  densecore::bindings::register_rows(module);
  densecore::bindings::register_metric(module);
  densecore::bindings::register_network(module);
  densecore::bindings::register_ensemble(module);
  densecore::bindings::register_frozen(module);
  densecore::bindings::register_tables(module);
  densecore::bindings::register_distributions(module);
  densecore::bindings::register_policies(module);
}
