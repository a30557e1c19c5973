// The arrays of a batch, or of all rows: x, y and sample_weight as views of NumPy's memory, checked
// against the network that reads them and the objective that it is trained by.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/array_snapshot.h"
#include "bindings/arrays.h"
#include "bindings/row_source.h"
#include "training/trainer.h"

namespace densecore::bindings {

template <class T>
void check_columns(const Network<T>& network, const RowSource<T>& source) {
  if (source.cols() != network.inputs())
    throw std::invalid_argument("x: found " + std::to_string(source.cols()) + " columns, wanted " +
                                std::to_string(network.inputs()));
}

// Checks the targets of each head, and copies class numbers to `labels`.
template <class T>
void read_heads(const Objective<T>& objective, MatrixView<const T> values, std::int32_t* labels) {
  for (const Head<T>& head : objective.heads()) {
    if (head.objective == nullptr) continue;
    const MatrixView<const T> own{values.data + head.target, values.rows, head.target_columns,
                                  values.stride};
    if (head.labels >= 0)
      copy_labels("y", own.data, own.stride, own.rows, head.columns,
                  labels + head.labels * values.rows);
    else
      check_targets(head.objective->loss(), own);
  }
}

// `labels` is where class numbers go: the core wants them as int32, checked.
template <class T>
Targets<T> targets_of(const Network<T>& network, const Objective<T>& objective, const py::object& y,
                      index_t rows, std::vector<std::int32_t>& labels) {
  Targets<T> targets;
  if (objective.has_heads()) {
    targets.values = input_matrix<T>("y", y, rows, objective.target_columns());
    targets.label_arrays = objective.label_arrays();
    targets.label_distance = rows;
    labels.resize(static_cast<std::size_t>(rows * targets.label_arrays));
    read_heads(objective, targets.values, labels.data());
    targets.labels = labels.data();
  } else if (objective.sparse()) {
    read_labels("y", y, rows, network.outputs(), labels);
    targets.labels = labels.data();
  } else {
    targets.values = input_matrix<T>("y", y, rows, objective.target_columns());
    check_targets(objective.loss(), targets.values);
  }
  return targets;
}

// `weight` is (rows,), or with several heads also (heads, rows).
template <class T>
void set_weights(const Objective<T>& objective, Targets<T>& targets, const py::object& weight,
                 index_t rows) {
  const auto heads = static_cast<index_t>(objective.heads().size());
  if (heads > 0 && py::isinstance<py::array>(weight) &&
      py::reinterpret_borrow<py::array>(weight).ndim() == 2) {
    targets.weight = input_matrix<T>("sample_weight", weight, heads, rows).data;
    targets.weight_arrays = heads;
    targets.weight_distance = rows;
    check_weights(targets.weight, heads * rows);
  } else {
    targets.weight = input_weights<T>(weight, rows);
  }
}

// `weight` may be None. `by_batch`: x may be a source of rows.
template <class T>
Data<T> data_of(const Network<T>& network, const Objective<T>& objective, const py::object& x,
                const py::object& y, const py::object& weight, std::vector<std::int32_t>& labels,
                bool by_batch = false) {
  Data<T> data;
  if (by_batch) data.source = row_source<T>(x);
  if (data.source != nullptr) {
    check_columns(network, *data.source);
    data.x = {nullptr, data.source->rows(), data.source->cols()};
  } else {
    data.x = input_matrix<T>("x", x, any, network.inputs());
    network.check_numbers(data.x);
  }
  data.targets = targets_of(network, objective, y, data.x.rows, labels);
  if (!weight.is_none()) set_weights(objective, data.targets, weight, data.x.rows);
  return data;
}

// The arrays of one step, which needs a row.
template <class T>
Data<T> batch_of(const Network<T>& network, const Objective<T>& objective, const py::object& x,
                 const py::object& y, const py::object& weight, std::vector<std::int32_t>& labels) {
  const Data<T> batch = data_of(network, objective, x, y, weight, labels);
  if (batch.x.rows == 0) throw std::invalid_argument("x: found no rows, wanted at least one");
  return batch;
}

// Checks the contents of a batch's arrays again (labels, weights); their memory has not moved.
template <class T>
void check_contents(const Network<T>& network, const Objective<T>& objective, Data<T>& batch,
                    const py::object& y, std::vector<std::int32_t>& labels) {
  if (objective.has_heads()) {
    labels.resize(static_cast<std::size_t>(batch.x.rows * batch.targets.label_arrays));
    read_heads(objective, batch.targets.values, labels.data());
  } else if (batch.targets.labels != nullptr) {
    read_labels("y", y, batch.x.rows, network.outputs(), labels);
    batch.targets.labels = labels.data();
  } else {
    check_targets(objective.loss(), batch.targets.values);
  }
  if (batch.targets.weight != nullptr)
    check_weights(batch.targets.weight, batch.x.rows * batch.targets.weight_arrays);
}

// Notes the arrays of `data_of`, for as long as the core reads them.
template <class T>
void borrow(BorrowedArrays& arrays, const py::object& x, const py::object& y,
            const py::object& weight) {
  borrow_rows<T>(arrays, x);
  arrays.add("y", y);
  arrays.add("sample_weight", weight);
}

}  // namespace densecore::bindings
