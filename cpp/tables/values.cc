#include "tables/values.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

namespace densecore {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool equal_ignoring_case(std::string_view text, std::string_view lowered) {
  if (text.size() != lowered.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lowered[i]) return false;
  return true;
}

// Numbers of more digits than fit 2^53, or of large exponents, in C's spelling without a sign.
// `beyond_range`: what one is that a double has no place for, 0 or infinity.
double exact_number(std::string_view digits, double beyond_range) {
  double value = 0;
#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ec == std::errc::result_out_of_range) return beyond_range;
#else
  std::istringstream stream{std::string(digits)};
  stream.imbue(std::locale::classic());
  stream >> value;
  if (stream.fail()) return beyond_range;
#endif
  return value;
}

constexpr std::array<double, 23> powers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                           1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// The length of a blank at the start that may stand between thousands: a space, a no-break space
// or a narrow no-break space.
std::size_t blank_length(std::string_view text) {
  if (starts_with(text, " ")) return 1;
  if (starts_with(text, "\xC2\xA0")) return 2;
  if (starts_with(text, "\xE2\x80\xAF") || starts_with(text, "\xE2\x80\x89")) return 3;
  return 0;
}

std::size_t thousands_length(std::string_view text, char mark) {
  if (mark == 0 || text.empty()) return 0;
  return mark == ' ' ? blank_length(text) : text[0] == mark ? 1 : 0;
}

// A sign, of which the typographic minus (U+2212) is one.
std::string_view without_sign(std::string_view text, bool* negative) {
  *negative = false;
  if (starts_with(text, "-") || starts_with(text, "+")) {
    *negative = text[0] == '-';
    return text.substr(1);
  }
  if (starts_with(text, "\xE2\x88\x92")) {
    *negative = true;
    return text.substr(3);
  }
  return text;
}

std::string_view without_units(std::string_view text) {
  constexpr std::string_view signs[] = {"$", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5", "%"};
  const auto blanks = [&] {
    while (const std::size_t n = blank_length(text)) text.remove_prefix(n);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  };
  for (const std::string_view sign : signs) {
    if (sign != "%" && starts_with(text, sign)) text.remove_prefix(sign.size());
    if (text.size() > sign.size() && text.substr(text.size() - sign.size()) == sign)
      text.remove_suffix(sign.size());
  }
  blanks();
  return text;
}

}  // namespace

bool parse_number(std::string_view text, NumberStyle style, double* value) {
  bool negative;
  text = without_sign(text, &negative);
  if (style.units) {
    text = without_units(text);
    bool inner;
    text = without_sign(text, &inner);  // $-5
    negative = negative != inner;
  }
  if (text.empty()) return false;
  if (!is_digit(text[0]) && text[0] != style.decimal) {
    if (!equal_ignoring_case(text, "inf") && !equal_ignoring_case(text, "infinity")) return false;
    *value = negative ? -std::numeric_limits<double>::infinity()
                      : std::numeric_limits<double>::infinity();
    return true;
  }
  // Whole digits, in groups of three when there are marks between them.
  std::uint64_t mantissa = 0;
  int digits = 0, exponent = 0, significant = 0;
  std::size_t i = 0, group = 0;
  bool grouped = false;
  const auto take = [&](char c) {
    ++digits;
    if (significant == 0 && c == '0') return;
    ++significant;
    if (significant <= 19) mantissa = mantissa * 10 + static_cast<std::uint64_t>(c - '0');
  };
  for (; i < text.size(); ++i) {
    if (is_digit(text[i])) {
      take(text[i]);
      ++group;
      continue;
    }
    const std::size_t length = thousands_length(text.substr(i), style.thousands);
    if (length == 0) break;
    // 0,110 is a decimal comma: no number of thousands begins with 0.
    if (grouped ? group != 3 : group == 0 || group > 3 || text[0] == '0') return false;
    grouped = true;
    group = 0;
    i += length - 1;
  }
  if (grouped && group != 3) return false;
  if (i < text.size() && text[i] == style.decimal)
    for (++i; i < text.size() && is_digit(text[i]); ++i) {
      take(text[i]);
      --exponent;
    }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    std::size_t j = i + 1;
    bool down = false;
    if (j < text.size() && (text[j] == '-' || text[j] == '+')) down = text[j++] == '-';
    if (j >= text.size() || !is_digit(text[j])) return false;
    int given = 0;
    for (; j < text.size() && is_digit(text[j]); ++j)
      if (given < 100000) given = given * 10 + (text[j] - '0');
    exponent += down ? -given : given;
    i = j;
  }
  if (i != text.size()) return false;
  double found;
  if (significant <= 19 && mantissa <= (std::uint64_t{1} << 53) && exponent >= -22 &&
      exponent <= 22) {
    // Both are exact, and so the result is rounded once.
    found = static_cast<double>(mantissa);
    found = exponent < 0 ? found / powers[static_cast<std::size_t>(-exponent)]
                         : found * powers[static_cast<std::size_t>(exponent)];
  } else {
    std::string plain;
    const bool as_it_is = style.decimal == '.' && style.thousands == 0 && text[0] != '.';
    for (const char c : as_it_is ? std::string_view() : text) {
      if (is_digit(c) || c == '-') plain += c;
      if (c == style.decimal) plain += plain.empty() ? "0." : ".";
      if (c == 'e' || c == 'E') plain += 'e';
    }
    // The number lies between this power of ten and a tenth of it.
    const int power = significant + exponent;
    found = exact_number(as_it_is ? text : std::string_view(plain),
                         power > 0 ? std::numeric_limits<double>::infinity() : 0);
  }
  *value = negative ? -found : found;
  return true;
}

