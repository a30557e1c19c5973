// Arrays of heads of distributions, and of the data that policies are trained on.
//
// Heads are computed in double precision, so there is one class for all dtypes: `single` says
// whether a head's arrays are float32. A class for each dtype would be twice the code.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <limits>
#include <vector>

#include "objectives/array_functions.h"

namespace densecore::bindings {

namespace py = pybind11;

constexpr double largest_number = std::numeric_limits<double>::max();

bool is_single(const char* name, const py::object& object);

// Rows of any distance from each other, as parts of a model's outputs have it.
struct HeadRows {
  index_t rows, cols;
  Numbers numbers;
};
HeadRows rows_of(const char* name, const py::object& object, bool single);
Numbers matrix_numbers(const char* name, const py::object& object, index_t rows, index_t cols,
                       bool single);
// Throws for numbers that are not finite.
Numbers vector_numbers(const char* name, const py::object& object, index_t rows, bool single);

py::array new_array(std::vector<py::ssize_t> shape, bool single);
// To columns first .. first + cols of a new array.
void fill(py::array& to, index_t first, const Numbers& from, index_t rows, index_t cols,
          bool single);
py::array matrix_of(const Numbers& from, index_t rows, index_t cols, bool single);
py::array vector_of(const Numbers& from, bool single);

}  // namespace densecore::bindings
