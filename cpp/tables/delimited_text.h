// Delimited text (CSV and its relatives) cut into cells. The text is kept, and every cell is a
// stretch of it: quotes are undone in place, so that nothing is copied per cell.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/view.h"

namespace densecore {

struct TextFormat {
  char separator = ',';
  bool merge = false;    // runs of separators count as one, as with blanks
  bool comments = true;  // lines that begin with '#' and have another number of cells are left out
};

// One record of the text: the line that it begins on, and where the next record begins.
struct TextRecord {
  std::int64_t line;
  std::size_t next;
  std::vector<std::string> cells;
};

// The first `limit` records of UTF-8 text that are not blank, from byte `begin` on; for looking at
// a file before it is known how many columns it has. Never throws for what the text says.
std::vector<TextRecord> first_records(std::string_view text, std::size_t begin, TextFormat format,
                                      std::size_t limit);

// All records of a text as rows of `columns` cells each.
class DelimitedText {
 public:
  // Reads `text` from byte `begin`, which is on line `line` (counted from 1). Cells beyond
  // `columns` are left out when they are empty. Of a few records with another number of cells (see
  // `ragged`) those that are not there are empty, or all when there are too many; more of them than
  // one in fifty, or a quote that is not closed, throw std::invalid_argument with "row N: ...".
  DelimitedText(std::string text, std::size_t begin, std::int64_t line, index_t columns,
                TextFormat format);
  // One column of texts that are there already, one after another; sizes (rows,).
  DelimitedText(std::string text, const std::vector<std::size_t>& sizes);

  index_t rows() const { return static_cast<index_t>(lines_.size()); }
  index_t columns() const { return columns_; }
  const std::vector<std::int64_t>& lines() const { return lines_; }
  // The rows of another number of cells, and that number.
  struct Ragged {
    index_t row, cells;
  };
  const std::vector<Ragged>& ragged() const { return ragged_; }
  std::string_view cell(index_t row, index_t column) const;
  // Makes cells of these texts empty.
  void clear(const std::vector<std::string>& texts);

 private:
  friend class RecordReader;
  // 40 bits of place, 24 bits of length; a longer cell has the largest length here and its own in
  // `long_cells_`.
  static constexpr int length_bits = 24;
  static constexpr std::uint64_t longest = (std::uint64_t{1} << length_bits) - 1;
  // In a large file a few damaged lines cannot be mended by hand; many of them say that the format
  // is another one.
  static constexpr index_t fewest_rows_of_ragged = 50;
  void add_cell(std::size_t begin, std::size_t length);

  std::string text_;
  index_t columns_;
  std::vector<std::uint64_t> cells_;  // (rows, columns)
  std::map<std::uint64_t, std::size_t> long_cells_;
  std::vector<std::int64_t> lines_;
  std::vector<Ragged> ragged_;
};

}  // namespace densecore
