// The arguments of a call from Python, by position or by name, and their conversion to C++.
//
// A function's names and defaults are its signature as Python shows it, such as
// "predict(x, out=None)": nothing else lists them. Each conversion is one function for all calls of
// the extension; pybind11's `def` has a converter, a dispatcher and tables of exceptions for each
// function that it is given, more than a kilobyte, which was a third of the extension.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace densecore::bindings {

namespace py = pybind11;

// How many arguments a signature has, how many of them without a default, and how many that may be
// given by position.
struct ArgumentCounts {
  std::uint8_t all = 0, required = 0, positional = 0;
};

constexpr std::size_t most_arguments = 16;

// Calls visit(name, size of the name, default or null) for each argument; "*" is one of them.
template <class Visit>
constexpr void for_each_argument(const char* signature, Visit&& visit) {
  const char* p = signature;
  while (*p != '\0' && *p != '(') ++p;
  if (*p == '\0' || p[1] == ')') return;
  for (++p; *p != '\0';) {
    while (*p == ' ') ++p;
    const char* const name = p;
    while (*p != ',' && *p != ')' && *p != '=' && *p != ':') ++p;
    const std::size_t size = static_cast<std::size_t>(p - name);
    const char* initial = nullptr;
    int open = 0;
    for (; open > 0 || (*p != ',' && *p != ')'); ++p) {
      if (*p == '=' && initial == nullptr) initial = p + 1;
      if (*p == '(') ++open;
      if (*p == ')') --open;
    }
    visit(name, size, initial);
    if (*p == ')') return;
    ++p;
  }
}

consteval ArgumentCounts counts_of(const char* signature) {
  ArgumentCounts counts;
  bool named_only = false;
  for_each_argument(signature, [&](const char* name, std::size_t, const char* initial) {
    if (*name == '*') {
      named_only = true;
      return;
    }
    if (initial == nullptr) counts.required = static_cast<std::uint8_t>(counts.all + 1);
    ++counts.all;
    if (!named_only) counts.positional = counts.all;
  });
  if (counts.all > most_arguments) throw "more arguments than Given has places for";
  return counts;
}

class Given {
 public:
  // By CPython's vector call: `keywords` is a tuple of names, or null.
  Given(const char* signature, ArgumentCounts counts, PyObject* const* values,
        Py_ssize_t positional, PyObject* keywords);
  // Those of a constructor: a tuple, and a dictionary or null.
  Given(const char* signature, ArgumentCounts counts, PyObject* values, PyObject* keywords);
  // The value that an attribute is set to, which `signature` is the name of.
  Given(const char* signature, PyObject* value) : signature_(signature) { values_[0] = value; }

  // Each throws TypeError for a value that it cannot convert.
  py::object object(std::size_t i) const;
  std::int64_t integer(std::size_t i) const;
  std::uint64_t natural(std::size_t i) const;
  double number(std::size_t i) const;
  bool flag(std::size_t i) const;
  std::string text(std::size_t i) const;
  char character(std::size_t i) const;
  // Of any sequence but a text.
  std::vector<double> numbers(std::size_t i) const;
  std::vector<std::int64_t> integers(std::size_t i) const;
  std::vector<std::uint64_t> naturals(std::size_t i) const;
  std::vector<std::string> texts(std::size_t i) const;
  std::vector<py::object> objects(std::size_t i) const;
  std::vector<py::dict> dictionaries(std::size_t i) const;

  [[noreturn]] void refuse(std::size_t i, const py::handle& found, const char* wanted) const;

 private:
  Given(const char* signature, PyObject* const* values, Py_ssize_t positional,
        ArgumentCounts counts);
  void set_named(PyObject* name, PyObject* value);
  void check_complete(ArgumentCounts counts) const;
  std::string function() const;
  std::string name_of(std::size_t i) const;

  const char* signature_;
  std::array<PyObject*, most_arguments> values_{};  // borrowed; null where not given
};

}  // namespace densecore::bindings
