#include "proxies/protocols.h"

#include "proxies/http/http.h"
#include "proxies/tcp/tcp.h"

namespace arcus {

static constexpr const Protocol* table[] = {
    &http_protocol,
    &tcp_protocol,
};

std::span<const Protocol* const> protocols() noexcept { return table; }

}  // namespace arcus
