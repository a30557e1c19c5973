// Delimited text as Python sees it: columns become NumPy arrays.
#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "bindings/register.h"
#include "tables/column_values.h"

namespace py = pybind11;

namespace densecore::bindings {
namespace {

TextFormat format_of(const std::string& separator, bool merge, bool comments) {
  if (separator.size() != 1)
    throw std::invalid_argument("separator: found '" + separator + "', wanted one character");
  return {separator[0], merge, comments};
}

// A Python string, whatever the bytes: cells are cut at ASCII characters, so that only text that
// was not UTF-8 before is replaced.
py::str text_of(std::string_view text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

py::list texts_of(const std::vector<std::string>& texts) {
  py::list list(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) list[i] = text_of(texts[i]);
  return list;
}

py::list first_records_of(const py::bytes& text, std::size_t begin, const std::string& separator,
                          bool merge, std::size_t limit) {
  py::list records;
  for (const TextRecord& record :
       first_records(std::string_view(text), begin, format_of(separator, merge, true), limit))
    records.append(py::make_tuple(record.line, record.next, texts_of(record.cells)));
  return records;
}

DelimitedText make_text(const py::bytes& text, std::size_t begin, std::int64_t line,
                        index_t columns, const std::string& separator, bool merge, bool comments) {
  const TextFormat format = format_of(separator, merge, comments);
  const std::string_view view(text);
  if (begin > view.size())
    throw std::invalid_argument("begin: found " + std::to_string(begin) + ", wanted at most " +
                                std::to_string(view.size()) + ", the number of bytes");
  if (columns < 1)
    throw std::invalid_argument("columns: found " + std::to_string(columns) +
                                ", wanted at least 1");
  const ReleasedGil release;
  return DelimitedText(std::string(view), begin, line, columns, format);
}

class PyText : public CoreObject {
 public:
  explicit PyText(DelimitedText cells) : text(std::move(cells)) {}
  PyText(const py::bytes& bytes, std::size_t begin, std::int64_t line, index_t columns,
         const std::string& separator, bool merge, bool comments)
      : text(make_text(bytes, begin, line, columns, separator, merge, comments)) {}

  DelimitedText text;
};

std::unique_ptr<PyText> of_texts(const std::vector<std::string>& texts) {
  std::string all;
  std::vector<std::size_t> sizes;
  for (const std::string& text : texts) {
    all += text;
    sizes.push_back(text.size());
  }
  return std::make_unique<PyText>(DelimitedText(std::move(all), sizes));
}

void check_column(const DelimitedText& text, index_t column) {
  if (column < 0 || column >= text.columns())
    throw std::invalid_argument("column: found " + std::to_string(column) + ", wanted 0 to " +
                                std::to_string(text.columns() - 1));
}

py::tuple numbers_of(const PyText& self, index_t column, char decimal, const std::string& thousands,
                     bool units, index_t most_texts) {
  const DelimitedText& text = self.text;
  check_column(text, column);
  py::array_t<double> out(text.rows());
  double* const to = out.mutable_data();
  NumberCounts counts;
  {
    const ReleasedGil release;
    counts = read_numbers(text, column, {decimal, thousands.empty() ? '\0' : thousands[0], units},
                          most_texts, to);
  }
  return py::make_tuple(out, counts.numbers, counts.empty, counts.markers, counts.texts,
                        counts.first_text);
}

py::tuple codes_of(const PyText& self, index_t column) {
  const DelimitedText& text = self.text;
  check_column(text, column);
  py::array_t<std::int32_t> codes(text.rows());
  std::int32_t* const to = codes.mutable_data();
  std::vector<std::string> texts;
  {
    const ReleasedGil release;
    texts = read_codes(text, column, to);
  }
  return py::make_tuple(codes, texts_of(texts));
}

// (seconds, parts) of texts: NaN where a text is no moment; parts 1 a date, 2 a time, 3 both.
py::tuple moments_of(const std::vector<std::string>& texts, bool day_first) {
  const auto count = static_cast<py::ssize_t>(texts.size());
  py::array_t<double> seconds(count);
  py::array_t<std::int8_t> parts(count);
  for (py::ssize_t i = 0; i < count; ++i) {
    Moment moment;
    const bool read =
        parse_moment(texts[static_cast<std::size_t>(i)],
                     day_first ? DateOrder::day_first : DateOrder::month_first, &moment);
    seconds.mutable_at(i) = read ? moment.seconds : std::numeric_limits<double>::quiet_NaN();
    parts.mutable_at(i) =
        static_cast<std::int8_t>(read ? (moment.has_date ? 1 : 0) + (moment.has_time ? 2 : 0) : 0);
  }
  return py::make_tuple(seconds, parts);
}

index_t row_count(const PyText& self) { return self.text.rows(); }
index_t column_count(const PyText& self) { return self.text.columns(); }
py::object lines(const PyText& self) {
  return py::array_t<std::int64_t>(self.text.rows(), self.text.lines().data());
}
py::list ragged(const PyText& self) {
  py::list rows;
  for (const DelimitedText::Ragged& one : self.text.ragged())
    rows.append(py::make_tuple(one.row, one.cells));
  return rows;
}
py::object cell(const PyText& self, index_t row, index_t column) {
  check_column(self.text, column);
  if (row < 0 || row >= self.text.rows())
    throw std::invalid_argument("row: found " + std::to_string(row) + ", wanted 0 to " +
                                std::to_string(self.text.rows() - 1));
  return text_of(self.text.cell(row, column));
}
void clear_cells(PyText& self, const std::vector<std::string>& texts) { self.text.clear(texts); }

bool is_marker(const std::string& text) { return is_missing_marker(text); }
py::object number_of(const std::string& text) {
  double value;
  return parse_number(text, {}, &value) ? py::object(py::float_(value)) : py::none();
}

constexpr MemberRow made_text = constructor<PyText, const py::bytes&, std::size_t, std::int64_t,
                                            index_t, const std::string&, bool, bool>(
    "DelimitedText(text, begin, line, columns, separator, merge, comments)");
constexpr MemberRow table_rows[] = {
    function<&of_texts>("of_texts(texts)", "One column of these texts."),
    property<&row_count>("rows", "Number of records."),
    property<&column_count>("columns", "Number of columns."),
    property<&lines>("lines", "The line (rows,) of the file that each record begins in."),
    property<&ragged>("ragged", "(row, cells) of each record of another number of cells."),
    method<&cell>("cell(row, column)", "The text of a cell."),
    method<&numbers_of>(
        "numbers(column, decimal='.', thousands='', units=False, most_texts=0)",
        "A column as numbers: (values, numbers, empty, markers, texts, first_text), the counts of "
        "what its cells are and the row of the first text; ends after `most_texts` of these."),
    method<&clear_cells>("clear_cells(texts)", "Make the cells of these texts empty."),
    method<&codes_of>("codes(column)", "A column as categories: (codes, texts)."),
};
constexpr MemberRow table_functions[] = {
    function<&first_records_of>("first_records(text, begin, separator, merge, limit)",
                                "The first records from `begin` on: (line, next, cells) of each."),
    function<&is_marker>("is_missing_marker(text)",
                         "Whether a cell's text stands for a missing value."),
    function<&number_of>("parse_number(text)", "The number that a text is, or None."),
    function<&moments_of>("parse_moments(texts, day_first)",
                          "(seconds, parts) of texts: NaN where a text is no date or time; parts "
                          "are 1 for a date, 2 for a time, 3 for both."),
};

}  // namespace

void register_tables(py::module_& module) {
  add_rows(core_class<PyText>(module, "DelimitedText",
                              "The cells of a delimited text, as bytes; columns become arrays.",
                              &made_text),
           table_of_rows<table_rows>());
  add_rows(module, table_of_rows<table_functions>());
}

}  // namespace densecore::bindings
