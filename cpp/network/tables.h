// Tables of embeddings in a network: which rows a batch uses, their gradients, and the check of its
// numbers.
//
// A table's gradient is added up after the backward pass, in the order of the batch's rows, from
// the gradients by the embeddings' outputs; only rows that the batch uses have one. Processes that
// share a batch exchange these outputs' gradients instead of tables.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/executor.h"
#include "base/view.h"
#include "layers/embedding.h"
#include "layers/spec.h"
#include "network/workspace.h"
#include "objectives/optimizer.h"

namespace densecore {

template <class T>
class EmbeddingTables {
 public:
  // Layer `number`, an embedding of columns `source` of x; layers of the same offset share a table.
  void add_layer(std::size_t number, Layer<T>& layer, const Source& source);
  bool empty() const { return tables_.empty(); }

  // Throws std::invalid_argument for numbers in x that an embedding has no row for.
  void check_numbers(MatrixView<const T> x) const;
  // The rows that have a gradient, of the table at an offset among the parameters.
  UsedRows* used_of(index_t offset);

  // `gradients` is the network's buffer. Before a backward pass that does not accumulate: no rows
  // are used.
  void begin(T* gradients);
  // After it; `near`: see Workspace. With `update` the rows are updated, too.
  void end(Executor& executor, MatrixView<const T> x, Workspace<T>& workspace, bool near,
           T* gradients, const Update<T>* update);
  // Rows whose gradient is not 0 count as used: callers may have written it.
  void find_used_rows(const T* gradients);

  // The rows that parts of a batch exchange: for each row the numbers that embeddings took, and the
  // gradients by their outputs.
  index_t columns() const;
  void reserve_rows(index_t rows);
  index_t kept_rows() const { return kept_rows_; }
  // Keeps them for rows [begin, end) of x, as rows `to_row`, ... of the part.
  void keep_rows(MatrixView<const T> x, Workspace<T>& workspace, index_t begin, index_t end,
                 index_t to_row, bool near);
  void take_rows(MatrixView<T> to) const;
  // Makes the gradients of a whole batch from its rows, as `take_rows` gives them.
  void add_rows(MatrixView<const T> rows, T* gradients);

 private:
  struct Use {
    std::size_t number;
    Layer<T>* layer;
    Source source;

    MatrixView<const T> ids(MatrixView<const T> x, index_t begin, index_t end) const {
      return {x.data + begin * x.stride + source.first, end - begin, source.columns, x.stride};
    }
  };
  struct Table {
    index_t offset, categories, units;
    std::vector<std::size_t> uses;  // by their places in uses_, the last one first
    UsedRows used{};
    // For each row the number of the last pass that has used it.
    std::vector<std::uint32_t> mark{};
    std::uint32_t pass = 1;
  };

  bool trained(const Table& table) const { return uses_[table.uses.front()].layer->trainable; }
  static MatrixView<T> delta_of(const Use& use, Workspace<T>& workspace, index_t begin, index_t end,
                                bool near) {
    return near ? workspace.near_gradient(use.number, end)
                : workspace.gradient(use.number, begin, end);
  }
  // Rows `ids` of a table get gradients, (rows, ids.cols * units).
  void add(Table& table, const Embedding<T>& layer, MatrixView<const T> ids,
           MatrixView<const T> delta, T* gradients);

  std::vector<Use> uses_;  // in the layers' order
  std::vector<Table> tables_;
  AlignedBuffer<T> kept_;  // (rows of the part, columns())
  index_t kept_rows_ = 0;
};

}  // namespace densecore
