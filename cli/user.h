#pragma once

#include <string>
#include <string_view>

namespace arcus::cli {

/// The name in NAME or TENANT/NAME, as completion offers both. Throws Error (usage) when it is another
/// tenant's.
std::string bare_user(std::string_view word, std::string_view tenant);

}  // namespace arcus::cli
