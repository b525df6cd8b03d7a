#include <algorithm>
#include <cassert>
#include <numeric>

#include "cli/core/output.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {
namespace {

/// Code points, which is what a terminal column is for the names and numbers here.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & '\xc0') != '\x80'; }));
}

std::string heading_of(const Column& column) {
  if (!column.heading.empty()) return std::string{column.heading};
  std::string heading{column.key};
  for (char& c : heading)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return heading;
}

bool is_number(Unit unit) {
  return unit == Unit::count || unit == Unit::bytes || unit == Unit::per_second || unit == Unit::ms;
}

bool is_default(const Column& column, Format format) {
  const bool screen = format == Format::table || format == Format::wide;
  switch (column.show) {
    case Show::table:
      return true;
    case Show::wide:
      return format != Format::table;
    case Show::full:
      return !screen;
    case Show::screen:
      return screen;
  }
  return true;
}

std::size_t column_or_throw(const Table& table, std::string_view word) {
  if (const auto found = find_column(table, word)) return *found;
  std::vector<std::string> keys;
  for (const Column& column : table.columns()) keys.emplace_back(column.key);
  Error error{ErrorKind::usage, "no column '" + std::string{word} + "'"};
  if (auto near = nearest_word(to_lower(word), keys)) throw std::move(error).suggest(*near);
  throw std::move(error).with_hint("one of " + join(keys, ", "));
}

/// Nothing sorts last, numbers by value, the rest by bytes.
bool less(const Cell& a, const Cell& b) {
  if (a.empty() || b.empty()) return !a.empty();
  const auto number = [](const Cell& cell) -> std::optional<double> {
    if (const auto* whole = std::get_if<std::int64_t>(&cell.value)) return static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&cell.value)) return *real;
    return std::nullopt;
  };
  const auto x = number(a);
  const auto y = number(b);
  return x && y ? *x < *y : plain_text(a) < plain_text(b);
}

/// The columns that fit into `width`: the highest `drop` goes first, then from the right.
void drop_columns(const Table& table, std::vector<std::size_t>& columns,
                  const std::vector<std::size_t>& widths, std::size_t width) {
  const auto total = [&] {
    std::size_t sum = columns.empty() ? 0 : 2 * (columns.size() - 1);
    for (const std::size_t c : columns)
      sum += table.columns()[c].unit == Unit::prose ? std::min<std::size_t>(widths[c], 12) : widths[c];
    return sum;
  };
  while (columns.size() > 1 && total() > width) {
    auto victim = columns.end() - 1;
    for (auto it = columns.begin(); it != columns.end(); ++it)
      if (table.columns()[*it].drop > table.columns()[*victim].drop) victim = it;
    columns.erase(victim);
  }
}

/// `text` cut to `width` code points, the last one an ellipsis.
std::string cut(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return text;
  std::string shorter;
  std::size_t used = 0;
  for (const char c : text) {
    if ((c & '\xc0') != '\x80' && ++used >= width) break;
    shorter += c;
  }
  return shorter + "…";
}

}  // namespace

void Table::add_column(std::string key, Unit unit) {
  names_.push_back(std::move(key));
  columns_.push_back({.key = names_.back(), .unit = unit});
}

void Table::add_column(const Column& column) {
  columns_.push_back(column);
  columns_.back().key = names_.emplace_back(column.key);
  columns_.back().heading = names_.emplace_back(column.heading);
}

