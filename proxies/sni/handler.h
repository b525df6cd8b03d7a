#pragma once

#include <memory>
#include <string_view>

#include "lib/runtime/protocol.h"

namespace arcus {

/// One sni server on one data thread.
class SniHandler final : public Handler {
 public:
  using Handler::Handler;

  void serve(ClientConnection connection) override;
  void on_config() override;
  /// Gives a client that speaks plain HTTP to the http protocol, with what was read from it.
  void hand_over(ClientConnection connection, std::string_view already_read);

 private:
  std::unique_ptr<Handler> http_;  ///< made for the first such client
};

}  // namespace arcus
