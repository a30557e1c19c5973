// Threads, ISA levels, random numbers, initializers; checks of arrays that Python converts.
#include <vector>

#include "base/cpu_features.h"
#include "base/random.h"
#include "base/region_record.h"
#include "base/thread_pool.h"
#include "bindings/arrays.h"
#include "bindings/core_class.h"
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

py::list take_records() {
  py::list all;
  for (const RegionRecord& record : take_region_records())
    all.append(py::make_tuple(record.threads, list_of(record.seconds)));
  return all;
}
std::string isa_in_use() { return active_kernels().isa; }
std::vector<std::string> available_levels() {
  std::vector<std::string> names;
  for (const KernelTables* tables : available_kernels()) names.emplace_back(tables->isa);
  return names;
}
py::dict known_initializers() {
  py::dict all;
  for (const InitializerInfo& info : initializers()) {
    py::dict arguments;
    for (std::size_t i = 0; i < info.arguments.size(); ++i)
      arguments[info.arguments[i].c_str()] = info.defaults[i];
    all[info.name.c_str()] = arguments;
  }
  return all;
}
py::dict known_layer_kinds() {
  py::dict all;
  for (const LayerKind& kind : layer_kinds()) {
    py::dict numbers;
    for (const LayerNumber& number : kind.numbers) numbers[number.name] = number.initial;
    all[kind.name] = numbers;
  }
  return all;
}
void fill(const py::object& out, const std::string& name, const std::vector<double>& arguments,
          index_t fan_in, index_t fan_out, std::uint64_t seed, std::uint64_t tensor) {
  if (!py::isinstance<py::array>(out)) wrong_type("out", out, "a numpy.ndarray");
  visit_dtype(out, [&](auto zero) {
    initialize_array<decltype(zero)>(out, name, arguments, fan_in, fan_out, seed, tensor);
  });
}
py::object numbers_of_classes(const std::string& name, const py::object& array, index_t classes) {
  return class_numbers(name.c_str(), array, classes);
}
void check_weights_of(const py::object& weights) {
  if (!py::isinstance<py::array>(weights)) wrong_type("sample_weight", weights, "a numpy.ndarray");
  visit_dtype(weights, [&](auto zero) { input_weights<decltype(zero)>(weights, any); });
}
bool are_finite(const py::object& array) {
  if (!py::isinstance<py::array>(array)) wrong_type("array", array, "a numpy.ndarray");
  return visit_dtype(array, [&](auto zero) {
    using T = decltype(zero);
    const py::array numbers = checked<T>("array", array.attr("reshape")(-1), {any});
    return all_finite(static_cast<const T*>(numbers.data()), numbers.size());
  });
}
py::array order_of_rows(index_t n, std::uint64_t seed, std::uint64_t epoch) {
  if (n < 0) throw std::invalid_argument("n: found " + std::to_string(n) + ", wanted >= 0");
  Random random(seed, Stream::shuffle, epoch);
  py::array_t<index_t> order(n);
  permutation(random, n, order.mutable_data());
  return order;
}

constexpr MemberRow runtime_functions[] = {
    function<&thread_count>("get_num_threads()",
                            "Number of threads that computations use at most."),
    function<&set_thread_count>("set_num_threads(count)", "Set that number, 1 to 1024."),
    function<&record_regions>(
        "record_regions(on)",
        "Whether parallel regions run in the caller, with a record of their tasks' times."),
    function<&take_records>("take_region_records()",
                            "(threads, seconds of each task) of the regions since the last call."),
    function<&usable_processors>(
        "usable_processors()",
        "Number of processors that this process may use: by its affinity and its control group."),
    function<&isa_in_use>("isa()", "The instruction set that is used."),
    function<&compiled_isa_levels>("compiled_isa_levels()",
                                   "Instruction sets that the extension has kernels for."),
    function<&available_levels>("available_isa_levels()", "Those of them that this processor has."),
    function<&known_initializers>("initializers()",
                                  "Arguments of every initializer with their defaults, by name."),
    function<&known_layer_kinds>("layer_kinds()",
                                 "Numbers of every kind of layer with their defaults, by name."),
    function<&fill>("initialize(out, name, arguments, fan_in, fan_out, seed, tensor)",
                    "Fill an array with initial values: number `tensor` of the seed's."),
    function<&numbers_of_classes>("class_numbers(name, array, classes)",
                                  "A vector of int32, int64, float32 or float64 as int32. Raises "
                                  "ValueError unless all are whole and below `classes`."),
    function<&check_weights_of>(
        "check_weights(weights)",
        "Raise ValueError unless the weights (rows,), float32 or float64, are finite and >= 0."),
    function<&are_finite>("all_finite(array)",
                          "Whether a contiguous array of float32 or float64 has neither a NaN nor "
                          "an infinity."),
    function<&philox_words>("philox(key, counter)",
                            "A block of the random generator Philox4x64-10."),
    function<&normal_quantile>("normal_quantile(p)",
                               "The quantile function of the normal distribution."),
    function<&order_of_rows>("permutation(n, seed, epoch)",
                             "The order (n,) of the rows in an epoch."),
};

}  // namespace

void register_runtime(py::module_& module) { add_rows(module, table_of_rows<runtime_functions>()); }

}  // namespace densecore::bindings
