#include "lib/wire/frame.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "lib/base/error.h"

namespace arcus::wire {
namespace {

struct Header {
  std::uint32_t length = 0;
  std::uint16_t type = 0;
  std::uint16_t descriptors = 0;
};
static_assert(sizeof(Header) == 8);

constexpr std::size_t read_chunk = 64 * 1024;
constexpr std::size_t max_waiting_descriptors = 64;
constexpr std::size_t descriptors_per_read = 8;

bool is_known(std::uint16_t type) noexcept {
  return type >= static_cast<std::uint16_t>(FrameType::hello) &&
         type <= static_cast<std::uint16_t>(FrameType::check);
}

[[noreturn]] void refuse(const char* what) {
  throw Error{ErrorKind::failed, std::string{"channel: "} + what};
}

union ControlBuffer {
  cmsghdr alignment;
  std::array<char, CMSG_SPACE(sizeof(int) * descriptors_per_read)> bytes;
};

/// Sends `bytes`, with `descriptor` attached to the first of them when it is not -1. -1 and errno as sendmsg.
ssize_t send_some(int socket, std::string_view bytes, int descriptor) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ControlBuffer control{};
  if (descriptor >= 0) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void take_descriptors(msghdr& message, std::deque<UniqueFd>& out) {
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
      out.emplace_back(fd);
    }
  }
}

}  // namespace

FrameChannel::FrameChannel(UniqueFd socket, std::size_t max_incoming)
    : socket_{std::move(socket)}, max_incoming_{max_incoming} {}

void FrameChannel::send(FrameType type, std::string_view body, int descriptor) {
  if (body.size() > max_body) refuse("a frame would be too long");
  const Header header{.length = static_cast<std::uint32_t>(body.size()),
                      .type = static_cast<std::uint16_t>(type),
                      .descriptors = static_cast<std::uint16_t>(descriptor >= 0 ? 1 : 0)};
  Outgoing frame;
  frame.bytes.resize(sizeof header);
  std::memcpy(frame.bytes.data(), &header, sizeof header);
  frame.bytes += body;
  if (descriptor >= 0) {
    frame.descriptor.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!frame.descriptor) throw system_error("cannot duplicate a descriptor", errno);
  }
  outgoing_.push_back(std::move(frame));
  flush();
}

void FrameChannel::flush() {
  while (!outgoing_.empty()) {
    Outgoing& frame = outgoing_.front();
    const auto rest = std::string_view{frame.bytes}.substr(frame.sent);
    const ssize_t n = send_some(socket_.get(), rest, frame.descriptor.get());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) throw system_error("channel: the peer is gone", errno);
    frame.descriptor.reset();
    frame.sent += static_cast<std::size_t>(n);
    if (frame.sent == frame.bytes.size()) outgoing_.pop_front();
  }
}

std::optional<Frame> FrameChannel::receive() {
  for (;;) {
    if (auto frame = take_frame()) return frame;
    if (!read_more()) return std::nullopt;
  }
}

bool FrameChannel::read_more() {
  const std::size_t before = incoming_.size();
  incoming_.resize(before + read_chunk);
  iovec part{incoming_.data() + before, read_chunk};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t n = 0;
  do n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  const int error = errno;
  incoming_.resize(before + (n > 0 ? static_cast<std::size_t>(n) : 0));
  if (n < 0 && (error == EAGAIN || error == EWOULDBLOCK)) return false;
  if (n <= 0) {  // a reset peer is a closed one
    closed_ = true;
    return false;
  }
  take_descriptors(message, descriptors_);
  if ((message.msg_flags & MSG_CTRUNC) != 0) refuse("too many descriptors in one message");
  if (descriptors_.size() > max_waiting_descriptors) refuse("too many descriptors");
  return true;
}

std::optional<Frame> FrameChannel::take_frame() {
  Header header;
  if (incoming_.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, incoming_.data(), sizeof header);
  if (header.length > max_incoming_) refuse("a frame is too long");
  if (!is_known(header.type)) refuse("a frame is of no known type");
  if (header.descriptors > 1) refuse("a frame claims more than one descriptor");
  if (incoming_.size() < sizeof header + header.length) return std::nullopt;
  if (descriptors_.size() < header.descriptors) refuse("a frame lacks its descriptor");

  Frame frame{.type = static_cast<FrameType>(header.type),
              .body = incoming_.substr(sizeof header, header.length),
              .descriptors = {}};
  incoming_.erase(0, sizeof header + header.length);
  if (header.descriptors == 1) {
    frame.descriptors.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  if (incoming_.empty() && !descriptors_.empty()) refuse("a descriptor came without a frame");
  return frame;
}

std::pair<UniqueFd, UniqueFd> make_channel_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
    throw system_error("cannot make a socket pair", errno);
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

}  // namespace arcus::wire
