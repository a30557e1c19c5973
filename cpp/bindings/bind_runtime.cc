// Threads, ISA levels, random numbers, initializers; checks of arrays that Python converts.
#include <pybind11/stl.h>

#include <vector>

#include "base/cpu_features.h"
#include "base/random.h"
#include "base/region_record.h"
#include "base/thread_pool.h"
#include "bindings/arrays.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"
#include "layers/initializer.h"
#include "layers/kinds.h"

// For threadpoolctl, which finds these two by name in the loaded extension.
#if defined(__GNUC__)
#define DENSECORE_EXPORT __attribute__((visibility("default")))
#else
#define DENSECORE_EXPORT __declspec(dllexport)
#endif
extern "C" DENSECORE_EXPORT int densecore_get_num_threads() { return densecore::thread_count(); }
extern "C" DENSECORE_EXPORT void densecore_set_num_threads(int count) {
  if (count >= 1 && count <= 1024) densecore::set_thread_count(count);
}

namespace densecore::bindings {
namespace {

template <class T>
void initialize_array(const py::object& out, const std::string& name,
                      const std::vector<double>& arguments, index_t fan_in, index_t fan_out,
                      std::uint64_t seed, std::uint64_t tensor) {
  const index_t size = py::reinterpret_borrow<py::array>(out).size();
  initialize(name, arguments, fan_in, fan_out, seed, tensor, size,
             output_vector<T>("out", out, size));
}

std::vector<std::uint64_t> philox_words(const std::vector<std::uint64_t>& key,
                                        const std::vector<std::uint64_t>& counter) {
  if (key.size() != 2 || counter.size() != 4)
    throw std::invalid_argument("philox: wanted a key of 2 words and a counter of 4");
  const PhiloxBlock block = philox(key.data(), counter.data());
  return {block.word, block.word + 4};
}

}  // namespace

void register_runtime(py::module_& module) {
  module.def("get_num_threads", &thread_count, "Number of threads that computations use at most.");
  module.def("set_num_threads", &set_thread_count, py::arg("count"), "Set that number, 1 to 1024.");
  module.def("record_regions", &record_regions, py::arg("on"),
             "Whether parallel regions run in the caller, with a record of their tasks' times.");
  module.def(
      "take_region_records",
      [] {
        py::list all;
        for (const RegionRecord& record : take_region_records())
          all.append(py::make_tuple(record.threads, record.seconds));
        return all;
      },
      "(threads, seconds of each task) of the regions since the last call.");
  module.def(
      "usable_processors", &usable_processors,
      "Number of processors that this process may use: by its affinity and its control group.");

  module.def(
      "isa", [] { return std::string(active_kernels().isa); }, "The instruction set that is used.");
  module.def("compiled_isa_levels", &compiled_isa_levels,
             "Instruction sets that the extension has kernels for.");
  module.def(
      "available_isa_levels",
      [] {
        std::vector<std::string> names;
        for (const KernelTables* tables : available_kernels()) names.emplace_back(tables->isa);
        return names;
      },
      "Those of them that this processor has.");

  module.def(
      "initializers",
      [] {
        py::dict all;
        for (const InitializerInfo& info : initializers()) {
          py::dict arguments;
          for (std::size_t i = 0; i < info.arguments.size(); ++i)
            arguments[info.arguments[i].c_str()] = info.defaults[i];
          all[info.name.c_str()] = arguments;
        }
        return all;
      },
      "Arguments of every initializer with their defaults, by name.");
  module.def(
      "layer_kinds",
      [] {
        py::dict all;
        for (const LayerKind& kind : layer_kinds()) {
          py::dict numbers;
          for (const LayerNumber& number : kind.numbers) numbers[number.name] = number.initial;
          all[kind.name] = numbers;
        }
        return all;
      },
      "Numbers of every kind of layer with their defaults, by name.");
  module.def(
      "initialize",
      [](const py::object& out, const std::string& name, const std::vector<double>& arguments,
         index_t fan_in, index_t fan_out, std::uint64_t seed, std::uint64_t tensor) {
        if (!py::isinstance<py::array>(out)) wrong_type("out", out, "a numpy.ndarray");
        if (py::reinterpret_borrow<py::array>(out).dtype().num() == py::dtype::num_of<float>())
          initialize_array<float>(out, name, arguments, fan_in, fan_out, seed, tensor);
        else
          initialize_array<double>(out, name, arguments, fan_in, fan_out, seed, tensor);
      },
      py::arg("out"), py::arg("name"), py::arg("arguments"), py::arg("fan_in"), py::arg("fan_out"),
      py::arg("seed"), py::arg("tensor"),
      "Fill an array with initial values: number `tensor` of the seed's.");

  module.def(
      "class_numbers",
      [](const std::string& name, const py::object& array, index_t classes) {
        return class_numbers(name.c_str(), array, classes);
      },
      py::arg("name"), py::arg("array"), py::arg("classes"),
      "A vector of int32, int64, float32 or float64 as int32. Raises ValueError unless all are "
      "whole and below `classes`.");
  module.def(
      "check_weights",
      [](const py::object& weights) {
        const bool single =
            py::isinstance<py::array>(weights) &&
            py::reinterpret_borrow<py::array>(weights).dtype().num() == py::dtype::num_of<float>();
        if (single)
          input_weights<float>(weights, any);
        else
          input_weights<double>(weights, any);
      },
      py::arg("weights"),
      "Raise ValueError unless the weights (rows,), float32 or float64, are finite and >= 0.");
  module.def("philox", &philox_words, py::arg("key"), py::arg("counter"),
             "A block of the random generator Philox4x64-10.");
  module.def("normal_quantile", &normal_quantile, py::arg("p"),
             "The quantile function of the normal distribution.");
  module.def(
      "permutation",
      [](index_t n, std::uint64_t seed, std::uint64_t epoch) {
        if (n < 0) throw std::invalid_argument("n: found " + std::to_string(n) + ", wanted >= 0");
        Random random(seed, Stream::shuffle, epoch);
        py::array_t<index_t> order(n);
        permutation(random, n, order.mutable_data());
        return order;
      },
      py::arg("n"), py::arg("seed"), py::arg("epoch"), "The order (n,) of the rows in an epoch.");
}

}  // namespace densecore::bindings
