#include "cli/core/output.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {

static constexpr std::string_view formats[] = {"table", "wide", "json", "jsonl", "tsv", "csv", "name"};

std::span<const std::string_view> format_names() noexcept { return formats; }

std::string painted(std::string_view colour, std::string_view text) {
  struct Row {
    std::string_view name;
    std::string_view code;
  };
  static constexpr Row rows[] = {{"bold", "1"},   {"cyan", "36"}, {"dim", "2"},
                                 {"green", "32"}, {"red", "31"},  {"yellow", "33"}};
  for (const Row& row : rows)
    if (row.name == colour)
      return std::string{"\x1b["}.append(row.code).append("m").append(text).append("\x1b[0m");
  return std::string{text};
}

std::string_view status_colour(std::string_view word) {
  struct Row {
    std::string_view word;
    std::string_view colour;
  };
  static constexpr Row rows[] = {{"degraded", "yellow"}, {"down", "red"},      {"error", "red"},
                                 {"failed", "red"},      {"healthy", "green"}, {"ok", "green"},
                                 {"running", "green"},   {"starting", "cyan"}, {"stopped", "dim"},
                                 {"stopping", "cyan"},   {"unhealthy", "red"}, {"up", "green"},
                                 {"warn", "yellow"}};
  for (const Row& row : rows)
    if (row.word == word) return row.colour;
  return "";
}

/// RFC 4180: quotes only where needed.
static std::string csv_cell(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + "\"";
}

/// A tab or line end inside a value would break the line in two.
static std::string tsv_cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else
      out += c;
  }
  return out;
}

std::string format_line(const Table& table, const std::vector<Cell>& row, std::string_view line_format) {
  std::string out;
  while (!line_format.empty()) {
    const auto open = line_format.find_first_of("{\\");
    out += line_format.substr(0, open);
    if (open == std::string_view::npos) break;
    line_format.remove_prefix(open);
    if (line_format.starts_with("\\n") || line_format.starts_with("\\t")) {
      out += line_format[1] == 'n' ? '\n' : '\t';
      line_format.remove_prefix(2);
      continue;
    }
    const auto close = line_format.find('}');
    if (line_format[0] == '\\' || line_format.starts_with("{{") || close == std::string_view::npos) {
      out += line_format[0];
      line_format.remove_prefix(line_format.starts_with("{{") ? 2 : 1);
      continue;
    }
    const std::string_view key = line_format.substr(1, close - 1);
    const auto column = find_column(table, key);
    if (!column) {
      std::vector<std::string> keys;
      for (const Column& known : table.columns()) keys.emplace_back(known.key);
      Error error{ErrorKind::usage, "--format: no key '" + std::string{key} + "'"};
      if (auto near = nearest_word(key, keys)) throw std::move(error).suggest("{" + *near + "}");
      throw std::move(error).with_hint("one of " + join(keys, ", "));
    }
    out += plain_text(row[*column]);
    line_format.remove_prefix(close + 1);
  }
  return out;
}

/// -q: the id where there is one; -o name: tenant/name, else name, else the first column.
static std::string identity(const Table& table, const std::vector<Cell>& row, bool by_id) {
  const auto id = find_column(table, "id");
  if (by_id && id) return plain_text(row[*id]);
  const auto name = find_column(table, "name");
  const auto tenant = find_column(table, "tenant");
  if (name && tenant) return plain_text(row[*tenant]) + "/" + plain_text(row[*name]);
  return plain_text(row[name.value_or(0)]);
}

bool Output::machine() const {
  return options_.quiet || !options_.line_format.empty() ||
         (options_.format != Format::table && options_.format != Format::wide);
}

bool Output::json() const { return options_.format == Format::json || options_.format == Format::jsonl; }

static std::string separated(const Table& table, const Selection& selection, const OutputOptions& options) {
  const bool csv = options.format == Format::csv;
  std::string out;
  const auto write_line = [&](const auto& text_of) {
    for (std::size_t i = 0; i < selection.columns.size(); ++i) {
      if (i > 0) out += csv ? ',' : '\t';
      const std::string text = text_of(selection.columns[i]);
      out += csv ? csv_cell(text) : tsv_cell(text);
    }
    out += '\n';
  };
  if (options.headers) write_line([&](std::size_t c) { return std::string{table.columns()[c].key}; });
  for (const std::size_t r : selection.rows)
    write_line([&](std::size_t c) { return plain_text(table.rows()[r][c]); });
  return out;
}

static std::string rendered(const Table& table, const Selection& selection, const OutputOptions& options,
                            bool one, std::span<const std::size_t> least = {}) {
  if (options.quiet || !options.line_format.empty() || options.format == Format::name) {
    std::string out;
    for (const std::size_t r : selection.rows) {
      const auto& row = table.rows()[r];
      out += options.line_format.empty() ? identity(table, row, options.quiet)
                                         : format_line(table, row, options.line_format);
      out += '\n';
    }
    return out;
  }
  if (options.format == Format::tsv || options.format == Format::csv)
    return separated(table, selection, options);
  if (options.format == Format::table || options.format == Format::wide)
    return one ? screen_object(table, selection, options) : screen_table(table, selection, options, least);

  std::string out;
  const bool array = options.format == Format::json && !one;
  for (const std::size_t r : selection.rows) {
    std::string object = json_row(table, selection.columns, table.rows()[r]);
    if (options.format == Format::field) object = json_at(object, options.pointer);
    if (options.format == Format::json && one) object = json_pretty(object);
    if (array) out += out.empty() ? "[\n" : ",\n";
    out += object;
    if (!array) out += '\n';
  }
  if (array) out += out.empty() ? "[]\n" : "\n]\n";
  return out;
}

void Output::list(const Table& table) {
  buffer_ += rendered(table, select(table, options_), options_, false);
}

void Output::more(const Table& table, bool is_first, std::span<const std::size_t> least) {
  OutputOptions options = options_;
  options.headers = options.headers && is_first;
  buffer_ += rendered(table, select(table, options), options, false, least);
}

void Output::object(const Table& table) {
  buffer_ += rendered(table, select(table, options_), options_, true);
}

void Output::line(std::string_view text) {
  if (json())
    buffer_.append(json_quoted(text)).append("\n");
  else
    buffer_.append(text).append("\n");
}

void Output::json_text(std::string_view document) {
  if (options_.format == Format::field) return line(json_at(document, options_.pointer));
  buffer_.append(options_.format == Format::jsonl ? document : json_pretty(document)).append("\n");
}

void Output::raw(std::string_view bytes) { buffer_.append(bytes); }

std::string Output::paint(std::string_view colour, std::string_view text) const {
  return options_.color ? painted(colour, text) : std::string{text};
}

void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const auto written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int number = errno;
      buffer_.clear();
      throw system_error("cannot write to standard output", number);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

}  // namespace arcus::cli
