#pragma once

#include <string_view>

namespace arcus::cli {

/// The files beside this one, embedded by embed.py.
extern const std::string_view bash_completion;
extern const std::string_view zsh_completion;
extern const std::string_view fish_completion;

}  // namespace arcus::cli
