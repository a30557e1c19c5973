// Sums in a binary tree over numbered leaves, of which a process has some neighbours. No
// mathematics: which of them are added when.
#pragma once

#include <array>

#include "base/view.h"

namespace densecore {

// A branch of the tree: leaves [begin, begin + size).
struct Branch {
  index_t begin, size;
  // Takes in the branch to its left, if both are the halves of one; the last of all in any case.
  bool joins(const Branch& left, bool last) {
    const bool halves = left.size == size && left.begin % (2 * size) == 0;
    if (!halves && !last) return false;
    *this = {left.begin, left.size + size};
    return true;
  }
};

// The branches so far that wait for their right halves: of each size at most one, and before it one
// of each size, from the first leaf's number to a larger branch's begin.
class WaitingBranches {
 public:
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  const Branch& back() const { return branches_[count_ - 1]; }
  void push_back(const Branch& branch) { branches_[count_++] = branch; }
  void pop_back() { --count_; }

 private:
  std::array<Branch, 2 * 64> branches_;
  std::size_t count_ = 0;
};

// Adds up leaves [first, first + count) as far as they are whole branches, what is left from right
// to left: add(i, j) adds number j to number i, both counted from `first`. Number 0 is the result.
template <class Add>
void add_leaves(index_t first, index_t count, Add add) {
  WaitingBranches waiting;
  for (index_t i = 0; i < count; ++i) {
    Branch branch{first + i, 1};
    while (!waiting.empty()) {
      const index_t left = waiting.back().begin - first, right = branch.begin - first;
      if (!branch.joins(waiting.back(), i + 1 == count)) break;
      add(left, right);
      waiting.pop_back();
    }
    waiting.push_back(branch);
  }
}

}  // namespace densecore
