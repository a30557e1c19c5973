#include "bindings/given.h"

#include <cstdlib>
#include <cstring>

#include "bindings/guarded.h"

namespace densecore::bindings {

void set_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  } catch (const std::out_of_range& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const std::logic_error& error) {  // invalid_argument, domain_error, length_error
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::range_error& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::overflow_error& error) {
    PyErr_SetString(PyExc_OverflowError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

namespace {

bool is(const char* name, std::size_t size, PyObject* found) {
  Py_ssize_t length = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(found, &length);
  if (text == nullptr) throw py::error_already_set();
  return static_cast<std::size_t>(length) == size && std::memcmp(name, text, size) == 0;
}

// None, True, False, (), a text in single quotes, or a number.
py::object value_of(const char* literal) {
  while (*literal == ' ') ++literal;
  if (*literal == 'N') return py::none();
  if (*literal == 'T' || *literal == 'F') return py::bool_(*literal == 'T');
  if (*literal == '(') return py::tuple();
  if (*literal == '\'')
    return py::str(literal + 1,
                   static_cast<std::size_t>(std::strchr(literal + 1, '\'') - literal - 1));
  char* end = nullptr;
  const auto whole = std::strtoll(literal, &end, 10);
  if (*end == '.') return py::float_(std::strtod(literal, nullptr));
  return py::int_(whole);
}

// The elements of a sequence. They stay alive as long as `holder`.
template <class Element, class Convert>
std::vector<Element> elements(const Given& given, std::size_t i, const char* wanted,
                              Convert&& convert) {
  const py::object object = given.object(i);
  if (PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr())) given.refuse(i, object, wanted);
  const auto holder =
      py::reinterpret_steal<py::object>(PySequence_Fast(object.ptr(), "no sequence"));
  if (!holder) {
    PyErr_Clear();
    given.refuse(i, object, wanted);
  }
  std::vector<Element> found;
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(holder.ptr());
  found.reserve(static_cast<std::size_t>(size));
  for (Py_ssize_t k = 0; k < size; ++k)
    found.push_back(convert(py::handle(PySequence_Fast_GET_ITEM(holder.ptr(), k))));
  return found;
}

double as_number(const Given& given, std::size_t i, const py::handle& value, const char* wanted) {
  const double found = PyFloat_AsDouble(value.ptr());
  if (found == -1.0 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    given.refuse(i, value, wanted);
  }
  return found;
}

// -1 with Python's error for numbers that are too large; a TypeError for other types.
template <class Integer>
Integer as_integer(const Given& given, std::size_t i, const py::handle& value, const char* wanted,
                   Integer (*convert)(PyObject*)) {
  if (!PyIndex_Check(value.ptr())) given.refuse(i, value, wanted);
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) {
    PyErr_Clear();
    given.refuse(i, value, wanted);
  }
  const Integer found = convert(index.ptr());
  if (found == static_cast<Integer>(-1) && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    given.refuse(i, value, wanted);
  }
  return found;
}

std::int64_t as_signed(const Given& given, std::size_t i, const py::handle& value) {
  return as_integer<long long>(given, i, value, "an integer of at most 64 bits", PyLong_AsLongLong);
}
std::uint64_t as_unsigned(const Given& given, std::size_t i, const py::handle& value) {
  return as_integer<unsigned long long>(given, i, value, "an integer from 0 to 2^64 - 1",
                                        PyLong_AsUnsignedLongLong);
}

std::string as_text(const Given& given, std::size_t i, const py::handle& value) {
  Py_ssize_t size = 0;
  const char* const text =
      PyUnicode_Check(value.ptr()) ? PyUnicode_AsUTF8AndSize(value.ptr(), &size) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();  // a text that is no Unicode
    given.refuse(i, value, "a text");
  }
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Given::Given(const char* signature, PyObject* const* values, Py_ssize_t positional,
             ArgumentCounts counts)
    : signature_(signature) {
  if (positional > counts.positional)
    throw py::type_error(function() + ": found " + std::to_string(positional) +
                         " arguments, wanted at most " + std::to_string(counts.positional));
  for (Py_ssize_t i = 0; i < positional; ++i) values_[static_cast<std::size_t>(i)] = values[i];
}

Given::Given(const char* signature, ArgumentCounts counts, PyObject* const* values,
             Py_ssize_t positional, PyObject* keywords)
    : Given(signature, values, positional, counts) {
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < named; ++k)
    set_named(PyTuple_GET_ITEM(keywords, k), values[positional + k]);
  check_complete(counts);
}

Given::Given(const char* signature, ArgumentCounts counts, PyObject* values, PyObject* keywords)
    : Given(signature, PySequence_Fast_ITEMS(values), PyTuple_GET_SIZE(values), counts) {
  PyObject *name = nullptr, *value = nullptr;
  Py_ssize_t position = 0;
  while (keywords != nullptr && PyDict_Next(keywords, &position, &name, &value) != 0)
    set_named(name, value);
  check_complete(counts);
}

