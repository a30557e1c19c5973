// Look-up by name in the lists of a kernel table; the error for an unknown name lists the known
// ones.
#pragma once

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace densecore {

template <class Entry>
const Entry& find_entry(const Entry* entries, int count, const char* what,
                        const std::string& name) {
  std::string known;
  for (int i = 0; i < count; ++i) {
    if (name == entries[i].name) return entries[i];
    known += (i == 0 ? "" : ", ") + std::string(entries[i].name);
  }
  throw std::invalid_argument("unknown " + std::string(what) + " '" + name + "'; known: " + known);
}

// Throws std::invalid_argument for a value outside its range. Infinity is valid only as an initial
// value, which stands for the absence of a bound.
inline void check_hyperparameter(const std::string& owner, const Hyperparameter& h, double value) {
  const bool absent = std::isinf(value) && value == h.initial;
  const bool valid = absent || (std::isfinite(value) && value < h.maximum &&
                                (h.open ? value > h.minimum : value >= h.minimum));
  if (valid) return;
  std::ostringstream text;
  text << owner << ": " << h.name << ": found " << value << ", wanted a finite number "
       << (h.open ? "> " : ">= ") << h.minimum;
  if (std::isfinite(h.maximum)) text << " and < " << h.maximum;
  throw std::invalid_argument(text.str());
}

// The parameters of an entry: the given ones after a check, or the initial values if none is given.
inline std::vector<double> resolved_parameters(const std::string& owner, const Hyperparameter* list,
                                               int count, const std::vector<double>& given) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(list[i].initial);
  if (given.empty()) return values;
  if (given.size() != values.size())
    throw std::invalid_argument(owner + ": found " + std::to_string(given.size()) +
                                " parameters, wanted " + std::to_string(count));
  for (int i = 0; i < count; ++i)
    check_hyperparameter(owner, list[i], given[static_cast<std::size_t>(i)]);
  return given;
}

template <class T>
const ActivationEntry<T>& find_activation(const KernelTable<T>& table, const std::string& name) {
  return find_entry(table.activations, table.activation_count, "activation", name);
}
template <class T>
const LossEntry<T>& find_loss(const KernelTable<T>& table, const std::string& name) {
  return find_entry(table.losses, table.loss_count, "loss", name);
}
template <class T>
const OptimizerEntry<T>& find_optimizer(const KernelTable<T>& table, const std::string& name) {
  return find_entry(table.optimizers, table.optimizer_count, "optimizer", name);
}

}  // namespace densecore
