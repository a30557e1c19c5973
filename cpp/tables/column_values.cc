#include "tables/column_values.h"

#include <limits>
#include <string_view>
#include <unordered_map>

namespace densecore {

NumberCounts read_numbers(const DelimitedText& text, index_t column, NumberStyle style,
                          bool to_the_end, double* out) {
  NumberCounts counts;
  for (index_t i = 0; i < text.rows(); ++i) {
    const std::string_view cell = text.cell(i, column);
    double value = std::numeric_limits<double>::quiet_NaN();
    if (cell.empty()) {
      ++counts.empty;
    } else if (parse_number(cell, style, &value)) {
      ++counts.numbers;
    } else if (is_missing_marker(cell)) {
      ++counts.markers;
    } else {
      if (counts.texts++ == 0) counts.first_text = i;
      if (!to_the_end) return counts;
    }
    out[i] = value;
  }
  return counts;
}

std::vector<std::string> read_codes(const DelimitedText& text, index_t column,
                                    std::int32_t* codes) {
  // Keys are views of the cells' own text, which outlives the map.
  std::unordered_map<std::string_view, std::int32_t> known;
  std::vector<std::string> texts;
  for (index_t i = 0; i < text.rows(); ++i) {
    const std::string_view cell = text.cell(i, column);
    if (cell.empty()) {
      codes[i] = -1;
      continue;
    }
    const auto [place, is_new] = known.try_emplace(cell, static_cast<std::int32_t>(texts.size()));
    if (is_new) texts.emplace_back(cell);
    codes[i] = place->second;
  }
  return texts;
}

}  // namespace densecore
