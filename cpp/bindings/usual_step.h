// The step of a custom loop whose batch several processes share, when it is cut as the last one's
// was: a gradient, one sum over the processes and an update, without a function of Python of ours
// in between, which would cost as much as the sum of a small gradient. A base of PyNetwork, which
// is `Self`.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bindings/guarded.h"
#include "network/batch.h"
#include "network/network.h"

namespace densecore::bindings {

namespace py = pybind11;

// The processes: a Group of group.py. It is referred to weakly, for a communicator may refer to the
// model, and the network must not keep that alive.
class Ranks {
 public:
  explicit Ranks(const py::object& group) : group_(group), noted_(group.attr("noted")) {}

  // The group, if there is still one and it was made of this communicator; else None.
  py::object of(const py::object& comm) const;
  // Replaces an array by its sum over the ranks.
  void sum(const py::object& group, const py::object& array) const;

 private:
  py::weakref group_;
  py::object noted_;  // has the name of the call that this process is in
};

template <class T, class Self>
class UsualSteps {
 public:
  // The next step is expected to be of this part of a batch. `reduced` is what the group's sums
  // take in the place of the network's array of that name.
  void expect(const py::object& group, const py::object& reduced, std::vector<index_t> cuts,
              index_t leaf, index_t rows, std::vector<double> weights,
              std::int64_t steps_between_checks) {
    if (cuts.size() < 2 || weights.size() != 1 || steps_between_checks < 1)
      throw std::invalid_argument("cuts, weights: found too few, wanted two or more and one");
    expected_ = std::make_shared<const Expected>(
        Expected{Ranks(group),
                 reduced,
                 {{rows, std::move(weights)}, std::move(cuts), leaf},
                 steps_between_checks});
  }
  void expect_nothing() { expected_.reset(); }

  // Makes the step, and returns its loss. Returns None, on all processes, when it is not as
  // expected on one of them; then nothing has changed, and nothing is expected any more. Also None,
  // without a sum, when nothing was expected of these processes, or if not `at_last` when this
  // one's arrays must be converted. `other`: this process wants another step, for instance because
  // its rows have weights. Raises what a process has found on all.
  py::object usual_step(const py::object& x, const py::object& y, bool other,
                        const py::object& comm, bool at_last) {
    // A function of Python that is called below may let another step be expected.
    const std::shared_ptr<const Expected> expected = expected_;
    if (!expected) return py::none();
    const py::object group = expected->ranks.of(comm);
    if (group.is_none()) return py::none();
    py::object error = py::none();
    if (!other) {
      PyObject* const none = guarded([&] {
        self().gradient_of(x, y, py::none(), expected->part, py::none());
        return py::none().release().ptr();
      });
      if (none == nullptr) {
        py::error_already_set raised;
        other = raised.matches(PyExc_TypeError) || raised.matches(PyExc_ValueError);
        if (other && !at_last) return py::none();
        if (!other) error = raised.value();
      }
      Py_XDECREF(none);
    }
    if (other || !error.is_none()) {
      self().neutral_gradient();
      slots()[other ? 3 : 2] = 1;
    }
    expected->ranks.sum(group, expected->reduced);
    if (slots()[2] > 0) group.attr("raise_known")(error);
    if (slots()[3] > 0) {
      expected_.reset();
      return py::none();
    }
    const std::vector<double> sums(1, static_cast<double>(slots()[1]));
    const WholeBatch& batch = expected->part.batch;
    const double penalty = self().update_by(batch, 0);
    py::object loss = py::float_(self().mean_loss(sums, batch.rows, batch.weights, penalty));
    if (self().steps() % expected->steps_between_checks == 0) self().by_model.attr("check_drift")();
    return loss;
  }

 private:
  struct Expected {
    Ranks ranks;
    py::object reduced;
    BatchPart<T> part;
    std::int64_t steps_between_checks;
  };

  Self& self() { return static_cast<Self&>(*this); }
  // Behind the gradient: weight, loss, whether a process has raised, whether it wants another step.
  T* slots() {
    const Network<T>& network = self().network();
    return network.gradients()->data() + network.parameter_count();
  }

  std::shared_ptr<const Expected> expected_;
};

}  // namespace densecore::bindings
