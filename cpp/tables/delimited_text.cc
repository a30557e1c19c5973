#include "tables/delimited_text.h"

#include <algorithm>
#include <stdexcept>

namespace densecore {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

[[noreturn]] void refuse(std::int64_t line, const std::string& what) {
  throw std::invalid_argument("row " + std::to_string(line) + ": " + what);
}

std::string counted_values(index_t count) {
  return std::to_string(count) + (count == 1 ? " value" : " values");
}

// Cuts a text into records. Cells are handed on as places in the text, in which quoted cells are
// rewritten without their quotes; `Mutable` false leaves the text alone and hands on strings.
class Scanner {
 public:
  Scanner(char* text, std::size_t size, std::size_t begin, std::int64_t line, TextFormat format)
      : text_(text), size_(size), at_(begin), line_(line), format_(format) {}

  bool done() const { return at_ >= size_; }
  std::size_t at() const { return at_; }
  std::int64_t line() const { return line_; }

  // Reads one record; found(begin, length) for each cell. Returns the number of cells, 0 for a
  // blank line. `strict`: whether a quote that is not closed is an error.
  template <class Found>
  index_t record(bool strict, Found&& found) {
    const char separator = format_.separator;
    if (format_.merge) skip_separators();
    if (blank_line()) return 0;
    for (index_t count = 1;; ++count) {
      skip_blanks();
      const bool quoted = at_ < size_ && text_[at_] == '"';
      quoted ? quoted_cell(strict, found) : plain_cell(found);
      if (at_ >= size_) return count;
      if (text_[at_] == separator) {
        ++at_;
        if (format_.merge) {
          skip_separators();
          if (at_ >= size_ || at_line_end()) return end_line(), count;
        }
        continue;
      }
      end_line();
      return count;
    }
  }

 private:
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }
  void skip_separators() {
    while (at_ < size_ && text_[at_] == format_.separator) ++at_;
  }
  void skip_blanks() {
    while (at_ < size_ && is_blank(text_[at_]) && text_[at_] != format_.separator) ++at_;
  }
  void end_line() {
    if (at_ >= size_) return;
    if (text_[at_] == '\r' && at_ + 1 < size_ && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }
  // Passes a line of blanks only. Separators are cells, unless they are blanks that are merged.
  bool blank_line() {
    std::size_t i = at_;
    while (i < size_ && is_blank(text_[i]) && (text_[i] != format_.separator || format_.merge)) ++i;
    if (i < size_ && text_[i] != '\n' && text_[i] != '\r') return false;
    at_ = i;
    end_line();
    return true;
  }

  template <class Found>
  void plain_cell(Found& found) {
    const std::size_t begin = at_;
    const char separator = format_.separator;
    const char* p = text_ + at_;
    const char* const end = text_ + size_;
    while (p < end && *p != separator && *p != '\n' && *p != '\r') ++p;
    at_ = static_cast<std::size_t>(p - text_);
    std::size_t last = at_;
    while (last > begin && is_blank(text_[last - 1])) --last;
    found(begin, last - begin);
  }

  // "..." with doubled quotes inside. What follows the closing quote up to the separator belongs to
  // the cell, too: a stray quote in an unquoted text is no reason to refuse a file.
  template <class Found>
  void quoted_cell(bool strict, Found& found) {
    const std::size_t begin = at_;
    const std::int64_t first_line = line_;
    std::size_t to = begin, from = begin + 1;
    for (;; ++from) {
      if (from >= size_) {
        if (strict) refuse(first_line, "a quote is opened and never closed");
        break;
      }
      const char c = text_[from];
      if (c == '"') {
        if (from + 1 < size_ && text_[from + 1] == '"') {
          ++from;
        } else {
          ++from;
          break;
        }
      }
      if (c == '\n' || (c == '\r' && !(from + 1 < size_ && text_[from + 1] == '\n'))) ++line_;
      text_[to++] = c;
    }
    // Blanks at both ends are cut as in plain cells.
    while (from < size_ && text_[from] != format_.separator && text_[from] != '\n' &&
           text_[from] != '\r')
      text_[to++] = text_[from++];
    at_ = from;
    std::size_t first = begin;
    while (first < to && is_blank(text_[first])) ++first;
    while (to > first && is_blank(text_[to - 1])) --to;
    found(first, to - first);
  }

  char* text_;
  std::size_t size_, at_;
  std::int64_t line_;
  TextFormat format_;
};

}  // namespace

