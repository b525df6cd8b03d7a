#pragma once

#include "lib/base/server_type.h"

namespace arcus::cli {

/// The protocols and balancing algorithms of this program, as lib/registry wants to see them.
const Catalog& catalog();

}  // namespace arcus::cli
