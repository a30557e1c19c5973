// Classes of the extension module, as tables of their methods.
//
// A class of the core exists once for each dtype (NetworkF32, NetworkF64), and so does its C++
// class; the table of its methods, with the conversion of their arguments, exists once: a method
// looks up its object's dtype and calls the one or the other. Objects come from a call of their
// class, complete, or from other objects: `__new__` and pickling raise TypeError, and Python cannot
// derive from a class.
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

// What is in an object of a core class.
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

// What a function returns, as a new reference.
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

// What Python calls a kind of object.
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

// A member of a class or a function, as Python sees it.
struct MemberRow {
  enum class Kind { method, static_method, property };
  using Body = PyObject* (*)(PyObject* self, const Given& given);
  using Entry = PyObject* (*)(PyObject* self, PyObject* const* values, Py_ssize_t positional,
                              PyObject* keywords);  // METH_FASTCALL | METH_KEYWORDS

  const char* signature;  // "name(arguments)", or an attribute's name
  const char* doc;
  ArgumentCounts counts;
  Kind kind;
  Body body;              // of an attribute: its value
  Body set = nullptr;     // of an attribute
  Entry entry = nullptr;  // instead of a body: what reads its arguments itself
};

// A member function of a class, or a function whose first argument is an object of it.
template <auto function>
PyObject* call_member(PyObject* self, const Given& given) {
  if constexpr (std::is_member_function_pointer_v<decltype(function)>) {
    using Own = Callable<decltype(function)>;
    auto read = Own::Rest::read(given);
    auto& object = self_of<typename Own::Object>(self);
    return Own::Rest::call(
        [&](auto&&... p) -> decltype(auto) {
          return (object.*function)(std::forward<decltype(p)>(p)...);
        },
        read);
  } else {
    using Own = FreeCallable<decltype(function)>;
    auto read = Own::Rest::read(given);
    auto& object = self_of<typename Own::Object>(self);
    return Own::Rest::call(
        [&](auto&&... p) -> decltype(auto) {
          return function(object, std::forward<decltype(p)>(p)...);
        },
        read);
  }
}

// A member function of the class of one dtype.
template <class Class, auto member>
struct TypedMember {
  using Own = Callable<std::remove_const_t<decltype(member)>>;
  using Rest = typename Own::Rest;
  static constexpr Dtype precision = Class::of_type;

  template <class Tuple>
  static PyObject* call(CoreObject& object, Tuple& read) {
    auto& owner = static_cast<typename Own::Object&>(static_cast<Class&>(object));
    return Rest::call(
        [&owner](auto&&... p) -> decltype(auto) {
          return (owner.*member)(std::forward<decltype(p)>(p)...);
        },
        read);
  }
};
// The same one of the classes of all dtypes.
template <class First, class... Others>
struct Members {
  static PyObject* call(PyObject* self, const Given& given) {
    CoreObject& object = self_of<CoreObject>(self);
    if constexpr ((std::is_same_v<typename First::Rest, typename Others::Rest> && ...)) {
      auto read = First::Rest::read(given);  // arguments are converted once
      PyObject* result = First::precision == object.precision ? First::call(object, read) : nullptr;
      ((Others::precision == object.precision ? void(result = Others::call(object, read)) : void()),
       ...);
      return result;
    } else {  // one of them is an object of the same dtype
      PyObject* result = read_and_call<First>(object, given);
      ((Others::precision == object.precision ? void(result = read_and_call<Others>(object, given))
                                              : void()),
       ...);
      return result;
    }
  }

 private:
  template <class Member>
  static PyObject* read_and_call(CoreObject& object, const Given& given) {
    if (Member::precision != object.precision) return nullptr;
    auto read = Member::Rest::read(given);
    return Member::call(object, read);
  }
};

// Not a generic lambda that gives the member of any class: Clang 14 fails.
#define DENSECORE_TYPED_MEMBER(T, Class, name) TypedMember<Class<T>, &Class<T>::name>
#define DENSECORE_MEMBERS(Class, name) \
  Members<DENSECORE_LIST_DTYPES(DENSECORE_TYPED_MEMBER, Class, name)>()

