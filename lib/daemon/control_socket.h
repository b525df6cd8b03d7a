#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace arcus::daemon {

/// Whether a peer may give orders: root, the registry's owner, or a member of its group when the group may
/// write it.
bool is_peer_allowed(const ucred& peer, const std::vector<gid_t>& groups, uid_t owner, gid_t group,
                     mode_t mode);

/// The listening end of `<db>.sock`: one request a line, one answer a line.
class ControlSocket {
 public:
  using Reply = std::function<void(std::string line)>;
  /// Called for each line; `reply` may be called later, once, from the event loop; it is safe after the peer
  /// has gone.
  using Handler = std::function<void(std::string_view line, Reply reply)>;

  /// `db` decides who may talk: its owner, group and mode.
  ControlSocket(asio::io_context& io, std::filesystem::path path, std::filesystem::path db, Handler handler);
  ~ControlSocket();

  /// Listens when the socket is not there (any more); a failure is logged and left for the next call.
  void ensure();

 private:
  struct Client;

  void accept();
  bool is_ours() const;

  std::filesystem::path path_;
  std::filesystem::path db_;
  std::shared_ptr<Handler> handler_;
  asio::local::stream_protocol::acceptor acceptor_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::shared_ptr<int> client_count_ = std::make_shared<int>(0);
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace arcus::daemon
