#include "bindings/core_class.h"

#include <pybind11/stl.h>
#include <structmember.h>

#include <cstring>
#include <deque>

namespace densecore::bindings {
namespace {

// Names, docstrings and definitions live as long as the process, as classes do: in a list that is
// never destroyed and always in reach, so that LeakSanitizer does not take them for lost.
template <class T>
T* lasting(T value) {
  static auto& all = *new std::deque<T>;
  return &all.emplace_back(std::move(value));
}
const char* kept(std::string text) { return lasting(std::move(text))->c_str(); }

std::string name_in(const char* signature) { return {signature, std::strcspn(signature, "(")}; }

// The docstring from which Python takes the signature. A name that Python cannot spell ("in") has a
// type behind it: such a signature is a line of text.
const char* docstring(const MemberRow& row, bool bound) {
  const std::string name = name_in(row.signature), arguments = row.signature + name.size();
  if (arguments.find(':') != std::string::npos)
    return kept(name + "(self, " + arguments.substr(1) + "\n\n" + row.doc);
  const std::string self = !bound ? "" : arguments == "()" ? "$self" : "$self, ";
  return kept(name + "(" + self + arguments.substr(1) + "\n--\n\n" + row.doc);
}

PyObject* get_property(PyObject* self, void* of) noexcept {
  const MemberRow& row = *static_cast<const MemberRow*>(of);
  return guarded([&] { return row.body(self, Given(row.signature, nullptr)); });
}
int set_property(PyObject* self, PyObject* value, void* of) noexcept {
  const MemberRow& row = *static_cast<const MemberRow*>(of);
  if (value == nullptr) {
    PyErr_Format(PyExc_AttributeError, "cannot delete attribute '%s'", row.signature);
    return -1;
  }
  PyObject* const none = guarded([&] { return row.set(self, Given(row.signature, value)); });
  if (none == nullptr) return -1;
  Py_DECREF(none);
  return 0;
}

py::object taken(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

py::object method_of(PyTypeObject* type, PyMethodDef* definition) {
  return taken(PyDescr_NewMethod(type, definition));
}

PyObject* refuse_new(PyObject*, PyObject* arguments, PyObject*) {
  PyObject* const type = PyTuple_GET_SIZE(arguments) > 0 ? PyTuple_GET_ITEM(arguments, 0) : nullptr;
  PyErr_Format(PyExc_TypeError, "%s: found a call of __new__, wanted one of the class itself",
               type != nullptr && PyType_Check(type)
                   ? reinterpret_cast<PyTypeObject*>(type)->tp_name
                   : "densecore._core");
  return nullptr;
}
PyObject* refuse_init(PyObject* self, PyObject*, PyObject*) {
  PyErr_Format(PyExc_TypeError, "%s: found a call of __init__, wanted one of the class itself",
               Py_TYPE(self)->tp_name);
  return nullptr;
}
PyObject* refuse_pickle(PyObject* self, PyObject*) {
  const char* const name = std::strrchr(Py_TYPE(self)->tp_name, '.') + 1;
  PyErr_Format(PyExc_TypeError,
               "cannot pickle or copy '%s', a part of a model: pickle or copy the model", name);
  return nullptr;
}

void end_instance(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  delete reinterpret_cast<Instance*>(self)->value;
  type->tp_free(self);
  Py_DECREF(type);
}

PyCFunction with_keywords(PyObject* (*function)(PyObject*, PyObject*, PyObject*)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// A class of all core classes, which has no objects.
PyObject* base_class() {
  static PyObject* const base = [] {
    PyType_Slot slots[] = {{0, nullptr}};
    PyType_Spec spec = {
        "densecore._core.CoreObject", static_cast<int>(sizeof(Instance)), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    return taken(PyType_FromSpec(&spec)).release().ptr();
  }();
  return base;
}

}  // namespace

PyObject* new_instance(PyTypeObject* type, std::unique_ptr<CoreObject> value, vectorcallfunc call) {
  auto* const made = reinterpret_cast<Instance*>(type->tp_alloc(type, 0));
  if (made == nullptr) throw py::error_already_set();
  made->call = call;
  made->value = value.release();
  return reinterpret_cast<PyObject*>(made);
}

void refuse_class(const char* name, const py::handle& found, PyTypeObject* wanted) {
  throw py::type_error(std::string(name) + ": found " + Py_TYPE(found.ptr())->tp_name +
                       ", wanted " + wanted->tp_name);
}

PyObject* to_python(const std::string& value) {
  return PyUnicode_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size()));
}
PyObject* to_python(const std::vector<std::string>& values) {
  return py::cast(values).release().ptr();
}
PyObject* to_python(const std::vector<double>& values) { return py::cast(values).release().ptr(); }
PyObject* to_python(const std::vector<std::int64_t>& values) {
  return py::cast(values).release().ptr();
}
PyObject* to_python(const std::vector<std::uint64_t>& values) {
  return py::cast(values).release().ptr();
}

PyObject* run_row(const MemberRow& row, PyObject* self, PyObject* const* values,
                  Py_ssize_t positional, PyObject* keywords) noexcept {
  return guarded([&] {
    return row.body(self, Given(row.signature, row.counts, values, positional, keywords));
  });
}

PyObject* new_by(const MemberRow* constructor, PyTypeObject* type, PyObject* values,
                 PyObject* keywords) noexcept {
  return guarded([&]() -> PyObject* {
    if (constructor == nullptr)
      throw py::type_error(std::string(type->tp_name) +
                           ": found a call of the class, wanted one of a method of a model");
    return constructor->body(nullptr,
                             Given(constructor->signature, constructor->counts, values, keywords));
  });
}

void add_rows(const py::handle& to, const MemberTable& rows) {
  auto* const type = PyType_Check(to.ptr()) ? reinterpret_cast<PyTypeObject*>(to.ptr()) : nullptr;
  const py::object module_name = type == nullptr ? py::object(to.attr("__name__")) : py::object();
  for (std::size_t i = 0; i < rows.size; ++i) {
    const MemberRow& row = rows.begin[i];
    py::object made;
    if (row.kind == MemberRow::Kind::property) {
      auto* const definition = lasting(PyGetSetDef{row.signature, get_property,
                                                   row.set == nullptr ? nullptr : set_property,
                                                   row.doc, const_cast<MemberRow*>(&row)});
      made = taken(PyDescr_NewGetSet(type, definition));
      to.attr(row.signature) = made;
      continue;
    }
    const char* const name = kept(name_in(row.signature));
    const bool bound = row.kind == MemberRow::Kind::method;
    auto* const definition = lasting(PyMethodDef{
        name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(rows.entries[i])),
        METH_FASTCALL | METH_KEYWORDS, docstring(row, bound)});
    if (bound) {
      made = method_of(type, definition);
    } else {
      made = taken(PyCFunction_NewEx(definition, nullptr, module_name.ptr()));
      if (type != nullptr) made = taken(PyStaticMethod_New(made.ptr()));
    }
    to.attr(name) = made;
  }
}

PyTypeObject* new_class(const py::handle& module, const std::string& name, const char* doc,
                        newfunc construct, const MemberRow* constructor, bool called) {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Instance, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>(doc)},
                         {Py_tp_new, reinterpret_cast<void*>(construct)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(end_instance)},
                         {called ? Py_tp_call : 0, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_members, members},
                         {0, nullptr}};
  PyType_Spec spec = {
      kept("densecore._core." + name), static_cast<int>(sizeof(Instance)), 0,
      static_cast<unsigned int>(Py_TPFLAGS_DEFAULT | (called ? Py_TPFLAGS_HAVE_VECTORCALL : 0)),
      slots};
  const py::object made = taken(PyType_FromSpecWithBases(&spec, base_class()));
  auto* const type = reinterpret_cast<PyTypeObject*>(made.ptr());

  static PyMethodDef reduce = {"__reduce__", refuse_pickle, METH_NOARGS,
                               "Raises TypeError: pickle the model."};
  made.attr("__reduce__") = method_of(type, &reduce);
  // Into the dictionary and not into the class's slots: a call of the class goes through those.
  static PyMethodDef make = {"__new__", with_keywords(refuse_new), METH_VARARGS | METH_KEYWORDS,
                             "Raises TypeError: objects come from a call of the class."};
  const auto set = [&](const char* key, const py::object& value) {
    if (PyDict_SetItemString(type->tp_dict, key, value.ptr()) != 0) throw py::error_already_set();
  };
  set("__new__", taken(PyCFunction_New(&make, nullptr)));
  if (constructor != nullptr) {
    MemberRow shown = *constructor;
    const std::string signature =
        std::string("__init__") + std::strchr(constructor->signature, '(');
    shown.signature = signature.c_str();
    set("__init__", method_of(type, lasting(PyMethodDef{"__init__", with_keywords(refuse_init),
                                                        METH_VARARGS | METH_KEYWORDS,
                                                        docstring(shown, true)})));
  }
  PyType_Modified(type);
  module.attr(name.c_str()) = made;
  return type;
}

}  // namespace densecore::bindings
