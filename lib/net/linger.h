#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/stream.h"

namespace arcus {

/// Closes `stream` so that what was written last arrives: FIN, then reads and discards at most 64 KiB for at
/// most 1 s, then closes (RFC 9112, 9.6). `keep` is freed afterwards: give it what must live as long (the
/// slot of a limit). Bytes still in `rest` are written first, within the same second.
void close_politely(NetContext& context, Stream stream, std::string rest = {},
                    std::unique_ptr<Retired> keep = nullptr);

}  // namespace arcus
