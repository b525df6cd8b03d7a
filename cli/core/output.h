#pragma once

#include <concepts>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace arcus::cli {

/// In which formats a column appears unless -c names columns.
enum class Show : std::uint8_t {
  table,  ///< everywhere
  wide,   ///< not in `table`
  full,   ///< only in json, jsonl, tsv, csv: too long or too special for the screen
  screen  ///< only in `table` and `wide`: made of other columns
};

/// How a value reads on the screen; machine formats always carry the exact value.
enum class Unit : std::uint8_t {
  text,
  count,       ///< right aligned
  bytes,       ///< 1.2M
  per_second,  ///< 6.1k, one decimal below 100
  ms,          ///< a duration in milliseconds: 30s, 8.4ms
  time,        ///< registry time text; relative, iso or local by --time
  age,         ///< registry time text, shown as `3d04h` ago-free age
  status,      ///< coloured: running green, error red, ...
  flag,        ///< a boolean that SQLite has as 0 or 1
  prose,       ///< a sentence: only in the last column, where blanks do no harm
  json         ///< JSON text, embedded unquoted in json formats
};

struct Column {
  std::string_view key;           ///< canonical name: JSON key, word of -c and --sort
  std::string_view heading = {};  ///< screen heading; empty: the key in upper case
  Show show = Show::table;
  Unit unit = Unit::text;
  std::uint8_t drop = 0;  ///< on a narrow terminal: 9 goes first, 1 last, 0 never
};

/// JSON text (object, array, ...) that machine formats embed as it is.
struct JsonText {
  std::string text;
};

/// One typed value.  `shown` is what the screen says instead ("412/1000" for 412).
class Cell {
 public:
  using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, JsonText>;

  Cell() = default;
  Cell(std::nullopt_t) {}
  Cell(const char* text) : value(std::string{text}) {}
  Cell(std::string_view text) : value(std::string{text}) {}
  Cell(std::string text) : value(std::move(text)) {}
  Cell(JsonText json) : value(std::move(json)) {}
  Cell(bool flag) : value(flag) {}
  Cell(std::floating_point auto number) : value(static_cast<double>(number)) {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) Cell(T number)
      : value(static_cast<std::int64_t>(number)) {}
  template <class T>
  Cell(const std::optional<T>& maybe) {
    if (maybe) *this = Cell{*maybe};
  }
  template <class T>
  Cell(T exact, std::string on_screen) : Cell(std::move(exact)) {
    shown = std::move(on_screen);
  }

  [[nodiscard]] bool empty() const { return std::holds_alternative<std::monostate>(value); }

  Value value;
  std::string shown;
};

/// Rows of cells in the order of `columns`.
class Table {
 public:
  explicit Table(std::span<const Column> columns) : columns_(columns.begin(), columns.end()) {}
  Table() = default;
  Table(Table&&) = default;
  Table& operator=(Table&&) = default;

  /// A column whose name is made at run time (`sql`); the table keeps the text.
  void add_column(std::string key, Unit unit = Unit::text);
  /// A copy of `column` whose texts the table keeps.
  void add_column(const Column& column);

  /// One row; as many cells as there are columns.
  template <class... T>
  void add(T&&... cells) {
    std::vector<Cell> row;
    row.reserve(sizeof...(cells));
    (row.emplace_back(std::forward<T>(cells)), ...);
    add_row(std::move(row));
  }
  void add_row(std::vector<Cell> row);

  [[nodiscard]] std::span<const Column> columns() const { return columns_; }
  [[nodiscard]] const std::vector<std::vector<Cell>>& rows() const { return rows_; }
  [[nodiscard]] std::vector<std::vector<Cell>>& rows() { return rows_; }
  [[nodiscard]] bool empty() const { return rows_.empty(); }

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::deque<std::string> names_;
};

enum class Format : std::uint8_t { table, wide, json, jsonl, tsv, csv, name, field };
enum class TimeStyle : std::uint8_t { relative, iso, local };

