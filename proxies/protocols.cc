#include "proxies/protocols.h"

#include "proxies/tcp/tcp.h"

namespace arcus {

static constexpr const Protocol* table[] = {
    &tcp_protocol,
};

std::span<const Protocol* const> protocols() noexcept { return table; }

}  // namespace arcus
