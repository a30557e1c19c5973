// Sums in a binary tree over numbered leaves, of which a process has some neighbours. No
// mathematics: which of them are added when.
#pragma once

#include <vector>

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

// Adds up leaves [first, first + count) as far as they are whole branches, what is left from right
// to left: add(i, j) adds number j to number i, both counted from `first`. Number 0 is the result.
template <class Add>
void add_leaves(index_t first, index_t count, Add add) {
  std::vector<Branch> waiting;
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
