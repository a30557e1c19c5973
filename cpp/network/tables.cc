#include "network/tables.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void EmbeddingTables<T>::add_layer(std::size_t number, Layer<T>& layer, const Source& source) {
  const Embedding<T>& embedding = *layer.table();
  const index_t offset = layer.parameter_offset();
  const auto same = std::find_if(tables_.begin(), tables_.end(),
                                 [&](const Table& other) { return other.offset == offset; });
  if (same == tables_.end())
    tables_.push_back({offset, embedding.categories(), embedding.row_units(), {uses_.size()}});
  else
    same->uses.insert(same->uses.begin(), uses_.size());
  uses_.push_back({number, &layer, source});
}

template <class T>
void EmbeddingTables<T>::check_numbers(MatrixView<const T> x) const {
  for (const Use& use : uses_)
    use.layer->table()->check_numbers(use.ids(x, 0, x.rows), use.source.first);
}

template <class T>
UsedRows* EmbeddingTables<T>::used_of(index_t offset) {
  for (Table& table : tables_)
    if (table.offset == offset) return &table.used;
  return nullptr;
}

template <class T>
void EmbeddingTables<T>::begin(T* gradients) {
  for (Table& table : tables_) {
    if (table.used.others_are_zero && table.used.rows.empty()) continue;
    T* const own = gradients + table.offset;
    if (table.used.others_are_zero) {
      for (const index_t row : table.used.rows)
        std::fill_n(own + row * table.units, table.units, T(0));
    } else {
      std::fill_n(own, table.categories * table.units, T(0));
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
void EmbeddingTables<T>::add(Table& table, const Embedding<T>& layer, MatrixView<const T> ids,
                             MatrixView<const T> delta, T* gradients) {
  if (table.mark.empty()) table.mark.resize(static_cast<std::size_t>(table.categories));
  T* const own = gradients + table.offset;
  const index_t units = table.units;
  for (index_t i = 0; i < ids.rows; ++i) {
    const T* g = delta.row(i);
    for (index_t j = 0; j < ids.cols; ++j, g += units) {
      const index_t row = layer.row_of(ids.row(i)[j]);
      T* const to = own + row * units;
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
void EmbeddingTables<T>::end(Executor& executor, MatrixView<const T> x, Workspace<T>& workspace,
                             bool near, T* gradients, const Update<T>* update) {
  double work = 0;
  for (const Table& table : tables_)
    work +=
        8.0 * static_cast<double>(x.rows * table.units) * static_cast<double>(table.uses.size());
  // Not to be left half done.
  Executor uninterrupted;
  uninterrupted.run(static_cast<int>(tables_.size()), work, [&](int i, void*) {
    Table& table = tables_[static_cast<std::size_t>(i)];
    if (!trained(table)) return;
    for (const std::size_t place : table.uses) {
      const Use& use = uses_[place];
      add(table, *use.layer->table(), use.ids(x, 0, x.rows),
          delta_of(use, workspace, 0, x.rows, near), gradients);
    }
    if (update != nullptr) update->apply_rows(table.offset, table.units, table.used);
  });
  executor.check(work);
}

template <class T>
void EmbeddingTables<T>::find_used_rows(const T* gradients) {
  for (Table& table : tables_) {
    if (table.mark.empty()) table.mark.resize(static_cast<std::size_t>(table.categories));
    const T* g = gradients + table.offset;
    for (index_t row = 0; row < table.categories; ++row, g += table.units) {
      std::uint32_t& mark = table.mark[static_cast<std::size_t>(row)];
      if (mark == table.pass || std::all_of(g, g + table.units, [](T value) { return value == 0; }))
        continue;
      mark = table.pass;
      table.used.rows.push_back(row);
    }
  }
}

template <class T>
index_t EmbeddingTables<T>::columns() const {
  index_t columns = 0;
  for (const Use& use : uses_) columns += use.source.columns + use.layer->units();
  return columns;
}

template <class T>
void EmbeddingTables<T>::reserve_rows(index_t rows) {
  kept_rows_ = rows;
  reserve(kept_, rows * columns());
}

template <class T>
void EmbeddingTables<T>::keep_rows(MatrixView<const T> x, Workspace<T>& workspace, index_t begin,
                                   index_t end, index_t to_row, bool near) {
  const index_t stride = columns();
  T* to = kept_.data() + to_row * stride;
  for (const Use& use : uses_) {
    const MatrixView<const T> ids = use.ids(x, begin, end);
    const MatrixView<const T> delta = delta_of(use, workspace, begin, end, near);
    copy_rows(ids, MatrixView<T>(to, ids.rows, ids.cols, stride));
    copy_rows(delta, MatrixView<T>(to + ids.cols, delta.rows, delta.cols, stride));
    to += ids.cols + delta.cols;
  }
}

template <class T>
void EmbeddingTables<T>::take_rows(MatrixView<T> to) const {
  copy_rows(MatrixView<const T>(kept_.data(), kept_rows_, to.cols), to);
}

template <class T>
void EmbeddingTables<T>::add_rows(MatrixView<const T> rows, T* gradients) {
  std::vector<index_t> first;  // of each embedding's columns
  index_t next = 0;
  for (const Use& use : uses_) {
    first.push_back(next);
    next += use.source.columns + use.layer->units();
  }
  for (Table& table : tables_) {
    if (!trained(table)) continue;
    for (const std::size_t place : table.uses) {
      const Use& use = uses_[place];
      const T* const ids = rows.data + first[place];
      const index_t count = use.source.columns;
      add(table, *use.layer->table(), {ids, rows.rows, count, rows.stride},
          {ids + count, rows.rows, use.layer->units(), rows.stride}, gradients);
    }
  }
}

#define DENSECORE_INSTANTIATE(T, ...) template class EmbeddingTables<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
