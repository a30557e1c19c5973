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
  if (dtype.num() == py::dtype::num_of<std::int32_t>())
    copy_labels(name, input_vector<std::int32_t>(name, array, rows), rows, classes, labels);
  else if (dtype.num() == py::dtype::num_of<std::int64_t>())
    copy_labels(name, input_vector<std::int64_t>(name, array, rows), rows, classes, labels);
  else
    wrong_type(name, dtype, "int32 or int64 (class numbers)");
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
