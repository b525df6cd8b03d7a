#pragma once

#include <string>
#include <string_view>

namespace arcus {

/// The longest password anybody may have, in bytes: what RFC 1929 can carry.
inline constexpr std::size_t max_password = 255;

/// `password` as it is kept: "$scrypt$ln=15,r=8,p=1$SALT$KEY" (RFC 7914; 16 bytes of salt and 32 of key,
/// base64 without padding). Takes 32 MiB and some 80 ms. Throws Error (failed) when OpenSSL or the random
/// source refuses.
std::string hash_password(std::string_view password);

/// True when `password` is the one `hash` was made of: ours, or one of crypt(5) ($2b$, $y$, $6$, $5$). A hash
/// of another form fits nothing.
bool verify_password(std::string_view hash, std::string_view password);

/// Takes as long as verify_password() with a hash of ours, and says nothing.
void verify_nothing(std::string_view password);

/// True for the forms verify_password() knows.
bool is_password_hash(std::string_view text) noexcept;

/// 20 letters and digits (119 bits), for a new user.
std::string generate_password();

}  // namespace arcus
