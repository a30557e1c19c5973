// Finds an entry of a kernel table's list by name; an unknown name is answered with the known ones.
#pragma once

#include <stdexcept>
#include <string>

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