bool is_missing_marker(std::string_view text) {
  constexpr std::string_view markers[] = {
      "na",        "n/a",          "nan",          "null",        "none",      "#n/a",
      "#na",       "<na>",         "-nan",         "nat",         "?",         ".",
      "-",         "1.#qnan",      "-1.#ind",      "1.#ind",      "-1.#qnan",  "#n/a n/a",
      "+nan",      "n.a.",         "missing",      "#value!",     "#div/0!",   "#ref!",
      "#null!",    "#num!",        "#name?",       "nil",         "--",        "nan(ind)",
      "-nan(ind)", "\\n",          "(null)",       "n.d.",        "undefined", "..",
      "...",       "\xE2\x80\x93", "\xE2\x80\x94", "\xE2\x88\x92"};  // dashes and a minus
  if (text.empty()) return true;
  // Most texts are none, and their first letter says so.
  constexpr std::string_view first_letters = "nNmMuU#<-+?.1\\(\xE2";
  if (text.size() > 9 || first_letters.find(text[0]) == std::string_view::npos) return false;
  if (text.size() == 2 && text[0] == '.' && text[1] >= 'a' && text[1] <= 'z') return true;  // Stata
  for (const std::string_view marker : markers)
    if (equal_ignoring_case(text, marker)) return true;
  return false;
}

namespace {

// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, by eras of 400 years.
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t of_era = year - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct Cursor {
  std::string_view text;
  std::size_t at = 0;

  bool done() const { return at >= text.size(); }
  char peek() const { return done() ? '\0' : text[at]; }
  bool take(char c) { return peek() == c && (++at, true); }
  // 1 to `most` digits; returns how many.
  int number(int most, int* value) {
    *value = 0;
    int count = 0;
    for (; count < most && is_digit(peek()); ++count) *value = *value * 10 + (text[at++] - '0');
    return count;
  }
};

int month_named(Cursor& cursor) {
  constexpr std::string_view names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
  for (int month = 0; month < 12; ++month) {
    const std::string_view name = names[month];
    for (const std::size_t length : {name.size(), std::size_t{3}})
      if (equal_ignoring_case(cursor.text.substr(cursor.at, length), name.substr(0, length))) {
        cursor.at += length;
        cursor.take('.');
        return month + 1;
      }
  }
  return 0;
}

int full_year(int digits, int year) {
  return digits == 2 ? year + (year < 70 ? 2000 : 1900) : year;
}

bool is_date_separator(char c) { return c == '-' || c == '/' || c == '.' || c == ' ' || c == ','; }

void skip_date_separators(Cursor& cursor) {
  for (int n = 0; n < 2 && is_date_separator(cursor.peek()); ++n) ++cursor.at;
}

bool to_days(int year, int month, int day, std::int64_t* days) {
  constexpr int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1]) return false;
  *days = days_from_civil(year, month, day);
  return true;
}

