#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/core/command.h"

namespace arcus::cli {

/// argv taken apart as far as possible without knowing the command: global flags may stand anywhere.
struct Scan {
  std::string noun_word;             ///< as typed; empty: none
  std::string verb_word;             ///< as typed; empty: none, or the noun is bare
  const Noun* noun = nullptr;        ///< nullptr: none or unknown
  const Command* command = nullptr;  ///< nullptr: none or unknown
  bool help = false;                 ///< -h or --help before any `--`
  bool version = false;              ///< --version before any noun
  bool json = false;                 ///< errors are JSON: -o json or jsonl, or by ARCUS_OUTPUT
  std::vector<std::string> words;    ///< everything but noun and verb, in order
};

Scan scan(std::vector<std::string> argv);

}  // namespace arcus::cli
