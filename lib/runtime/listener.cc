#include "lib/runtime/listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/net/socket.h"
#include "lib/runtime/thread.h"

namespace arcus {

void ListeningSocket::shut_down() const noexcept { static_cast<void>(::shutdown(socket_.get(), SHUT_RDWR)); }

// A duplicate of what is open anyway: the worker can open nothing.
ReserveDescriptor::ReserveDescriptor() : spare_(::fcntl(2, F_DUPFD_CLOEXEC, 3)) {}

bool ReserveDescriptor::turn_away(int listening) {
  const std::lock_guard lock(mutex_);
  spare_.reset();
  Endpoint peer;
  UniqueFd client = socket::accept(listening, peer);
  const bool done = static_cast<bool>(client);
  if (done) socket::set_reset_on_close(client.get());
  client.reset();
  spare_.reset(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  return done;
}

Listener::Listener(DataThread& thread, std::uint64_t server, std::shared_ptr<ListeningSocket> socket)
    : thread_(thread), server_(server), socket_(std::move(socket)) {
  watch();
}

Listener::~Listener() {
  if (watching_) thread_.poller().remove(socket_->fd());
}

void Listener::watch() noexcept {
  watching_ = thread_.poller().add(socket_->fd(), *this, EPOLLIN | EPOLLEXCLUSIVE);
}

void Listener::on_events(std::uint32_t) {
  for (int i = 0; i < accepts_per_wakeup; ++i) {
    Endpoint peer;
    UniqueFd client = socket::accept(socket_->fd(), peer);
    if (!client) {
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) back_off(errno);
      return;
    }
    DataThread& home = thread_.shared().place_for_connection(thread_);
    if (&home == &thread_) {
      if (ServerOnThread* server = thread_.find_server(server_)) server->accepted(std::move(client), peer);
      continue;
    }
    // std::function wants copies: the descriptor travels in a shared box.
    auto box = std::make_shared<UniqueFd>(std::move(client));
    home.post([box, peer, number = server_](DataThread& there) {
      if (ServerOnThread* server = there.find_server(number)) server->accepted(std::move(*box), peer);
    });
  }
}

void Listener::back_off(int number) {
  if (number == EINVAL) {  // shut down: no client will come any more
    thread_.poller().remove(socket_->fd());
    watching_ = false;
    return;
  }
  static const Logger log("listener");
  log.warn("accept_failed", field("error", errno_text(number)));
  if (number == EMFILE || number == ENFILE) thread_.shared().reserve().turn_away(socket_->fd());
  // An exclusive registration cannot be modified: out and, after the pause, in again.
  thread_.poller().remove(socket_->fd());
  watching_ = false;
  thread_.deadlines().of(pause).arm(pause_);
}

void Listener::on_deadline(Deadline&) { watch(); }

}  // namespace arcus
