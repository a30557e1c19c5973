#include "tables/column_values.h"

#include <limits>
#include <string_view>
#include <unordered_map>

namespace densecore {

NumberCounts read_numbers(const DelimitedText& text, index_t column, NumberStyle style,
                          index_t most_texts, double* out) {
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
      if (counts.texts > most_texts) return counts;
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
  // Most columns of texts have few of them: where a text was last found, by its ends and length.
  struct Recent {
    std::string_view text;
    std::int32_t code = -1;
  } recent[256];
  for (index_t i = 0; i < text.rows(); ++i) {
    const std::string_view cell = text.cell(i, column);
    if (cell.empty()) {
      codes[i] = -1;
      continue;
    }
    const auto first = static_cast<unsigned char>(cell.front());
    const auto last = static_cast<unsigned char>(cell.back());
    Recent& place = recent[(first * 31u + last * 7u + cell.size()) % 256];
    if (place.text != cell) {
      const auto [found, is_new] = known.try_emplace(cell, static_cast<std::int32_t>(texts.size()));
      if (is_new) texts.emplace_back(cell);
      place = {cell, found->second};
    }
    codes[i] = place.code;
  }
  return texts;
}

}  // namespace densecore
