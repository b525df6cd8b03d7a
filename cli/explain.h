#pragma once

#include "cli/core/command.h"

/// `explain`, which `acl test` is another word for.
namespace arcus::cli::explain {

extern const ArgInfo* const signature[7];
int run(Context& context, const Args& args);

inline constexpr Example examples[] = {
    {"arcusctl explain acme/web --client 10.1.2.3 --user bob --to http://intranet:8080/",
     "which rule decides"},
    {"arcusctl explain acme/web --to example.org:443 --address 203.0.113.9", "for an address that you name"},
};
inline constexpr std::string_view details =
    "Judges by the rules, users and guards in the registry with the code that judges the traffic, in its "
    "order, "
    "and says what decides. Nothing is connected; names are looked up here, not by a worker.";
inline constexpr ExitNote exits[] = {{1, "the answer is deny"}};

}  // namespace arcus::cli::explain
