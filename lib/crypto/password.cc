#include "lib/crypto/password.h"

#include <crypt.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/crypto/secret.h"

namespace arcus {

namespace {

constexpr std::size_t salt_size = 16;
constexpr std::size_t key_size = 32;

/// What stands in front of the key.
struct Scrypt {
  unsigned log_n = 15;
  std::uint64_t r = 8;
  std::uint64_t p = 1;
  std::string salt;
  std::string key;
};

}  // namespace

static std::string without_padding(std::string text) {
  while (text.ends_with('=')) text.pop_back();
  return text;
}

static std::string derive(const Scrypt& how, std::string_view password) {
  constexpr std::uint64_t most_memory = 256u << 20;
  std::string key(key_size, '\0');
  const auto bytes = [](const void* data) { return static_cast<const unsigned char*>(data); };
  if (EVP_PBE_scrypt(password.data(), password.size(), bytes(how.salt.data()), how.salt.size(),
                     std::uint64_t{1} << how.log_n, how.r, how.p, most_memory,
                     static_cast<unsigned char*>(static_cast<void*>(key.data())), key.size()) != 1)
    throw Error(ErrorKind::failed, "scrypt failed: out of memory, or parameters it does not take");
  return key;
}

/// The number behind `name` at the front of `text`, which loses both.
static std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

static std::optional<Scrypt> parse_scrypt(std::string_view text) {
  const auto log_n = take_number(text, "$scrypt$ln=");
  const auto r = take_number(text, ",r=");
  const auto p = take_number(text, ",p=");
  // More would let a row in the file take all the memory there is.
  if (!log_n || !r || !p || *log_n < 1 || *log_n > 17 || *r < 1 || *r > 8 || *p < 1 || *p > 4)
    return std::nullopt;
  if (!text.starts_with('$')) return std::nullopt;
  text.remove_prefix(1);
  const std::size_t middle = text.find('$');
  if (middle == std::string_view::npos) return std::nullopt;
  auto salt = from_base64(text.substr(0, middle));
  auto key = from_base64(text.substr(middle + 1));
  if (!salt || !key || salt->empty() || key->size() != key_size) return std::nullopt;
  return Scrypt{static_cast<unsigned>(*log_n), *r, *p, std::move(*salt), std::move(*key)};
}

std::string hash_password(std::string_view password) {
  Scrypt how;
  std::array<unsigned char, salt_size> salt;
  fill_random(salt);
  how.salt.assign(salt.begin(), salt.end());
  const std::string key = derive(how, password);
  return "$scrypt$ln=15,r=8,p=1$" + without_padding(base64(how.salt)) + "$" + without_padding(base64(key));
}

static constexpr std::array<std::string_view, 6> crypt_forms{"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"};

/// Of a cost that a worker can bear: bcrypt up to 14, a million rounds of SHA, yescrypt up to j and F.
static bool is_bearable(std::string_view hash) noexcept {
  if (hash.starts_with("$2")) return hash.size() > 6 && hash[4] <= '1' && (hash[4] == '0' || hash[5] <= '4');
  if (hash.starts_with("$y$"))
    return hash.size() > 6 && hash[3] == 'j' && hash[4] <= 'F' && hash.find('$', 3) <= 6;
  std::string_view rest = hash.substr(3);
  if (!rest.starts_with("rounds=")) return true;
  const auto rounds = take_number(rest, "rounds=");
  return rounds && *rounds <= 1'000'000;
}

static bool is_crypt_form(std::string_view hash) noexcept {
  const auto begins = [&](std::string_view form) { return hash.starts_with(form); };
  return hash.size() < 256 && std::ranges::any_of(crypt_forms, begins) && is_bearable(hash);
}

bool is_password_hash(std::string_view text) noexcept {
  try {
    return parse_scrypt(text).has_value() || (is_crypt_form(text) && text.size() > 20);
  } catch (...) {
    return false;
  }
}

static bool verify_crypt(const std::string& hash, std::string_view password) {
  const Secret phrase(password);
  const auto data = std::make_unique<crypt_data>();
  // Not crypt_r: sanitizers put their own in its place, which then finds none to call.
  const char* made =
      ::crypt_rn(phrase.text().c_str(), hash.c_str(), data.get(), static_cast<int>(sizeof *data));
  return made != nullptr && equal_secretly(made, hash);
}

bool verify_password(std::string_view hash, std::string_view password) {
  // What nobody can have takes as long as what somebody might.
  const bool possible = password.size() <= max_password && password.find('\0') == std::string_view::npos;
  password = password.substr(0, max_password);
  if (is_crypt_form(hash)) return verify_crypt(std::string{hash}, password) && possible;
  const auto how = parse_scrypt(hash);
  return how && equal_secretly(derive(*how, password), how->key) && possible;
}

void verify_nothing(std::string_view password) {
  Scrypt how;
  how.salt.assign(salt_size, 's');
  static_cast<void>(derive(how, password.substr(0, max_password)));
}

std::string generate_password() {
  static constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr std::size_t length = 20;
  std::string out;
  while (out.size() < length) {
    std::array<unsigned char, 64> bytes;
    fill_random(bytes);
    for (const unsigned char byte :
         bytes)  // 62 does not divide 256: what would favour some letters is left out
      if (byte < 248 && out.size() < length) out += letters[byte % letters.size()];
  }
  return out;
}

}  // namespace arcus
