#pragma once

#include <string>
#include <string_view>

namespace arcus {

/// Writes `text` to the file at `path`, mode 0600: on disk under its name when this returns, and never half
/// of it, whoever dies when. An existing file is replaced when `replace`. Throws Error (conflict) when there
/// is one otherwise, and what system_error() says.
void write_private_file(const std::string& path, std::string_view text, bool replace);

}  // namespace arcus
