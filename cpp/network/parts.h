// The gradient of a part of a batch, when several processes share its rows. The sum over all rows
// is a binary tree over leaves of the whole batch: a process adds up the leaves of its own branch,
// the reduction between processes adds up the branches.
#pragma once

#include <algorithm>
#include <vector>

#include "base/executor.h"
#include "network/batch.h"
#include "network/network.h"

namespace densecore {

template <class T>
class PartGradients {
 public:
  explicit PartGradients(Network<T>& network) : network_(network) {}

  // Writes the gradient of some rows, without penalties and scaled for the whole batch, to the
  // network's buffer: the sum over all parts is `Network::gradient`'s. A part without rows gives
  // -0, which changes no sum's bits. `outputs` (rows, units), unless empty, gets the network's
  // outputs. Moving averages stay until `Network::commit`. Random numbers are those of training
  // step `number`. Returns the sums of the part's losses, one for each head, and last the
  // penalties of layers' outputs if there are any: to be added up over the parts.
  std::vector<double> gradient(Executor& executor, const Objective<T>& objective,
                               MatrixView<const T> x, const Targets<T>& targets,
                               std::uint64_t number, const BatchPart<T>& part,
                               MatrixView<T> outputs);
  // The gradient of a part without rows: -0, with the slots behind it; of tables none.
  void neutral_gradient();
  // How many sums `gradient` returns.
  std::size_t sum_count(const Objective<T>& objective) const;
  // The sum of a whole batch from the sums of its parts, and each head's loss.
  LossSum sum(const Objective<T>& objective, const WholeBatch& batch,
              const std::vector<double>& sums);
  // How many numbers the parts of a batch add up in the middle of the passes, call by call.
  std::vector<index_t> sums_of_pass() const;
  // How many leaves `Network::train` adds up for so many rows; 0 where its products have all rows
  // at once.
  index_t leaves(index_t rows) const;
  // Parameters whose gradients the parts add up: all but tables, which follow.
  index_t summed_count() const { return network_.summed_count_; }

  // The rows that parts of a batch exchange instead of gradients of tables: see `EmbeddingTables`.
  // `add_table_rows` makes the gradients of the whole batch's rows.
  index_t table_columns() const { return network_.embedding_tables_.columns(); }
  index_t table_rows() const { return network_.embedding_tables_.kept_rows(); }
  void take_table_rows(MatrixView<T> to) const { network_.embedding_tables_.take_rows(to); }
  void add_table_rows(MatrixView<const T> rows);

 private:
  // The arguments of `gradient`, and the sums of losses so far.
  struct Call;
  // A small network: each leaf goes through all layers in blocks of rows, the leaves by threads.
  void by_blocks(Call& call);
  // A large network: one leaf after another, each layer by all threads.
  void by_leaves(Call& call);
  // All leaves go through a layer before the next one, for some layer couples the batch's rows.
  void by_layers(Call& call);
  // Adds the penalties of layers' outputs in rows [begin, end) of the workspace to a leaf's sums.
  void add_output_penalties(Call& call, index_t leaf, index_t begin, index_t end);

  Network<T>& network_;
};

}  // namespace densecore