void Table::add_row(std::vector<Cell> row) {
  assert(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::optional<std::size_t> find_column(const Table& table, std::string_view word) {
  const std::string lower = to_lower(word);
  for (std::size_t i = 0; i < table.columns().size(); ++i)
    if (table.columns()[i].key == lower) return i;
  for (std::size_t i = 0; i < table.columns().size(); ++i)
    if (to_lower(table.columns()[i].heading) == lower) return i;
  return std::nullopt;
}

Selection select(const Table& table, const OutputOptions& options) {
  Selection selection;
  for (const std::string& word : options.columns) selection.columns.push_back(column_or_throw(table, word));
  if (options.columns.empty())
    for (std::size_t i = 0; i < table.columns().size(); ++i)
      if (is_default(table.columns()[i], options.format)) selection.columns.push_back(i);

  selection.rows.resize(table.rows().size());
  std::iota(selection.rows.begin(), selection.rows.end(), std::size_t{0});
  if (!options.sort.empty()) {
    const bool down = options.sort.starts_with('-');
    const std::size_t key = column_or_throw(table, std::string_view{options.sort}.substr(down ? 1 : 0));
    std::ranges::stable_sort(selection.rows, [&](std::size_t a, std::size_t b) {
      return down ? less(table.rows()[b][key], table.rows()[a][key])
                  : less(table.rows()[a][key], table.rows()[b][key]);
    });
  }
  if (options.limit && static_cast<std::size_t>(*options.limit) < selection.rows.size())
    selection.rows.resize(static_cast<std::size_t>(*options.limit));
  return selection;
}

std::string screen_table(const Table& table, Selection selection, const OutputOptions& options,
                         std::span<const std::size_t> least) {
  const auto columns = table.columns();
  std::vector<std::size_t> widths(least.begin(), least.end());
  widths.resize(columns.size(), 0);
  std::vector<std::vector<std::string>> texts;
  for (const std::size_t r : selection.rows) {
    auto& line = texts.emplace_back(columns.size());
    for (const std::size_t c : selection.columns) {
      line[c] = screen_text(table.rows()[r][c], columns[c].unit, options.time);
      widths[c] = std::max(widths[c], width_of(line[c]));
    }
  }
  if (options.headers)
    for (const std::size_t c : selection.columns)
      widths[c] = std::max(widths[c], width_of(heading_of(columns[c])));
  const auto limit = static_cast<std::size_t>(options.width);
  if (limit > 0) drop_columns(table, selection.columns, widths, limit);

  std::string out;
  const auto write_line = [&](const auto& text_of, bool heading) {
    std::size_t used = 0;
    for (std::size_t i = 0; i < selection.columns.size(); ++i) {
      const std::size_t c = selection.columns[i];
      const bool last = i + 1 == selection.columns.size();
      std::string text = text_of(c);
      if (limit > 0 && last) text = cut(text, limit > used ? limit - used : 1);
      const std::size_t blanks = widths[c] > width_of(text) ? widths[c] - width_of(text) : 0;
      if (is_number(columns[c].unit)) out.append(blanks, ' ');
      const std::string_view colour = heading                           ? "bold"
                                      : columns[c].unit == Unit::status ? status_colour(text)
                                                                        : "";
      out += options.color ? painted(colour, text) : text;
      if (!last) out.append((is_number(columns[c].unit) ? 0 : blanks) + 2, ' ');
      used += widths[c] + 2;
    }
    out += '\n';
  };
  if (options.headers) write_line([&](std::size_t c) { return heading_of(columns[c]); }, true);
  for (const auto& line : texts) write_line([&](std::size_t c) { return line[c]; }, false);
  return out;
}

std::string screen_object(const Table& table, const Selection& selection, const OutputOptions& options) {
  std::string out;
  std::size_t width = 0;
  for (const std::size_t c : selection.columns) width = std::max(width, table.columns()[c].key.size());
  for (const std::size_t r : selection.rows) {
    for (const std::size_t c : selection.columns) {
      const Column& column = table.columns()[c];
      const Unit unit = column.unit == Unit::text ? Unit::prose : column.unit;
      const std::string text = screen_text(table.rows()[r][c], unit, options.time);
      out.append(column.key).append(width - column.key.size() + 2, ' ');
      out += options.color && column.unit == Unit::status ? painted(status_colour(text), text) : text;
      out += '\n';
    }
  }
  return out;
}

}  // namespace arcus::cli