void Given::set_named(PyObject* name, PyObject* value) {
  std::size_t i = 0, found = most_arguments;
  for_each_argument(signature_, [&](const char* known, std::size_t size, const char*) {
    if (*known == '*') return;
    if (is(known, size, name)) found = i;
    ++i;
  });
  if (found == most_arguments || values_[found] != nullptr)
    throw py::type_error(
        function() + ": found " +
        (found == most_arguments ? "an unexpected argument '" : "twice the argument '") +
        py::str(name).cast<std::string>() + "'");
  values_[found] = value;
}

void Given::check_complete(ArgumentCounts counts) const {
  for (std::size_t i = 0; i < counts.required; ++i)
    if (values_[i] == nullptr)
      throw py::type_error(function() + ": missing argument '" + name_of(i) + "'");
}

std::string Given::function() const { return {signature_, std::strcspn(signature_, "(")}; }

std::string Given::name_of(std::size_t i) const {
  std::string found;
  for_each_argument(
      signature_, [&, k = std::size_t{0}](const char* name, std::size_t size, const char*) mutable {
        if (*name != '*' && k++ == i) found.assign(name, size);
      });
  return found;
}

void Given::refuse(std::size_t i, const py::handle& found, const char* wanted) const {
  std::string name = function();
  const std::string argument = name_of(i);
  if (!argument.empty()) name += ": " + argument;
  // An integer is shown: it is its value that does not fit.
  std::string shown = Py_TYPE(found.ptr())->tp_name;
  if (PyLong_CheckExact(found.ptr())) {
    const auto digits = py::reinterpret_steal<py::object>(PyObject_Str(found.ptr()));
    if (digits) shown = digits.cast<std::string>();
    PyErr_Clear();  // Python shows no number of thousands of digits
  }
  throw py::type_error(name + ": found " + shown + ", wanted " + wanted);
}

py::object Given::object(std::size_t i) const {
  if (values_[i] != nullptr) return py::reinterpret_borrow<py::object>(values_[i]);
  py::object found;
  for_each_argument(signature_, [&, k = std::size_t{0}](const char* name, std::size_t,
                                                        const char* initial) mutable {
    if (*name != '*' && k++ == i) found = value_of(initial);
  });
  return found;
}

std::int64_t Given::integer(std::size_t i) const { return as_signed(*this, i, object(i)); }
std::uint64_t Given::natural(std::size_t i) const { return as_unsigned(*this, i, object(i)); }
double Given::number(std::size_t i) const { return as_number(*this, i, object(i), "a number"); }

// As pybind11: what has a truth of its own, NumPy's and None too, but no text or list.
bool Given::flag(std::size_t i) const {
  const py::object value = object(i);
  if (value.is_none()) return false;
  const PyNumberMethods* const methods = Py_TYPE(value.ptr())->tp_as_number;
  if (methods == nullptr || methods->nb_bool == nullptr) refuse(i, value, "True or False");
  const int truth = PyObject_IsTrue(value.ptr());
  if (truth < 0) throw py::error_already_set();
  return truth == 1;
}

std::string Given::text(std::size_t i) const { return as_text(*this, i, object(i)); }
char Given::character(std::size_t i) const {
  const std::string found = text(i);
  if (found.size() != 1) refuse(i, object(i), "one character");
  return found[0];
}

std::vector<double> Given::numbers(std::size_t i) const {
  constexpr auto wanted = "a sequence of numbers";
  return elements<double>(*this, i, wanted, [&](const py::handle& value) {
    return as_number(*this, i, value, wanted);
  });
}
std::vector<std::int64_t> Given::integers(std::size_t i) const {
  return elements<std::int64_t>(*this, i, "a sequence of integers", [&](const py::handle& value) {
    return as_signed(*this, i, value);
  });
}
std::vector<std::uint64_t> Given::naturals(std::size_t i) const {
  return elements<std::uint64_t>(*this, i, "a sequence of integers", [&](const py::handle& value) {
    return as_unsigned(*this, i, value);
  });
}
std::vector<std::string> Given::texts(std::size_t i) const {
  return elements<std::string>(*this, i, "a sequence of texts",
                               [&](const py::handle& value) { return as_text(*this, i, value); });
}
std::vector<py::object> Given::objects(std::size_t i) const {
  return elements<py::object>(*this, i, "a sequence", [&](const py::handle& value) {
    return py::reinterpret_borrow<py::object>(value);
  });
}
std::vector<py::dict> Given::dictionaries(std::size_t i) const {
  constexpr auto wanted = "a sequence of dictionaries";
  return elements<py::dict>(*this, i, wanted, [&](const py::handle& value) {
    if (!PyDict_Check(value.ptr())) refuse(i, value, wanted);
    return py::reinterpret_borrow<py::dict>(value);
  });
}

}  // namespace densecore::bindings
