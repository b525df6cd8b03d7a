#include "proxies/protocols.h"

#include <algorithm>

#include "proxies/http/http.h"
#include "proxies/sni/sni.h"
#include "proxies/socks/socks.h"
#include "proxies/tcp/tcp.h"

namespace arcus {

static constexpr const Protocol* table[] = {
    &http_protocol, &https_protocol, &sni_protocol, &socks_protocol, &tcp_protocol, &tls_protocol,
};

std::span<const Protocol* const> protocols() noexcept { return table; }

const Protocol* find_protocol(std::string_view name) noexcept {
  const auto found = std::ranges::find(table, name, [](const Protocol* one) { return one->type.name; });
  return found == std::end(table) ? nullptr : *found;
}

}  // namespace arcus
