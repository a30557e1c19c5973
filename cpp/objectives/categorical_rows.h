// Rows of classes with probabilities softmax(logits): the head of a policy with discrete actions,
// with the gradients by the logits.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "objectives/array_functions.h"

namespace densecore {

class CategoricalRows {
 public:
  // A logit of minus infinity is a class that cannot be (a mask of actions). Throws
  // std::invalid_argument for NaN and plus infinity, and for a row in which no class can be.
  CategoricalRows(const ArrayFunctions& functions, index_t rows, index_t cols, Numbers logits);

  // As it was, from its log_probabilities and its probabilities.
  CategoricalRows(const ArrayFunctions& functions, index_t rows, index_t cols, Numbers log_p,
                  Numbers p)
      : functions_(functions),
        rows_(rows),
        cols_(cols),
        log_p_(std::move(log_p)),
        p_(std::move(p)) {}

  const ArrayFunctions& functions() const { return functions_; }
  index_t rows() const { return rows_; }
  index_t cols() const { return cols_; }
  // The normalised logits, and exp of them.
  const Numbers& log_probabilities() const { return log_p_; }
  const Numbers& probabilities() const { return p_; }

  // A class for each row, which follow from the seed.
  std::vector<std::int64_t> sample(std::uint64_t seed) const;
  // The most likely class of each row; the first of several.
  std::vector<std::int64_t> mode() const;

  // Gradients are those of sum over i of weight[i] * value[i], by the logits (rows, cols).
  Numbers log_prob(const std::vector<std::int32_t>& classes) const;
  Numbers log_prob_gradient(const std::vector<std::int32_t>& classes, const Numbers& weight) const;
  Numbers entropy() const;
  Numbers entropy_gradient(const Numbers& weight) const;
  // Kullback and Leibler's, of this one from the other.
  Numbers divergence(const CategoricalRows& other) const;
  void divergence_gradient(const CategoricalRows& other, const Numbers& weight, Numbers& by_own,
                           Numbers& by_other) const;

 private:
  std::size_t at(index_t i, index_t j) const { return static_cast<std::size_t>(i * cols_ + j); }
  // The largest of log_p_ in a row; the first of several.
  index_t largest_of(index_t i) const;
  // Sum over j of p_j (log p_j - log q_j), q left out when null.
  double expectation(index_t i, const CategoricalRows* q) const;

  ArrayFunctions functions_;
  index_t rows_, cols_;
  Numbers log_p_, p_;
};

}  // namespace densecore
