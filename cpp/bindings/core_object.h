// Objects of the extension module's classes, and the conversion of a call's arguments and result.
//
// A class of the core exists once for each dtype (NetworkF32, NetworkF64), and so does its C++
// class. A function of core_class.h's tables is called with the arguments that `Parameters` reads.
#pragma once

#include <pybind11/numpy.h>

#include <concepts>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/dtypes.h"
#include "base/view.h"
#include "bindings/given.h"
#include "bindings/guarded.h"

namespace densecore::bindings {

namespace py = pybind11;

#define DENSECORE_DTYPE(T, NAME, field, dtype) NAME,
enum class Dtype { none, DENSECORE_FOR_EACH_DTYPE(DENSECORE_DTYPE) };
#undef DENSECORE_DTYPE

// The base of the C++ objects behind core classes.
class CoreObject {
 public:
  explicit CoreObject(Dtype of = Dtype::none) : precision(of) {}
  virtual ~CoreObject() = default;
  CoreObject(const CoreObject&) = delete;
  CoreObject& operator=(const CoreObject&) = delete;

  const Dtype precision;
};

// That of a class with one for each dtype.
template <class T>
class TypedObject : public CoreObject {
 public:
#define DENSECORE_DTYPE(U, NAME, field, dtype) std::is_same_v<T, U> ? Dtype::NAME:
  static constexpr Dtype of_type = DENSECORE_FOR_EACH_DTYPE(DENSECORE_DTYPE) Dtype::none;
#undef DENSECORE_DTYPE

