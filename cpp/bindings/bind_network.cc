// Networks, and steps that are bound to their arrays, as Python sees them.
#include "bindings/bound_step.h"
#include "bindings/py_network.h"
#include "bindings/register.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {
namespace {

template <class T>
void register_for(py::module_& module, const char* name, const char* tally_name) {
  using N = PyNetwork<T>;
  core_class<PyTally<T>>(module, tally_name, "Loss and metrics of the batches so far.")
      .def("reset", &PyTally<T>::reset)
      .def("results", &PyTally<T>::results);
  static const std::string tape_name = std::string("Tape") + name;
  core_class<PyTape<T>>(module, tape_name.c_str(), "A place for one forward pass.")
      .def_property_readonly("rows", &PyTape<T>::rows);
  auto type = core_class<N>(module, name, "A network with what it is trained by, on NumPy arrays.");
  register_bound<T>(module, name);
  add_hot_calls<T>(type);
  register_derivatives<T>(type);
  type.def(py::init<index_t, const std::vector<py::dict>&, const py::object&>(), py::arg("inputs"),
           py::arg("layers"), py::arg("isa") = py::none())
      .def_property_readonly("isa", &N::isa)
      .def_property_readonly("inputs", &N::inputs)
      .def_property_readonly("parameter_count", &N::parameter_count)
      .def_property_readonly("parameters", &N::parameters)
      .def_property_readonly("gradients", &N::gradients)
      .def_property_readonly("gradient_slots", &N::gradient_slots)
      .def("layer_views", &N::layer_views, py::arg("layer"))
      .def_property(
          "seed", [](const N& network) { return network.seed(); },
          [](N& network, std::uint64_t seed) { network.set_seed(seed); })
      .def_property(
          "open_passes", [](const N& network) { return network.open_passes(); },
          [](N& network, std::uint64_t count) { network.set_open_passes(count); })
      .def("set_trainable", &N::set_trainable, py::arg("layer"), py::arg("trainable"))
      .def("set_penalty", &N::set_penalty, py::arg("layer"), py::arg("l1"), py::arg("l2"))
      .def_readwrite("row_order", &N::row_order)
      .def_property("penalty_weight", &N::penalty_weight, &N::set_penalty_weight)
      .def("random_numbers", &N::random_numbers, py::arg("layer"), py::arg("step"), py::arg("rows"))
      .def("set_function", &N::set_function, py::arg("layer"), py::arg("forward"),
           py::arg("derivative"))
      .def("compile", &N::compile, py::arg("loss"), py::arg("reduction"), py::arg("optimizer"),
           py::arg("metrics"), py::arg("seed"), py::arg("from_logits") = false,
           py::arg("loss_parameters") = std::vector<double>())
      .def("optimizer_states", &N::optimizer_states)
      .def_property("steps", &N::steps, &N::set_steps)
      .def_property("epochs", &N::epochs, &N::set_epochs)
      .def("penalty", &N::penalty)
      .def("make_tape", &N::make_tape)
      .def("loss_and_gradients", &N::loss_and_gradients, py::arg("x"), py::arg("y"),
           py::arg("sample_weight") = py::none())
      .def("layer_outputs", &N::layer_outputs)
      .def("finish_training", &N::finish_training)
      .def(
          "fit",
          [](N& self, const py::object& x, const py::object& y, const py::object& weight,
             const py::object& validation, std::int64_t epochs, index_t batch_size, bool shuffle,
             py::object end, py::list results, py::object begin, bool every_epoch) {
            self.fit(x, y, weight, validation, epochs, batch_size, shuffle,
                     {std::move(begin), std::move(end), every_epoch}, std::move(results));
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("validation"),
          py::arg("epochs"), py::arg("batch_size"), py::arg("shuffle"), py::arg("epoch_end"),
          py::arg("results"), py::arg("epoch_begin") = py::none(), py::arg("every_epoch") = true)
      .def(
          "reserved",
          [](const py::object& self) {
            return std::make_unique<PyReservation>(self, self.cast<N&>().mark());
          },
          "A context manager: until it ends, calls of other threads are refused.")
      .def("tally", &N::tally)
      .def("train_batch", &N::train_batch, py::arg("x"), py::arg("y"), py::arg("sample_weight"),
           py::arg("tally"))
      .def("evaluate_batch", &N::evaluate_batch, py::arg("x"), py::arg("y"),
           py::arg("sample_weight"), py::arg("tally"))
      .def("add_to_tally", &N::add_to_tally, py::arg("outputs"), py::arg("y"), py::arg("loss"),
           py::arg("tally"))
      .def("evaluate", &N::evaluate, py::arg("x"), py::arg("y"), py::arg("sample_weight"));
}

}  // namespace

void register_network(py::module_& module) {
  core_class<PyReservation>(module, "Reservation", "See `reserved` of networks and ensembles.")
      .def("__enter__", &PyReservation::enter)
      .def("__exit__", [](PyReservation& self, const py::args&) { self.exit(); });
  register_for<float>(module, "NetworkF32", "TallyF32");
  register_for<double>(module, "NetworkF64", "TallyF64");
}

}  // namespace densecore::bindings
