#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace arcus {

/// What went wrong, as a caller may act on it. The value is the exit code of the command line.
enum class ErrorKind {
  failed = 1,
  usage = 2,
  not_found = 3,
  conflict = 4,
  no_daemon = 5,
  partial = 6,
  timeout = 7,
  permission = 8,
  registry = 9,
  differs = 10,
  not_confirmed = 11,
};

/// The word for `kind` in JSON errors and in `help exit-codes`, e.g. "not_found".
std::string_view name_of(ErrorKind kind) noexcept;

/// The one exception of the control plane: a fact, and what to type next.
/// `message` is lower case without a final dot and names its object in quotes.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const noexcept { return kind_; }
  int exit_code() const noexcept { return static_cast<int>(kind_); }
  const std::string& object() const noexcept { return object_; }
  const std::string& suggestion() const noexcept { return suggestion_; }
  const std::string& hint() const noexcept { return hint_; }
  const std::vector<std::string>& details() const noexcept { return details_; }

  /// The thing the error is about, e.g. "acme/web".
  Error&& about(std::string object) && {
    object_ = std::move(object);
    return std::move(*this);
  }
  /// The nearest existing word: printed as "did you mean: …".
  Error&& suggest(std::string word) && {
    suggestion_ = std::move(word);
    return std::move(*this);
  }
  /// The next command to type: printed as "hint: …".
  Error&& with_hint(std::string hint) && {
    hint_ = std::move(hint);
    return std::move(*this);
  }
  /// Further facts, one line each (all validation errors at once, the candidates of an ambiguous name).
  Error&& with_details(std::vector<std::string> details) && {
    details_ = std::move(details);
    return std::move(*this);
  }

 private:
  ErrorKind kind_;
  std::string object_;
  std::string suggestion_;
  std::string hint_;
  std::vector<std::string> details_;
};

/// The system's sentence for `number` (errno), e.g. "permission denied": lower case.
std::string errno_text(int number);

/// An Error for a failed system call: "`what`: permission denied"; EACCES and EPERM become `permission`.
Error system_error(const std::string& what, int number);

}  // namespace arcus
