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
    if (table.used.others_are_zero && table.used.rows.empty()) continue;
    T* const gradients = gradients_->data() + table.offset;
    if (table.used.others_are_zero) {
      for (const index_t row : table.used.rows)
        std::fill_n(gradients + row * table.units, table.units, T(0));
    } else {
      std::fill_n(gradients, table.categories * table.units, T(0));
      table.used.others_are_zero = true;
    }
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
  for (const std::size_t l : table.layers)
    add_rows(table, *layers_[l]->table(), input_of(l, x, 0, x.rows),
             gradient_of(l, 0, x.rows, near));
}

template <class T>
void Network<T>::add_rows(TableGradient& table, const Embedding<T>& layer, ConstView ids,
                          ConstView delta) {
  if (table.mark.empty()) table.mark.resize(static_cast<std::size_t>(table.categories));
  T* const gradients = gradients_->data() + table.offset;
  const index_t units = table.units;
  for (index_t i = 0; i < ids.rows; ++i) {
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

template <class T>
index_t Network<T>::table_columns() const {
  index_t columns = 0;
  for (const std::size_t l : embeddings_) columns += input_[l].columns + layers_[l]->units();
  return columns;
}

template <class T>
void Network<T>::keep_table_rows(ConstView x, index_t begin, index_t end, index_t to_row,
                                 bool near) {
  const index_t columns = table_columns();
  T* to = table_rows_.data() + to_row * columns;
  for (const std::size_t l : embeddings_) {
    const ConstView ids = input_of(l, x, begin, end), delta = gradient_of(l, begin, end, near);
    copy_rows(ids, View(to, ids.rows, ids.cols, columns));
    copy_rows(delta, View(to + ids.cols, delta.rows, delta.cols, columns));
    to += ids.cols + delta.cols;
  }
}

template <class T>
void Network<T>::take_table_rows(View to) const {
  copy_rows(ConstView(table_rows_.data(), table_rows_count_, to.cols), to);
}

template <class T>
void Network<T>::add_table_rows(ConstView rows) {
  begin_tables();
  for (TableGradient& table : embedding_tables_) {
    if (!layers_[table.layers.front()]->trainable) continue;
    for (const std::size_t l : table.layers) {
      index_t first = 0;
      for (const std::size_t other : embeddings_) {
        if (other == l) break;
        first += input_[other].columns + layers_[other]->units();
      }
      const index_t ids = input_[l].columns;
      add_rows(table, *layers_[l]->table(), {rows.data + first, rows.rows, ids, rows.stride},
               {rows.data + first + ids, rows.rows, layers_[l]->units(), rows.stride});
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

#define DENSECORE_INSTANTIATE(T, ...)                                                              \
  template void Network<T>::check_embedded(MatrixView<const T>) const;                             \
  template void Network<T>::clear_tables();                                                        \
  template void Network<T>::end_tables(Executor&, MatrixView<const T>, bool, const Update<T>*);    \
  template index_t Network<T>::table_columns() const;                                              \
  template void Network<T>::keep_table_rows(MatrixView<const T>, index_t, index_t, index_t, bool); \
  template void Network<T>::take_table_rows(MatrixView<T>) const;                                  \
  template void Network<T>::add_table_rows(MatrixView<const T>);                                   \
  template void Network<T>::find_used_rows();
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
