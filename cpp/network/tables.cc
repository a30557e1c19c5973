// Tables of embeddings: their gradients, of the rows that a batch uses, and the check of its
// numbers.
#include <algorithm>

#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {

template <class T>
void Network<T>::check_embedded(ConstView x) const {
  for (const std::size_t l : embeddings_) {
    const Source& source = input_[l];
    layers_[l]->table()->check_numbers({x.data + source.first, x.rows, source.columns, x.stride},
                                       source.first);
  }
}

template <class T>
void Network<T>::clear_tables() {
  for (TableGradient& table : embedding_tables_) {
    if (table.used.rows.empty()) continue;
    T* const gradients = gradients_->data() + table.offset;
    for (const index_t row : table.used.rows)
      std::fill_n(gradients + row * table.units, table.units, T(0));
    table.used.rows.clear();
    // Marks of earlier passes no longer count; once in 2^32 passes they are removed.
    if (++table.pass == 0) {
      std::fill(table.mark.begin(), table.mark.end(), 0);
      table.pass = 1;
    }
  }
}

template <class T>
void Network<T>::add_to_table(TableGradient& table, ConstView x, bool near) {
  if (table.mark.empty()) table.mark.resize(static_cast<std::size_t>(table.categories));
  T* const gradients = gradients_->data() + table.offset;
  const index_t units = table.units;
  for (const std::size_t l : table.layers) {
    const Embedding<T>& layer = *layers_[l]->table();
    const ConstView ids = input_of(l, x, 0, x.rows);
    const View delta = gradient_of(l, 0, x.rows, near);
    for (index_t i = 0; i < x.rows; ++i) {
      const T* g = delta.row(i);
      for (index_t j = 0; j < ids.cols; ++j, g += units) {
        const index_t row = layer.row_of(ids.row(i)[j]);
        T* const to = gradients + row * units;
        std::uint32_t& mark = table.mark[static_cast<std::size_t>(row)];
        if (mark == table.pass) {
          for (index_t k = 0; k < units; ++k) to[k] += g[k];
        } else {
          mark = table.pass;
          table.used.rows.push_back(row);
          copy_row(units, g, to);
        }
      }
    }
  }
}

template <class T>
void Network<T>::end_tables(Executor& executor, ConstView x, bool near, const Update<T>* update) {
  if (embedding_tables_.empty()) return;
  double work = 0;
  for (const TableGradient& table : embedding_tables_)
    work +=
        8.0 * static_cast<double>(x.rows * table.units) * static_cast<double>(table.layers.size());
  // Not to be left half done.
  Executor uninterrupted;
  uninterrupted.run(static_cast<int>(embedding_tables_.size()), work, [&](int i, void*) {
    TableGradient& table = embedding_tables_[static_cast<std::size_t>(i)];
    if (!layers_[table.layers.front()]->trainable) return;
    add_to_table(table, x, near);
    if (update != nullptr) update->apply_rows(table.offset, table.units, table.used);
  });
  executor.check(work);
}

template <class T>
void Network<T>::find_used_rows() {
  for (TableGradient& table : embedding_tables_) {
    if (table.mark.empty()) table.mark.resize(static_cast<std::size_t>(table.categories));
    const T* g = gradients_->data() + table.offset;
    for (index_t row = 0; row < table.categories; ++row, g += table.units) {
      std::uint32_t& mark = table.mark[static_cast<std::size_t>(row)];
      if (mark == table.pass || std::all_of(g, g + table.units, [](T value) { return value == 0; }))
        continue;
      mark = table.pass;
      table.used.rows.push_back(row);
    }
  }
}

#define DENSECORE_INSTANTIATE(T, ...)                                                           \
  template void Network<T>::check_embedded(MatrixView<const T>) const;                          \
  template void Network<T>::clear_tables();                                                     \
  template void Network<T>::end_tables(Executor&, MatrixView<const T>, bool, const Update<T>*); \
  template void Network<T>::find_used_rows();
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
