// The order in which parts of a sum are added: as a binary tree. The rounding error then grows with
// the logarithm of their number, and the bits depend on that number only.
#pragma once

namespace densecore {

// add(i, j) adds part j to part i; part 0 is the sum of all at the end.
template <class Index, class Add>
void add_pairwise(Index parts, Add add) {
  for (Index distance = 1; distance < parts; distance *= 2)
    for (Index i = 0; i + distance < parts; i += 2 * distance) add(i, i + distance);
}

}  // namespace densecore
