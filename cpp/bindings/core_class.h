// Classes of the extension module, as tables of their methods.
//
// The table of a class's methods exists once for all dtypes: a method looks up its object's dtype
// and calls the C++ class of that. Objects come from a call of their class, complete, or from other
// objects: `__new__` and pickling raise TypeError, and Python cannot derive from a class.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "base/dtypes.h"
#include "bindings/core_object.h"
#include "bindings/given.h"
#include "bindings/guarded.h"

namespace densecore::bindings {

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
  Entry entry = nullptr;  // instead of a body: a function that reads its arguments itself
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
