#include "lib/base/error.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <system_error>

namespace arcus {

std::string_view name_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::no_daemon:
      return "no_daemon";
    case ErrorKind::partial:
      return "partial";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::permission:
      return "permission";
    case ErrorKind::registry:
      return "registry";
    case ErrorKind::differs:
      return "differs";
    case ErrorKind::not_confirmed:
      return "not_confirmed";
  }
  return "failed";
}

std::string errno_text(int number) {
  std::string text = std::generic_category().message(number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

Error system_error(const std::string& what, int number) {
  const bool denied = number == EACCES || number == EPERM || number == EROFS;
  return Error(denied ? ErrorKind::permission : ErrorKind::failed, what + ": " + errno_text(number));
}

}  // namespace arcus
