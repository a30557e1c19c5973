// The parts of the extension module, one per file.
#pragma once

#include <pybind11/pybind11.h>

namespace densecore::bindings {

namespace py = pybind11;

void register_runtime(pybind11::module_& module);
void register_kernels(pybind11::module_& module);
void register_optimizer(pybind11::module_& module);
void register_rows(pybind11::module_& module);
void register_metric(pybind11::module_& module);
void register_network(pybind11::module_& module);
void register_ensemble(pybind11::module_& module);
void register_frozen(pybind11::module_& module);
void register_tables(pybind11::module_& module);
void register_distributions(pybind11::module_& module);
void register_policies(pybind11::module_& module);

}  // namespace densecore::bindings
