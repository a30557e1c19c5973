// The meaning of a cell's text: a number in some spelling, a marker of a missing value, a date.
#pragma once

#include <string_view>

namespace densecore {

// How numbers are spelled. `thousands` 0: no mark between thousands; ' ' stands for blanks of any
// kind. `units`: a currency sign or a percent sign may stand beside the digits.
struct NumberStyle {
  char decimal = '.';
  char thousands = 0;
  bool units = false;
};

// Whether all of `text` is a number; infinities and numbers too large for a double are infinite.
// Thousands marks must stand between groups of three digits, at least one of them.
bool parse_number(std::string_view text, NumberStyle style, double* value);

// Markers of a missing value in a column of numbers, such as NA, #N/A, <NA>, -nan, NULL, ?, -.
bool is_missing_marker(std::string_view text);

// The order of a date's numbers when the year does not stand first.
enum class DateOrder { month_first, day_first };

// A date, a date with a time, or a time alone. `seconds` since 1970-01-01 (of a time alone: since
// midnight); `has_date` and `has_time` say which parts there were.
struct Moment {
  double seconds;
  bool has_date, has_time;
};
bool parse_moment(std::string_view text, DateOrder order, Moment* moment);

}  // namespace densecore
