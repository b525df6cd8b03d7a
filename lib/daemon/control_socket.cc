#include "lib/daemon/control_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/buffers_iterator.hpp>
#include <asio/read_until.hpp>
#include <asio/streambuf.hpp>
#include <asio/write.hpp>
#include <deque>

#include "lib/base/log.h"

namespace arcus::daemon {

static constexpr std::size_t most_line = 64 * 1024;
static constexpr int most_clients = 64;

bool is_peer_allowed(const ucred& peer, const std::vector<gid_t>& groups, uid_t owner, gid_t group,
                     mode_t mode) {
  if (peer.uid == 0 || peer.uid == owner) return true;
  const bool is_member = peer.gid == group || std::ranges::find(groups, group) != groups.end();
  return is_member && (mode & S_IWGRP) != 0;
}

static std::vector<gid_t> groups_of(int socket) {
  std::vector<gid_t> groups(256);
  socklen_t length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) return {};
  groups.resize(length / sizeof(gid_t));
  return groups;
}

/// One peer; lives as long as a read or write of it is under way or a reply is owed.
struct ControlSocket::Client : std::enable_shared_from_this<Client> {
  Client(asio::local::stream_protocol::socket s, std::shared_ptr<Handler> h, std::shared_ptr<int> c)
      : socket{std::move(s)}, handler{std::move(h)}, count{std::move(c)} {
    ++*count;
  }
  ~Client() { --*count; }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void read() {
    asio::async_read_until(
        socket, input, '\n', [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
          if (error) return;
          const auto start = asio::buffers_begin(self->input.data());
          const std::string line{start, start + static_cast<std::ptrdiff_t>(size - 1)};
          self->input.consume(size);
          (*self->handler)(line, [self](std::string text) { self->write(std::move(text)); });
          self->read();
        });
  }

  void write(std::string text) {
    output.push_back(std::move(text) + "\n");
    if (output.size() == 1) write_next();
  }

  void write_next() {
    asio::async_write(socket, asio::buffer(output.front()),
                      [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                        self->output.pop_front();
                        if (!error && !self->output.empty()) self->write_next();
                      });
  }

  asio::local::stream_protocol::socket socket;
  std::shared_ptr<Handler> handler;
  std::shared_ptr<int> count;
  asio::streambuf input{most_line};
  std::deque<std::string> output;
};

ControlSocket::ControlSocket(asio::io_context& io, std::filesystem::path path, std::filesystem::path db,
                             Handler handler)
    : path_{std::move(path)},
      db_{std::move(db)},
      handler_{std::make_shared<Handler>(std::move(handler))},
      acceptor_{io} {}

ControlSocket::~ControlSocket() {
  *handler_ = [](std::string_view, const Reply&) {};  // peers may outlive us by a turn of the loop
  if (acceptor_.is_open() && is_ours()) ::unlink(path_.c_str());
}

bool ControlSocket::is_ours() const {
  struct stat info {};
  return ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

void ControlSocket::ensure() {
  if (acceptor_.is_open() && is_ours()) return;
  struct stat db {};
  struct stat made {};
  asio::error_code error;
  acceptor_.close(error);
  if (::stat(db_.c_str(), &db) != 0) return;  // without the registry nobody can be told apart
  ::unlink(path_.c_str());                    // the run lock is ours: what stands there is a dead daemon's
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  acceptor_.open({}, error);
  const mode_t mask = ::umask((db.st_mode & S_IWGRP) != 0 ? 0117 : 0177);
  if (!error) acceptor_.bind(path_.string(), error);
  ::umask(mask);
  if (!error) acceptor_.listen(16, error);
  if (error || ::lstat(path_.c_str(), &made) != 0) {
    Logger{"control"}.error("no control socket",
                            field("path", path_.string()) + field("error", error.message()));
    acceptor_.close(error);
    return;
  }
  if (db.st_gid != made.st_gid && ::lchown(path_.c_str(), static_cast<uid_t>(-1), db.st_gid) != 0)
    Logger{"control"}.warn("control socket keeps its group", field("path", path_.string()));
  device_ = made.st_dev;
  inode_ = made.st_ino;
  accept();
}

void ControlSocket::accept() {
  acceptor_.async_accept([this, alive = std::weak_ptr{alive_}](const asio::error_code& error,
                                                               asio::local::stream_protocol::socket socket) {
    if (alive.expired() || error == asio::error::operation_aborted || !acceptor_.is_open()) return;
    if (!error) {
      ucred peer{};
      socklen_t length = sizeof peer;
      struct stat db {};
      const bool is_known =
          ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
          ::stat(db_.c_str(), &db) == 0;
      if (is_known && *client_count_ < most_clients &&
          is_peer_allowed(peer, groups_of(socket.native_handle()), db.st_uid, db.st_gid, db.st_mode)) {
        std::make_shared<Client>(std::move(socket), handler_, client_count_)->read();
      } else {
        Logger{"control"}.warn("control connection refused", field("uid", peer.uid) + field("pid", peer.pid));
      }
    }
    accept();
  });
}

}  // namespace arcus::daemon