bool read_date(Cursor& cursor, DateOrder order, std::int64_t* days) {
  int first, second, third, month = month_named(cursor), day, year;
  if (month != 0) {
    skip_date_separators(cursor);
    const int length = cursor.number(4, &day);
    if (length == 4 && cursor.done()) {  // January 2020
      year = day, day = 1;
    } else {  // January 5, 2020
      if (length != 1 && length != 2) return false;
      skip_date_separators(cursor);
      const int digits = cursor.number(4, &third);
      if (digits != 2 && digits != 4) return false;
      year = full_year(digits, third);
    }
  } else {
    const int digits = cursor.number(4, &first);
    if (digits == 0 || digits == 3) return false;
    const char separator = cursor.peek();
    if (digits == 4 && is_digit(separator)) {  // 20200105T101500
      if (cursor.number(2, &month) != 2 || cursor.number(2, &day) != 2 || cursor.peek() != 'T')
        return false;
      return to_days(first, month, day, days);
    }
    const bool attached = !is_date_separator(separator);  // 05jan2020
    skip_date_separators(cursor);
    month = month_named(cursor);
    if (attached && month == 0) return false;
    if (month != 0) {  // 5 January 2020
      if (digits > 2) return false;
      day = first;
      skip_date_separators(cursor);
      const int length = cursor.number(4, &third);
      if (length != 2 && length != 4) return false;
      year = full_year(length, third);
    } else {
      if (separator == ' ' || separator == ',') return false;
      const int width = cursor.number(4, &second);
      if (width == 4 && digits <= 2 && cursor.done())  // 01/2020
        return second >= 1700 && second < 2200 && to_days(second, first, 1, days);
      if (width == 0 || width > 2) return false;
      if (digits == 4 && cursor.done()) return to_days(first, second, 1, days);  // 2020-01
      if (!cursor.take(separator)) return false;
      const int length = cursor.number(4, &third);
      if (digits == 4) {  // 2020-01-05
        if (length == 0 || length > 2) return false;
        year = first, month = second, day = third;
      } else {
        if (length != 2 && length != 4) return false;
        const bool day_first = order == DateOrder::day_first;
        month = day_first ? second : first;
        day = day_first ? first : second;
        year = full_year(length, third);
      }
    }
  }
  return to_days(year, month, day, days);
}

// hh:mm[:ss[.fraction]] or without colons,[ am | pm][Z | +hh[:mm]]
bool read_time(Cursor& cursor, double* seconds) {
  int hour, minute, second = 0;
  double fraction = 0;
  if (cursor.number(2, &hour) == 0) return false;
  const bool compact = is_digit(cursor.peek());  // hhmm[ss]
  if ((!compact && !cursor.take(':')) || cursor.number(2, &minute) != 2) return false;
  if (compact ? is_digit(cursor.peek()) : cursor.take(':')) {
    if (cursor.number(2, &second) != 2) return false;
    if (cursor.take('.') || cursor.take(',')) {
      double unit = 0.1;
      for (; is_digit(cursor.peek()); unit /= 10)
        fraction += unit * (cursor.text[cursor.at++] - '0');
    }
  }
  while (cursor.peek() == ' ') ++cursor.at;
  const std::string_view half = cursor.text.substr(cursor.at, 2);
  if (equal_ignoring_case(half, "am") || equal_ignoring_case(half, "pm")) {
    if (hour < 1 || hour > 12) return false;
    hour = hour % 12 + (lower(half[0]) == 'p' ? 12 : 0);
    cursor.at += 2;
  }
  if (hour > 24 || minute > 59 || second > 60) return false;
  *seconds = hour * 3600.0 + minute * 60.0 + second + fraction;
  while (cursor.peek() == ' ') ++cursor.at;
  if (cursor.take('Z')) return true;
  const std::string_view zone = cursor.text.substr(cursor.at, 3);
  const bool named = equal_ignoring_case(zone, "utc") || equal_ignoring_case(zone, "gmt");
  if (named) cursor.at += 3;
  if (cursor.peek() == '+' || cursor.peek() == '-') {
    const double sign = cursor.text[cursor.at++] == '+' ? -1 : 1;
    int hours, minutes = 0;
    const int width = cursor.number(2, &hours);
    if (width != 2 && !(named && width == 1)) return false;
    cursor.take(':');
    if (!cursor.done() && cursor.number(2, &minutes) != 2) return false;
    *seconds += sign * (hours * 3600.0 + minutes * 60.0);
  }
  return true;
}

}  // namespace

bool parse_moment(std::string_view text, DateOrder order, Moment* moment) {
  if (text.size() < 4 || text.size() > 40) return false;
  Cursor cursor{text};
  *moment = {0, false, false};
  std::int64_t days = 0;
  double seconds = 0;
  if (text.find(':') > 2) {
    if (!read_date(cursor, order, &days)) return false;
    moment->has_date = true;
    if (!cursor.done() && !cursor.take('T') && !cursor.take(' ') && !cursor.take(',')) return false;
    while (cursor.peek() == ' ') ++cursor.at;
  }
  if (!cursor.done()) {
    if (!read_time(cursor, &seconds)) return false;
    moment->has_time = true;
  }
  if (!cursor.done()) return false;
  moment->seconds = static_cast<double>(days) * 86400.0 + seconds;
  return true;
}

}  // namespace densecore
