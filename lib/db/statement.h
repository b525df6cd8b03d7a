#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

struct sqlite3_stmt;

namespace arcus {

class Database;

/// `name` as an identifier in SQL text, whatever it holds.
std::string quote_name(std::string_view name);

/// Storage class of one value of the current row.
enum class ColumnType { null, integer, real, text, blob };

/// One prepared statement with its values bound. Move-only; must die before its Database.
/// Every call that reaches SQLite throws Error as Database does.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  /// Goes to the next row; false when there is none (the statement is then reset and may be run again).
  /// A statement that writes must run inside a Transaction.
  bool step();

  /// Starts over with new values, one for each `?`; the prepared form is kept.
  template <class... Values>
  void rebind(const Values&... values) {
    restart(sizeof...(Values));
    int position = 0;
    (bind(++position, values), ...);
  }

  /// The first columns of the current row, converted. `std::optional` stands for NULL; for the plain types
  /// NULL reads as 0, false or "". `std::string_view` is valid until the next step.
  template <class... Types>
  std::tuple<Types...> row() const {
    return read_row<Types...>(std::index_sequence_for<Types...>{});
  }

  /// One column of the current row; conversions as in row().
  template <class Type>
  Type column(int index) const {
    if constexpr (is_optional<Type>::value) {
      if (type(index) == ColumnType::null) return std::nullopt;
      return column<typename Type::value_type>(index);
    } else if constexpr (std::same_as<Type, bool>) {
      return integer(index) != 0;
    } else if constexpr (std::integral<Type>) {
      return static_cast<Type>(integer(index));
    } else if constexpr (std::floating_point<Type>) {
      return static_cast<Type>(real(index));
    } else {
      return Type{text(index)};
    }
  }

  int column_count() const noexcept;
  std::string_view name(int index) const;
  ColumnType type(int index) const;
  std::int64_t integer(int index) const;
  double real(int index) const;
  /// The value as text ("" for NULL), valid until the next step.
  std::string_view text(int index) const;
  /// The value of the column of that name; throws Error when the statement has none.
  std::string_view text(std::string_view column_name) const;
  /// True when the statement cannot change the file.
  bool is_read_only() const noexcept;

 private:
  friend class Database;

  template <class Type>
  struct is_optional : std::false_type {};
  template <class Type>
  struct is_optional<std::optional<Type>> : std::true_type {};

  Statement(Database& db, sqlite3_stmt* handle) noexcept : db_(&db), handle_(handle) {}

  template <class Value>
  void bind(int position, const Value& value) {
    if constexpr (std::same_as<Value, std::nullptr_t>) {
      bind_null(position);
    } else if constexpr (is_optional<Value>::value) {
      if (value)
        bind(position, *value);
      else
        bind_null(position);
    } else if constexpr (std::integral<Value>) {
      bind_integer(position, static_cast<std::int64_t>(value));
    } else if constexpr (std::floating_point<Value>) {
      bind_real(position, static_cast<double>(value));
    } else {
      bind_text(position, std::string_view{value});
    }
  }

  template <class... Types, std::size_t... Indices>
  std::tuple<Types...> read_row(std::index_sequence<Indices...>) const {
    return std::tuple<Types...>{column<Types>(static_cast<int>(Indices))...};
  }

  bool needs_transaction() const noexcept;
  void restart(std::size_t value_count);
  void bind_null(int position);
  void bind_integer(int position, std::int64_t value);
  void bind_real(int position, double value);
  void bind_text(int position, std::string_view value);

  Database* db_;
  sqlite3_stmt* handle_;
};

}  // namespace arcus