 protected:
  TypedObject() : CoreObject(of_type) {}
};

// Calls body(object of the dtype's own class).
template <template <class> class Class, class Body>
PyObject* with_dtype(CoreObject& object, Body&& body) {
#define DENSECORE_DTYPE(T, NAME, field, dtype) \
  case Dtype::NAME:                            \
    return body(static_cast<Class<T>&>(object));
  switch (object.precision) {
    DENSECORE_FOR_EACH_DTYPE(DENSECORE_DTYPE)
    case Dtype::none:
      break;
  }
#undef DENSECORE_DTYPE
  return nullptr;
}

// An object as Python has it. `call` is for classes whose objects are called.
struct Instance {
  PyObject ob_base;
  vectorcallfunc call;
  CoreObject* value;
};

// The Python class of a C++ class; set when it is registered.
template <class Class>
inline PyTypeObject* type_of = nullptr;

// Of an object of this very class, as a method's descriptor has checked it.
template <class Class>
Class& self_of(PyObject* self) {
  return static_cast<Class&>(*reinterpret_cast<Instance*>(self)->value);
}

template <class Class>
bool is_instance(const py::handle& object) {
  return Py_TYPE(object.ptr()) == type_of<Class>;
}
[[noreturn]] void refuse_class(const char* name, const py::handle& found, PyTypeObject* wanted);

// Throws TypeError for an object of another class.
template <class Class>
Class& object_of(const char* name, const py::handle& object) {
  if (!is_instance<Class>(object)) refuse_class(name, object, type_of<Class>);
  return self_of<Class>(object.ptr());
}

PyObject* new_instance(PyTypeObject* type, std::unique_ptr<CoreObject> value, vectorcallfunc call);

// A new reference to an object of its class. One with a function `call` is called by it.
template <class Class>
PyObject* wrapped(std::unique_ptr<Class> value) {
  vectorcallfunc call = nullptr;
  if constexpr (requires { Class::call; }) call = Class::call;
  return new_instance(type_of<Class>, std::move(value), call);
}

// A function's result as a new reference.
inline PyObject* to_python(py::object value) { return value.release().ptr(); }
inline PyObject* to_python(bool value) { return PyBool_FromLong(value ? 1 : 0); }
inline PyObject* to_python(double value) { return PyFloat_FromDouble(value); }
template <std::integral Integer>
PyObject* to_python(Integer value) {
  if constexpr (std::is_signed_v<Integer>)
    return PyLong_FromLongLong(value);
  else
    return PyLong_FromUnsignedLongLong(value);
}
PyObject* to_python(const std::string& value);
PyObject* to_python(const std::vector<std::string>& values);
PyObject* to_python(const std::vector<double>& values);
PyObject* to_python(const std::vector<std::int64_t>& values);
PyObject* to_python(const std::vector<std::uint64_t>& values);
inline py::object list_of(const std::vector<double>& values) {
  return py::reinterpret_steal<py::object>(to_python(values));
}
template <std::derived_from<CoreObject> Class>
PyObject* to_python(std::unique_ptr<Class> value) {
  return wrapped(std::move(value));
}

// Python's name for a kind of object.
template <class Value>
constexpr const char* python_name = [] {
  static_assert(sizeof(Value) == 0, "this type has no name");
  return "";
}();
template <>
inline constexpr const char* python_name<py::bytes> = "bytes";
template <>
inline constexpr const char* python_name<py::dict> = "a dictionary";
template <>
inline constexpr const char* python_name<py::function> = "a function";
template <>
inline constexpr const char* python_name<py::list> = "a list";
template <>
inline constexpr const char* python_name<py::tuple> = "a tuple";

// Argument i for a parameter of type P: a value of P's type, or a reference to a core object.
template <class P>
decltype(auto) argument(const Given& given, std::size_t i) {
  using Value = std::remove_cvref_t<P>;
  if constexpr (std::is_same_v<Value, py::object>) {
    return given.object(i);
  } else if constexpr (std::is_same_v<Value, bool>) {
    return given.flag(i);
  } else if constexpr (std::is_same_v<Value, char>) {
    return given.character(i);
  } else if constexpr (std::is_floating_point_v<Value>) {
    return static_cast<Value>(given.number(i));
  } else if constexpr (std::is_integral_v<Value> && std::is_signed_v<Value>) {
    const std::int64_t found = given.integer(i);
    if (found != static_cast<Value>(found))
      given.refuse(i, given.object(i), "an integer of fewer bits");
    return static_cast<Value>(found);
  } else if constexpr (std::is_integral_v<Value>) {
    return static_cast<Value>(given.natural(i));
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return given.text(i);
  } else if constexpr (std::is_same_v<Value, std::vector<double>>) {
    return given.numbers(i);
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    return given.texts(i);
  } else if constexpr (std::is_same_v<Value, std::vector<std::uint64_t>>) {
    return given.naturals(i);
  } else if constexpr (std::is_same_v<Value, std::vector<py::object>>) {
    return given.objects(i);
  } else if constexpr (std::is_same_v<Value, std::vector<py::dict>>) {
    return given.dictionaries(i);
  } else if constexpr (std::is_same_v<Value, std::vector<index_t>>) {
    const std::vector<std::int64_t> found = given.integers(i);
    return std::vector<index_t>(found.begin(), found.end());
  } else if constexpr (std::is_base_of_v<py::object, Value>) {  // py::list and other kinds of it
    py::object found = given.object(i);
    if (!py::isinstance<Value>(found)) given.refuse(i, found, python_name<Value>);
    return py::reinterpret_borrow<Value>(found);
  } else if constexpr (std::is_pointer_v<Value>) {  // None is no object
    using Class = std::remove_pointer_t<Value>;
    const py::object found = given.object(i);
    if (found.is_none()) return static_cast<Class*>(nullptr);
    if (!is_instance<Class>(found)) given.refuse(i, found, type_of<Class>->tp_name);
    return &self_of<Class>(found.ptr());
  } else {
    const py::object found = given.object(i);
    if (!is_instance<Value>(found)) given.refuse(i, found, type_of<Value>->tp_name);
    return static_cast<Value&>(self_of<Value>(found.ptr()));
  }
}

// Parameters of a function or a member function.
template <class... P>
struct Parameters {
  template <std::size_t... I>
  static auto read_each(const Given& given, std::index_sequence<I...>) {
    // In braces: from left to right.
    return std::tuple<decltype(argument<P>(given, I))...>{argument<P>(given, I)...};
  }
  static auto read(const Given& given) { return read_each(given, std::index_sequence_for<P...>()); }
  // function(arguments...), of which those that are taken by value are moved.
  template <class Function, class Tuple, std::size_t... I>
  static decltype(auto) pass_each(Function&& function, Tuple& read, std::index_sequence<I...>) {
    return function(static_cast<P&&>(std::get<I>(read))...);
  }
  template <class Function, class Tuple>
  static PyObject* call(Function&& function, Tuple& read) {
    const auto made = [&]() -> decltype(auto) {
      return pass_each(function, read, std::index_sequence_for<P...>());
    };
    if constexpr (std::is_void_v<decltype(made())>) {
      made();
      return py::none().release().ptr();
    } else {
      return to_python(made());
    }
  }
};

template <class Function>
struct Callable;
template <class R, class C, class... P>
struct Callable<R (C::*)(P...)> {
  using Object = C;
  using Rest = Parameters<P...>;
};
template <class R, class C, class... P>
struct Callable<R (C::*)(P...) const> {
  using Object = C;
  using Rest = Parameters<P...>;
};
template <class R, class... P>
struct Callable<R (*)(P...)> {
  using All = Parameters<P...>;
};
template <class Function>
struct FreeCallable;
template <class R, class C, class... P>
struct FreeCallable<R (*)(C&, P...)> {
  using Object = std::remove_const_t<C>;
  using Rest = Parameters<P...>;
};

}  // namespace densecore::bindings
