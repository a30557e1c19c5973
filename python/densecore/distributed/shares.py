"""Which rows of a batch are a rank's, and where they are cut into leaves.

The gradient of a batch is a sum over leaves in a binary tree. Where the leaves are cut depends on
the batch and the network alone: that is why the sum has the same bits for 1, 2, 4 and 8 ranks.
"""

import bisect
from typing import NamedTuple

#: Leaves at least, where the sum of one process is not cut by itself: for so many ranks the bits
#: are the same.
LEAST_LEAVES = 8


class Share(NamedTuple):
    """A rank's rows [begin, end) of a batch, cut at `cuts`, of which the first leaf is `leaf`."""

    begin: int
    end: int
    cuts: list[int]
    leaf: int


def leaves(own: int, ranks: int, chunks: int | None, split: bool) -> int:
    """Into how many leaves a batch is cut.

    Parameters
    ----------
    own : int
        Leaves that one process cuts the batch into; 0 when it does not.
    ranks : int
    chunks : int or None
        What the user wants.
    split : bool
        Whether the rows are on several ranks already, so that each must have a leaf at least.
    """
    if chunks is not None:
        return max(chunks, _power(ranks)) if split else chunks
    if own > 0 and not split:
        return own
    return max(LEAST_LEAVES, own, _power(ranks))


def dealt(rows: int, count: int, rank: int, ranks: int) -> Share:
    """The share of a rank when every rank can read all rows: whole leaves."""
    first, last = count * rank // ranks, count * (rank + 1) // ranks
    if first == last:  # more ranks than leaves
        place = rows * first // count
        return Share(place, place, [place, place], first)
    cuts = [rows * i // count for i in range(first, last + 1)]
    return Share(cuts[0], cuts[-1], cuts, first)


def given(begin: int, own: int, rows: int, count: int) -> Share:
    """The share of a rank that has rows [begin, begin + own) of a batch of `rows`."""
    end = begin + own
    bounds = [rows * i // count for i in range(count + 1)]
    first, last = bisect.bisect_left(bounds, begin), bisect.bisect_left(bounds, end)
    if begin == end:
        return Share(begin, end, [begin, end], min(first, count - 1))
    if bounds[first] == begin:
        return Share(begin, end, [*bounds[first:last], end], first)
    return Share(begin, end, [begin, *bounds[first:last], end], first - 1)


def _power(ranks: int) -> int:
    """The smallest power of two that is not smaller."""
    return 1 << (ranks - 1).bit_length()
