#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arcus {

/// The parts of `text` between separators; empty parts are kept.
std::vector<std::string> split(std::string_view text, char separator);

/// Without blanks and tabs at both ends.
std::string_view trim(std::string_view text) noexcept;

std::string to_lower(std::string_view text);

/// As a shell reads it as one word: in single quotes where that is needed.
std::string shell_quoted(std::string_view text);

std::string join(std::span<const std::string> parts, std::string_view separator);

/// The edit distance with transpositions (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word` (distance 2 at the most, 1 for words of three letters or fewer), else the
/// shortest that begins with it (four letters or more), or nothing.
std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> candidates);

/// Shell pattern with * and ?; the whole of `text` must match.
bool glob_match(std::string_view pattern, std::string_view text) noexcept;

/// True when `text` has *, ? or [.
bool is_glob(std::string_view text) noexcept;

/// Every control byte, DEL and malformed UTF-8 byte as \xNN: safe on a terminal.
std::string escape_terminal(std::string_view text);

/// Everything but unreserved characters and those in `keep` as %NN (RFC 3986, 2.1).
std::string percent_encode(std::string_view text, std::string_view keep = "");

/// Two lower-case hex digits for each byte.
std::string to_hex(std::span<const unsigned char> bytes);

/// RFC 4648, 4, with padding.
std::string base64(std::string_view bytes);
/// What base64 text stands for; nothing when it is not that (padding may be missing).
std::optional<std::string> from_base64(std::string_view text);

/// True when `text` is well-formed UTF-8.
bool is_utf8(std::string_view text) noexcept;

/// A name in the registry's grammar: 1 to 63 of a-z 0-9 . _ - starting with a letter or digit.
bool is_name(std::string_view text) noexcept;

}  // namespace arcus
