#pragma once

#include <string>
#include <string_view>

#include "lib/tls/client_hello.h"

namespace arcus::tls {

/// Looks on while a tunnel's client begins to speak, and keeps the server name of its ClientHello, if it is
/// one.
class NameWitness {
 public:
  /// The client's next bytes, from its first on. True while more of them could tell the name.
  bool take(std::string_view bytes);
  /// Lower case; empty = not told.
  const std::string& name() const noexcept { return name_; }

 private:
  static constexpr std::size_t limit = 16 * 1024;

  ClientHelloReader reader_{limit};
  std::string received_;
  std::string name_;
};

}  // namespace arcus::tls
