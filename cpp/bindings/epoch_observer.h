// The hooks of epochs: Python functions that `fit` calls between its epochs.
#pragma once

#include <utility>
#include <vector>

#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "bindings/user_function.h"
#include "training/trainer.h"

namespace densecore::bindings {

struct EpochHooks {
  // begin(), and end(training, validation) -> whether training goes on; None: no hook.
  py::object begin, end;
};

// Keeps the numbers of all epochs, and calls the hooks.
class PythonObserver : public EpochObserver {
 public:
  PythonObserver(EpochHooks hooks, InUse& in_use) : hooks_(std::move(hooks)), in_use_(in_use) {}

  void epoch_begin() override {
    if (!hooks_.begin.is_none()) with_python([&] { call_user(hooks_.begin); });
  }
  bool epoch_end(const EpochResult& result) override {
    columns.resize(result.training.size() + result.validation.size());
    auto column = columns.begin();
    for (const auto* values : {&result.training, &result.validation})
      for (const double value : *values) (column++)->push_back(value);
    bool go_on = true;
    if (!hooks_.end.is_none())
      with_python([&] {
        go_on = call_user(hooks_.end, list_of(result.training), list_of(result.validation))
                    .cast<bool>();
      });
    return go_on;
  }

  // For each number (those of training first) its values in all epochs: lists of an epoch's numbers
  // would be objects for Python's garbage collector, which took longer than tiny networks' epochs.
  std::vector<std::vector<double>> columns;

 private:
  // A hook may call the model, from this thread.
  template <class Body>
  void with_python(Body&& body) {
    const AcquiredGil gil;
    in_use_.open();
    try {
      body();
    } catch (...) {
      in_use_.close();
      throw;
    }
    in_use_.close();
  }

  EpochHooks hooks_;
  InUse& in_use_;
};

}  // namespace densecore::bindings