template <auto function>
consteval MemberRow method(const char* signature, const char* doc) {
  return {signature, doc, counts_of(signature), MemberRow::Kind::method, call_member<function>};
}
template <class... M>
consteval MemberRow method(const char* signature, Members<M...>, const char* doc) {
  return {signature, doc, counts_of(signature), MemberRow::Kind::method, Members<M...>::call};
}
// One of the functions that a training loop calls for every step, which reads its arguments itself.
consteval MemberRow method_at(const char* signature, MemberRow::Entry entry, const char* doc) {
  return {signature, doc, counts_of(signature), MemberRow::Kind::method, nullptr, nullptr, entry};
}
// With a body of its own.
consteval MemberRow method_by(const char* signature, MemberRow::Body body, const char* doc) {
  return {signature, doc, counts_of(signature), MemberRow::Kind::method, body};
}

template <auto get>
consteval MemberRow property(const char* name, const char* doc) {
  return {name, doc, {}, MemberRow::Kind::property, call_member<get>};
}
template <class... M>
consteval MemberRow property(const char* name, Members<M...>, const char* doc) {
  return {name, doc, {}, MemberRow::Kind::property, Members<M...>::call};
}
template <class... Get, class... Set>
consteval MemberRow property(const char* name, Members<Get...>, Members<Set...>, const char* doc) {
  return {name, doc, {}, MemberRow::Kind::property, Members<Get...>::call, Members<Set...>::call};
}

// A function without an object.
template <auto f>
PyObject* call_function(PyObject*, const Given& given) {
  using All = typename Callable<decltype(f)>::All;
  auto read = All::read(given);
  return All::call(
      [&](auto&&... p) -> decltype(auto) { return f(std::forward<decltype(p)>(p)...); }, read);
}
template <auto f>
consteval MemberRow function(const char* signature, const char* doc) {
  return {signature, doc, counts_of(signature), MemberRow::Kind::static_method, call_function<f>};
}

// The constructor that takes these parameters; `signature` begins with the class's name.
template <class Class, class... P>
PyObject* construct(PyObject*, const Given& given) {
  auto read = Parameters<P...>::read(given);
  return Parameters<P...>::call(
      [](auto&&... p) { return std::make_unique<Class>(std::forward<decltype(p)>(p)...); }, read);
}
template <class Class, class... P>
consteval MemberRow constructor(const char* signature) {
  return {signature, "Make an object.", counts_of(signature), MemberRow::Kind::static_method,
          construct<Class, P...>};
}

// Runs the body of a row.
PyObject* run_row(const MemberRow& row, PyObject* self, PyObject* const* values,
                  Py_ssize_t positional, PyObject* keywords) noexcept;

template <const auto& rows, std::size_t i>
PyObject* entry(PyObject* self, PyObject* const* values, Py_ssize_t positional,
                PyObject* keywords) {
  return run_row(rows[i], self, values, positional, keywords);
}

// A table of rows with a C function for each, which CPython calls.
struct MemberTable {
  const MemberRow* begin;
  const MemberRow::Entry* entries;
  std::size_t size;
};
template <const auto& rows, std::size_t... i>
const MemberRow::Entry* entries_of(std::index_sequence<i...>) {
  // Not constexpr: under a sanitizer GCC takes no comparison of a pointer for a constant (bug
  // 71962).
  static const MemberRow::Entry entries[] = {
      (rows[i].entry != nullptr ? rows[i].entry : entry<rows, i>)...};
  return entries;
}
template <const auto& rows>
MemberTable table_of_rows() {
  constexpr std::size_t size = sizeof(rows) / sizeof(rows[0]);
  return {rows, entries_of<rows>(std::make_index_sequence<size>()), size};
}

// Adds rows to a class, or functions to the module.
void add_rows(const py::handle& to, const MemberTable& rows);

PyTypeObject* new_class(const py::handle& module, const std::string& name, const char* doc,
                        newfunc construct, const MemberRow* constructor, bool called);
// A call of the class: `constructor` is null for one whose objects come from others only.
PyObject* new_by(const MemberRow* constructor, PyTypeObject* type, PyObject* values,
                 PyObject* keywords) noexcept;

template <class Class>
inline const MemberRow* constructor_of = nullptr;

// Makes the Python class of a C++ class. `constructor` lives as long as the class.
template <class Class>
py::handle core_class(const py::handle& module, const std::string& name, const char* doc,
                      const MemberRow* constructor = nullptr) {
  constructor_of<Class> = constructor;
  const newfunc construct = [](PyTypeObject* type, PyObject* values, PyObject* keywords) {
    return new_by(constructor_of<Class>, type, values, keywords);
  };
  type_of<Class> = new_class(
      module, name, doc, construct, constructor, requires { Class::call; });
  return py::handle(reinterpret_cast<PyObject*>(type_of<Class>));
}

}  // namespace densecore::bindings
