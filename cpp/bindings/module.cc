#include "base/fork_lock.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"

// Not PYBIND11_MODULE, which brings what pybind11 keeps of its own classes along. Core classes are
// not among those (core_class.h).
namespace densecore::bindings {
namespace {

void fill(py::module_ module) {
  module.attr("__version__") = DENSECORE_VERSION;
  // Resolves DENSECORE_ISA now: a level that cannot be had is an error of the import.
  active_kernels();
  prepare_for_forks();
  register_runtime(module);
  register_kernels(module);
  register_optimizer(module);
  register_rows(module);
  register_metric(module);
  register_network(module);
  register_ensemble(module);
  register_frozen(module);
  register_tables(module);
  register_distributions(module);
  register_policies(module);
}

int execute(PyObject* module) noexcept {
  try {
    fill(py::reinterpret_borrow<py::module_>(module));
    return 0;
  } catch (py::error_already_set& error) {
    py::raise_from(error, PyExc_ImportError, "initialization failed");
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ImportError, error.what());
  }
  return -1;
}

}  // namespace
}  // namespace densecore::bindings

extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(densecore::bindings::execute)},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},  // every object guards itself, see InUse
#endif
    {0, nullptr}
  };
  static PyModuleDef definition = {
      PyModuleDef_HEAD_INIT,
      "_core",
      "The compiled core of densecore. Its interface is private; use `densecore`.",
      0,
      nullptr,
      slots,
      nullptr,
      nullptr,
      nullptr};
  return PyModuleDef_Init(&definition);
}
