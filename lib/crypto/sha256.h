#pragma once

#include <string>
#include <string_view>

namespace arcus {

/// SHA-256 (FIPS 180-4) of `bytes`: 64 lower-case hex digits. Throws Error (failed) when OpenSSL refuses.
std::string sha256_hex(std::string_view bytes);

}  // namespace arcus
