#include "bindings/arrays.h"

#include <stdexcept>

namespace densecore::bindings {
namespace {

std::string shape_text(const py::array& array) {
  std::string text = "(";
  for (index_t i = 0; i < array.ndim(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  return text + (array.ndim() == 1 ? ",)" : ")");
}

template <class Number>
py::object copied_labels(const char* name, const py::object& array, index_t classes) {
  const py::array from = checked<Number>(name, array, {any});
  py::array_t<std::int32_t> labels(from.size());
  copy_labels(name, static_cast<const Number*>(from.data()), 1, from.size(), classes,
              labels.mutable_data());
  return labels;
}

}  // namespace

void wrong_type(const char* name, const py::handle& found, const char* wanted) {
  // A dtype shows itself; of anything else the type is what matters.
  const std::string text = py::isinstance<py::dtype>(found)
                               ? "dtype " + py::str(found).cast<std::string>()
                               : py::str(py::type::of(found).attr("__name__")).cast<std::string>();
  throw py::type_error(std::string(name) + ": found " + text + ", wanted " + wanted);
}

void wrong_shape(const char* name, const py::array& found, const std::vector<index_t>& wanted) {
  std::string text = "(";
  for (std::size_t i = 0; i < wanted.size(); ++i)
    text += (i == 0 ? "" : ", ") + (wanted[i] == any ? "any" : std::to_string(wanted[i]));
  text += wanted.size() == 1 ? ",)" : ")";
  throw std::invalid_argument(std::string(name) + ": found shape " + shape_text(found) +
                              ", wanted " + text);
}

void wrong_layout(const char* name, const py::array& found, std::size_t alignment) {
  const std::string start = std::string(name) + ": found ";
  if ((found.flags() & py::array::c_style) == 0)
    throw std::invalid_argument(start +
                                "strides that are not C-contiguous, wanted a C-contiguous array "
                                "(numpy.ascontiguousarray makes one)");
  if (reinterpret_cast<std::uintptr_t>(found.data()) % alignment != 0)
    throw std::invalid_argument(start + "a misaligned array, wanted one aligned to " +
                                std::to_string(alignment) + " bytes (numpy.array makes one)");
  throw std::invalid_argument(start + "a read-only array, wanted a writable one");
}

void read_labels(const char* name, const py::object& array, index_t rows, index_t classes,
                 std::vector<std::int32_t>& labels) {
  if (!py::isinstance<py::array>(array)) wrong_type(name, array, "a numpy.ndarray");
  const py::dtype dtype = py::reinterpret_borrow<py::array>(array).dtype();
  const auto copy = [&](const auto* from) {
    labels.resize(static_cast<std::size_t>(rows));
    copy_labels(name, from, 1, rows, classes, labels.data());
  };
  if (dtype.num() == py::dtype::num_of<std::int32_t>())
    copy(input_vector<std::int32_t>(name, array, rows));
  else if (dtype.num() == py::dtype::num_of<std::int64_t>())
    copy(input_vector<std::int64_t>(name, array, rows));
  else
    wrong_type(name, dtype, "int32 or int64 (class numbers)");
}

py::object class_numbers(const char* name, const py::object& array, index_t classes) {
  if (!py::isinstance<py::array>(array)) wrong_type(name, array, "a numpy.ndarray");
  const py::dtype dtype = py::reinterpret_borrow<py::array>(array).dtype();
  if (dtype.num() == py::dtype::num_of<std::int32_t>())
    return copied_labels<std::int32_t>(name, array, classes);
  if (dtype.num() == py::dtype::num_of<std::int64_t>())
    return copied_labels<std::int64_t>(name, array, classes);
  return visit_dtype(
      array, [&](auto zero) { return copied_labels<decltype(zero)>(name, array, classes); });
}

void refuse_overlap(const char* name, const void* out, std::size_t out_bytes,
                    const char* other_name, const void* other, std::size_t other_bytes) {
  const auto a = reinterpret_cast<std::uintptr_t>(out);
  const auto b = reinterpret_cast<std::uintptr_t>(other);
  if (a < b + other_bytes && b < a + out_bytes)
    throw std::invalid_argument(std::string(name) + ": found memory that overlaps " + other_name +
                                ", wanted memory of its own");
}

}  // namespace densecore::bindings
