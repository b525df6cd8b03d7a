#pragma once

#include <string>

#include "lib/base/time.h"

namespace arcus::http {

/// `time` as IMF-fixdate (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(WallTime time = wall_now());

}  // namespace arcus::http
