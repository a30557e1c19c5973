#include "objectives/categorical_rows.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/random.h"

namespace densecore {

CategoricalRows::CategoricalRows(const ArrayFunctions& functions, index_t rows, index_t cols,
                                 Numbers logits)
    : functions_(functions), rows_(rows), cols_(cols), log_p_(std::move(logits)) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  check_range("logits", log_p_, cols_, -infinity, std::numeric_limits<double>::max(),
              "finite numbers (or minus infinity, for a class that cannot be)");
  std::vector<index_t> best(static_cast<std::size_t>(rows_));
  for (index_t i = 0; i < rows_; ++i) {
    const index_t first = largest_of(i);
    const double most = log_p_[at(i, first)];
    if (most == -infinity)
      throw std::invalid_argument("logits: found minus infinity for all classes of row " +
                                  std::to_string(i) + ", wanted a class that can be");
    best[static_cast<std::size_t>(i)] = first;
    for (index_t j = 0; j < cols_; ++j) log_p_[at(i, j)] -= most;
  }
  p_ = log_p_;
  functions_.exp(p_);
  // log(1 + rest), where 1 is the likeliest class: of a class that is nearly certain rest is all.
  Numbers rest(static_cast<std::size_t>(rows_)), small(rest), large(rest);
  for (index_t i = 0; i < rows_; ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (index_t j = 0; j < cols_; ++j)
      if (j != best[row]) rest[row] += p_[at(i, j)];
    small[row] = std::min(rest[row], 1.0);
    large[row] = 1 + rest[row];
  }
  functions_.log1p(small);
  functions_.log(large);
  for (index_t i = 0; i < rows_; ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (index_t j = 0; j < cols_; ++j) {
      log_p_[at(i, j)] -= rest[row] < 1 ? small[row] : large[row];
      p_[at(i, j)] /= 1 + rest[row];
    }
  }
}

index_t CategoricalRows::largest_of(index_t i) const {
  index_t best = 0;
  for (index_t j = 1; j < cols_; ++j)
    if (log_p_[at(i, j)] > log_p_[at(i, best)]) best = j;
  return best;
}

std::vector<std::int64_t> CategoricalRows::sample(std::uint64_t seed) const {
  Random random(seed, Stream::sample, 1);
  std::vector<std::int64_t> classes(static_cast<std::size_t>(rows_));
  for (index_t i = 0; i < rows_; ++i) {
    // The first class up to which the probabilities exceed the number; where rounding has left the
    // sum of all below it, the last one that can be.
    const double number = random.uniform(static_cast<std::uint64_t>(i));
    double sum = 0;
    std::int64_t chosen = 0;
    for (index_t j = 0; j < cols_; ++j) {
      if (!(p_[at(i, j)] > 0)) continue;
      chosen = j;
      sum += p_[at(i, j)];
      if (sum > number) break;
    }
    classes[static_cast<std::size_t>(i)] = chosen;
  }
  return classes;
}

std::vector<std::int64_t> CategoricalRows::mode() const {
  std::vector<std::int64_t> classes(static_cast<std::size_t>(rows_));
  for (index_t i = 0; i < rows_; ++i) classes[static_cast<std::size_t>(i)] = largest_of(i);
  return classes;
}

Numbers CategoricalRows::log_prob(const std::vector<std::int32_t>& classes) const {
  Numbers found(classes.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    found[i] = log_p_[at(static_cast<index_t>(i), classes[i])];
  return found;
}

Numbers CategoricalRows::log_prob_gradient(const std::vector<std::int32_t>& classes,
                                           const Numbers& weight) const {
  // 1 - p of the class itself is the sum of the others: p has lost it where it is nearly certain.
  Numbers gradient(p_.size());
  for (index_t i = 0; i < rows_; ++i) {
    const auto row = static_cast<std::size_t>(i);
    double others = 0;
    for (index_t j = 0; j < cols_; ++j) {
      if (j != classes[row]) others += p_[at(i, j)];
      gradient[at(i, j)] = -(weight[row] * p_[at(i, j)]);
    }
    gradient[at(i, classes[row])] = weight[row] * others;
  }
  return gradient;
}

double CategoricalRows::expectation(index_t i, const CategoricalRows* q) const {
  double sum = 0;
  for (index_t j = 0; j < cols_; ++j) {
    if (!(p_[at(i, j)] > 0)) continue;  // 0 log 0 is 0
    sum += p_[at(i, j)] * (log_p_[at(i, j)] - (q == nullptr ? 0 : q->log_p_[at(i, j)]));
  }
  return sum;
}

Numbers CategoricalRows::entropy() const {
  Numbers found(static_cast<std::size_t>(rows_));
  for (index_t i = 0; i < rows_; ++i) found[static_cast<std::size_t>(i)] = -expectation(i, nullptr);
  return found;
}

Numbers CategoricalRows::entropy_gradient(const Numbers& weight) const {
  Numbers gradient(p_.size());
  for (index_t i = 0; i < rows_; ++i) {
    const double sum = expectation(i, nullptr), w = weight[static_cast<std::size_t>(i)];
    for (index_t j = 0; j < cols_; ++j)
      if (p_[at(i, j)] > 0) gradient[at(i, j)] = w * (p_[at(i, j)] * (sum - log_p_[at(i, j)]));
  }
  return gradient;
}

Numbers CategoricalRows::divergence(const CategoricalRows& other) const {
  Numbers found(static_cast<std::size_t>(rows_));
  for (index_t i = 0; i < rows_; ++i) found[static_cast<std::size_t>(i)] = expectation(i, &other);
  return found;
}

void CategoricalRows::divergence_gradient(const CategoricalRows& other, const Numbers& weight,
                                          Numbers& by_own, Numbers& by_other) const {
  by_own.assign(p_.size(), 0);
  by_other.assign(p_.size(), 0);
  for (index_t i = 0; i < rows_; ++i) {
    const double sum = expectation(i, &other), w = weight[static_cast<std::size_t>(i)];
    if (w != 0 && sum > std::numeric_limits<double>::max())
      throw std::invalid_argument("kl: found a class in row " + std::to_string(i) +
                                  " that can be here and cannot be in the other distribution, "
                                  "wanted one with a gradient");
    for (index_t j = 0; j < cols_; ++j) {
      const double p = p_[at(i, j)];
      if (p > 0) by_own[at(i, j)] = w * (p * ((log_p_[at(i, j)] - other.log_p_[at(i, j)]) - sum));
      by_other[at(i, j)] = w * (other.p_[at(i, j)] - p);
    }
  }
}

}  // namespace densecore
