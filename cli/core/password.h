#pragma once

#include <string_view>

#include "cli/core/args.h"
#include "lib/crypto/secret.h"

namespace arcus::cli {

/// Where a password comes from; never from argv. Put them into a signature.
namespace password {
inline constexpr std::string_view group = "where the password comes from; else it is asked for";
inline constexpr Arg<bool> from_stdin{
    "--password-stdin", "the first line of standard input", {.group = group}};
inline constexpr Arg<std::string_view> from_file{
    "--password-file",
    "the first line of a file that others may not read",
    {.metavar = "FILE", .group = group, .complete = Source::file}};
}  // namespace password

/// The password that the flags of `password::` name; without any it is asked for on the terminal, twice when
/// `is_new`. Throws Error: usage when it is empty, longer than 255 bytes or has a NUL, permission when others
/// may read the file, not_confirmed without a terminal to ask on.
Secret read_password(const Args& args, std::string_view whose, bool is_new);

}  // namespace arcus::cli
