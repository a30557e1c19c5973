// Delimited text of any bytes, for libFuzzer (tools/fuzz_core.py): cut into cells, and every column
// read as numbers, codes and moments. A text is read, or refused by std::invalid_argument; the
// sanitizers look for all else. What the reader promises its callers is checked on the way.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tables/column_values.h"
#include "tables/delimited_text.h"
#include "tables/values.h"

namespace {

using densecore::DelimitedText;
using densecore::index_t;
using densecore::NumberStyle;
using densecore::TextFormat;

void require(bool holds) {
  if (!holds) std::abort();
}

// The first bytes choose how the rest is read.
constexpr std::size_t choices = 3;
constexpr char separators[] = {',', ';', '\t', ' ', '|', ':', '"', '\n'};
constexpr char decimals[] = {'.', ','};
constexpr char thousands[] = {0, ',', '.', ' ', '\''};

void check_cell(std::string_view cell, NumberStyle style) {
  double value = 0;
  if (densecore::parse_number(cell, style, &value)) require(!std::isnan(value));
  densecore::Moment moment;
  for (const auto order : {densecore::DateOrder::month_first, densecore::DateOrder::day_first})
    if (densecore::parse_moment(cell, order, &moment))
      require(std::isfinite(moment.seconds) && (moment.has_date || moment.has_time));
}

void check_column(const DelimitedText& text, index_t column, NumberStyle style) {
  const auto rows = static_cast<std::size_t>(text.rows());
  // Arrays of their own, so that the sanitizer sees an access behind their ends.
  const auto numbers = std::make_unique<double[]>(rows);
  const auto counts = densecore::read_numbers(text, column, style, text.rows(), numbers.get());
  require(counts.numbers + counts.empty + counts.markers + counts.texts == text.rows());
  require(counts.first_text < text.rows() && (counts.texts == 0) == (counts.first_text < 0));
  const auto codes = std::make_unique<std::int32_t[]>(rows);
  const std::vector<std::string> texts = densecore::read_codes(text, column, codes.get());
  for (index_t i = 0; i < text.rows(); ++i) {
    const std::string_view cell = text.cell(i, column);
    const std::int32_t code = codes[static_cast<std::size_t>(i)];
    require(code == -1 ? cell.empty() : cell == texts.at(static_cast<std::size_t>(code)));
    check_cell(cell, style);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < choices) return -1;  // not worth keeping
  TextFormat format;
  format.separator = separators[data[0] % std::size(separators)];
  format.merge = (data[0] & 0x40) != 0;
  format.comments = (data[0] & 0x80) != 0;
  NumberStyle style;
  style.decimal = decimals[data[1] % std::size(decimals)];
  style.thousands = thousands[data[1] / 2 % std::size(thousands)];
  style.units = (data[1] & 0x80) != 0;
  const std::string text(reinterpret_cast<const char*>(data) + choices, size - choices);
  const std::size_t begin = data[2] / 16u < text.size() ? data[2] / 16u : 0;

  const auto records = densecore::first_records(text, begin, format, 20);
  // As many columns as the first record has, as a file is read, or any number.
  index_t columns = data[2] % 16u;
  if (columns == 0 && !records.empty()) columns = static_cast<index_t>(records[0].cells.size());
  if (columns == 0) columns = 1;
  try {
    DelimitedText cells(text, begin, 1, columns, format);
    for (index_t j = 0; j < columns; ++j) check_column(cells, j, style);
    if (cells.rows() > 0) {
      const std::string first(cells.cell(0, 0));
      cells.clear({first, "NA"});
      require(cells.cell(0, 0).empty());
      check_column(cells, 0, style);
    }
  } catch (const std::invalid_argument&) {
  }
  check_cell(text, style);
  return 0;
}
