// A column of cells as numbers, or as codes of the texts that occur in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tables/delimited_text.h"
#include "tables/values.h"

namespace densecore {

// The kinds of a column's cells, and the place of the first one of each kind.
struct NumberCounts {
  index_t numbers = 0, empty = 0, markers = 0, texts = 0;
  index_t first_text = -1;
};

// The numbers of a column into out (rows,): NaN where there is none. Stops when it has found more
// than `most_texts` texts: most columns of texts show themselves in their first rows.
NumberCounts read_numbers(const DelimitedText& text, index_t column, NumberStyle style,
                          index_t most_texts, double* out);

// The texts that occur in a column, in the order in which they are found, and the number of its
// text for each cell (rows,): -1 for an empty one.
std::vector<std::string> read_codes(const DelimitedText& text, index_t column, std::int32_t* codes);

}  // namespace densecore
