#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace arcus {

/// The Error for an extended SQLite result code; `message` is SQLite's own, which holds the sentence of a
/// failed CHECK or the text of a RAISE. `system_errno` is what the system said last on that connection, or 0.
Error sqlite_error(const std::filesystem::path& path, int code, std::string_view message,
                   int system_errno = 0);

/// True when nothing more may be done on a connection that returned `code`.
bool is_fatal(int code) noexcept;

}  // namespace arcus
