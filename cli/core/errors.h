#pragma once

#include <string>

#include "lib/base/error.h"

namespace arcus::cli {

/// The lines that tell a person, or with `json` the one line that tells a program, what went wrong.
std::string error_text(const Error& error, bool json, bool color);

/// error_text on stderr; returns the exit code.
int print_error(const Error& error, bool json, bool color);

}  // namespace arcus::cli