std::vector<TextRecord> first_records(std::string_view text, std::size_t begin, TextFormat format,
                                      std::size_t limit) {
  // Quotes are undone in place: in a copy here.
  std::string copy(text);
  Scanner scanner(copy.data(), copy.size(), begin, 1, format);
  std::vector<TextRecord> records;
  while (!scanner.done() && records.size() < limit) {
    TextRecord record{scanner.line(), 0, {}};
    if (scanner.record(false, [&](std::size_t place, std::size_t length) {
          record.cells.emplace_back(copy, place, length);
        }) == 0)
      continue;
    record.next = scanner.at();
    records.push_back(std::move(record));
  }
  return records;
}

DelimitedText::DelimitedText(std::string text, std::size_t begin, std::int64_t line,
                             index_t columns, TextFormat format)
    : text_(std::move(text)), columns_(columns) {
  if (text_.size() >> (64 - length_bits) != 0)
    throw std::invalid_argument("found more than 2^40 bytes, wanted fewer");
  // As if all lines were as long as the first ones, for growing a large array copies it. A cell
  // takes a byte at least.
  const std::size_t size = text_.size() - begin, look = std::min<std::size_t>(size, 1 << 16);
  const auto from = text_.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto lines = std::count(from, from + static_cast<std::ptrdiff_t>(look), '\n');
  const double likely = 1.1 * static_cast<double>(lines + 1) * static_cast<double>(columns) *
                        static_cast<double>(size) / static_cast<double>(look + 1);
  cells_.reserve(std::min(static_cast<std::size_t>(likely), size + 1));
  Scanner scanner(text_.data(), text_.size(), begin, line, format);
  while (!scanner.done()) {
    const std::size_t start = scanner.at(), before = cells_.size();
    const std::int64_t first_line = scanner.line();
    const bool comment = format.comments && text_[start] == '#';
    index_t count = 0;
    bool surplus = false;
    const index_t found = scanner.record(true, [&](std::size_t place, std::size_t length) {
      if (count++ < columns_)
        add_cell(place, length);
      else
        surplus |= length != 0;
    });
    if (found == 0) continue;
    if (found < columns_ || surplus) {
      if (comment) {
        cells_.resize(before);
        continue;
      }
      ragged_.push_back({rows(), found});
      // Of a row that is too long, or whose blanks may each stand for several separators, it is not
      // known which cell belongs to which column.
      if (surplus || format.merge) cells_.resize(before);
      while (cells_.size() < before + static_cast<std::size_t>(columns_)) add_cell(start, 0);
    }
    lines_.push_back(first_line);
  }
  if (static_cast<index_t>(ragged_.size()) * fewest_rows_of_ragged > rows()) {
    const auto [row, found] = ragged_.front();
    refuse(lines_[static_cast<std::size_t>(row)], "found " + counted_values(found) + ", wanted " +
                                                      std::to_string(columns_) +
                                                      " as in the first row");
  }
}

DelimitedText::DelimitedText(std::string text, const std::vector<std::size_t>& sizes)
    : text_(std::move(text)), columns_(1) {
  std::size_t begin = 0;
  for (const std::size_t size : sizes) {
    add_cell(begin, size);
    begin += size;
    lines_.push_back(static_cast<std::int64_t>(lines_.size()) + 1);
  }
}

void DelimitedText::add_cell(std::size_t begin, std::size_t length) {
  if (length >= longest) {
    long_cells_[cells_.size()] = length;
    length = longest;
  }
  cells_.push_back((static_cast<std::uint64_t>(begin) << length_bits) | length);
}

void DelimitedText::clear(const std::vector<std::string>& texts) {
  for (index_t i = 0; i < rows(); ++i)
    for (index_t j = 0; j < columns_; ++j)
      for (const std::string& text : texts)
        if (cell(i, j) == text) cells_[static_cast<std::size_t>(i * columns_ + j)] &= ~longest;
}

std::string_view DelimitedText::cell(index_t row, index_t column) const {
  const auto number = static_cast<std::size_t>(row * columns_ + column);
  const std::uint64_t packed = cells_[number];
  std::size_t length = packed & longest;
  if (length == longest) length = long_cells_.at(number);
  return {text_.data() + (packed >> length_bits), length};
}

}  // namespace densecore
