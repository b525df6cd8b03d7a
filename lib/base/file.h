#pragma once

#include <string>
#include <string_view>

namespace arcus {

/// Writes `text` to the file at `path`: on disk under its name when this returns, and never half of it,
/// whoever dies when. An existing file is replaced when `replace`, and keeps its owner and mode. A new one is
/// for those who read and write `like`: its owner and group as far as we may give it away, mode 0600, or 0640
/// when the group may read `like`. Throws Error (conflict) when there is one otherwise, and what
/// system_error() says.
void write_private_file(const std::string& path, std::string_view text, bool replace,
                        const std::string& like);

/// Makes the folder, when it is missing, for the same people: mode 0700 or 0750.
void make_private_folder(const std::string& path, const std::string& like);

}  // namespace arcus