/// Everything the output flags say.
struct OutputOptions {
  Format format = Format::table;
  std::string pointer;               ///< of field=/json/pointer
  std::string line_format;           ///< --format '{tenant}/{name}'; empty: not given
  std::vector<std::string> columns;  ///< -c; empty: the default ones
  std::string sort;                  ///< [-]column
  std::optional<std::int64_t> limit;
  bool headers = true;
  bool quiet = false;  ///< -q: only the first `id` (or name) column
  bool color = false;
  TimeStyle time = TimeStyle::iso;
  int width = 0;  ///< of the terminal; 0: no terminal, nothing is dropped
};

/// What goes to stdout.  Everything is collected and written by flush(), in one write where possible.
class Output {
 public:
  Output() = default;
  explicit Output(OutputOptions options) : options_(std::move(options)) {}

  [[nodiscard]] const OutputOptions& options() const { return options_; }
  /// True unless a person reads it: json, jsonl, tsv, csv, name, field, --format.
  [[nodiscard]] bool machine() const;
  /// json or jsonl.
  [[nodiscard]] bool json() const;

  /// A list in whatever format was asked for: `[]` when empty, sorted and limited.
  void list(const Table& table);
  /// Rows of a list that goes on: headings only before the first ones; not for a JSON array.  `least`: widths
  /// of the columns on the screen, for the rows to come are not known.
  void more(const Table& table, bool is_first, std::span<const std::size_t> least);
  /// One object: `key  value` lines, or a bare JSON object.  `table` has exactly one row.
  void object(const Table& table);
  /// A line of text (for people, and results that are one word); with json and jsonl a JSON string.
  void line(std::string_view text);
  /// A ready JSON document; with jsonl on one line, with field= the part it points to.
  void json_text(std::string_view document);
  /// Bytes as they are.
  void raw(std::string_view bytes);
  /// `text` in a colour when colours are on: "red", "green", "yellow", "cyan", "dim", "bold".
  [[nodiscard]] std::string paint(std::string_view colour, std::string_view text) const;

  /// Writes what was collected to stdout.  Throws Error when stdout refuses it (disk full).
  void flush();
  /// What was collected and not yet written.
  [[nodiscard]] std::string& pending() { return buffer_; }

 private:
  OutputOptions options_;
  std::string buffer_;
};

/// The part of `table` that is printed: indices of columns and rows, in order.
struct Selection {
  std::vector<std::size_t> columns;
  std::vector<std::size_t> rows;
};

/// What -c, --sort, --limit and the format leave of `table`.  Throws Error{usage} for an unknown column.
Selection select(const Table& table, const OutputOptions& options);
/// The column called `word` (key, or heading in any case), or nothing.
std::optional<std::size_t> find_column(const Table& table, std::string_view word);
/// The text table with its heading line.  `least`: the least width of each column of `table`.
std::string screen_table(const Table& table, Selection selection, const OutputOptions& options,
                         std::span<const std::size_t> least = {});
/// One object as `key  value` lines.
std::string screen_object(const Table& table, const Selection& selection, const OutputOptions& options);
/// One row as a JSON object on one line.
std::string json_row(const Table& table, const std::vector<std::size_t>& columns,
                     const std::vector<Cell>& row);
/// A JSON document made readable (two blanks a level).  Text that is no JSON comes back as it is.
std::string json_pretty(std::string_view document);
/// What `pointer` finds in `document`: text without quotes, else JSON.  Throws Error{not_found}.
std::string json_at(std::string_view document, const std::string& pointer);
/// `text` as a JSON string with its quotes.
std::string json_quoted(std::string_view text);
/// `line_format` with each {key} replaced.  Throws Error{usage} for an unknown key.
std::string format_line(const Table& table, const std::vector<Cell>& row, std::string_view line_format);
/// `text` wrapped in the escape sequences of `colour`.
std::string painted(std::string_view colour, std::string_view text);
/// The colour of a status word, or "".
std::string_view status_colour(std::string_view word);

/// A cell as the screen shows it under `unit`: no spaces, `-` when empty.
std::string screen_text(const Cell& cell, Unit unit, TimeStyle style);
/// A cell as tsv, csv, {key} and -q give it: exact, empty when empty.
std::string plain_text(const Cell& cell);
/// The names of -o, for help and completion.
std::span<const std::string_view> format_names() noexcept;

}  // namespace arcus::cli
