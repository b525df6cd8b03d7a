#pragma once

#include "cli/core/context.h"

/// The command table of these tests: `thing` with add, list and show, and the bare verb `look`.
namespace arcus::cli::test {

extern const Arg<std::string_view> kind;
extern const Arg<std::string_view> name;
extern const Arg<std::int64_t> port;
extern const Arg<std::vector<std::string_view>> backend;
extern const Arg<std::chrono::milliseconds> pause;
extern const Arg<bool> tls;
extern const Arg<std::string_view> mode;
extern const Arg<std::vector<std::string_view>> refs;
extern const Noun thing_noun;
extern const Noun look_noun;

/// The command `thing VERB`.
const Command& verb(std::string_view word);

}  // namespace arcus::cli::test
