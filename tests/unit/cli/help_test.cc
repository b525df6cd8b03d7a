#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/core/exit_code.h"
#include "cli/core/help.h"
#include "lib/base/error.h"
#include "tests/unit/cli/table_of_nouns.h"

using namespace arcus;
using namespace arcus::cli;

TEST_CASE("help: the first page fits 24 lines and names every noun") {
  const std::string page = top_help();
  CHECK(std::ranges::count(page, '\n') <= 24);
  CHECK(page.find("thing") != std::string::npos);
  CHECK(page.find("look") != std::string::npos);
}

TEST_CASE("help: a verb's page begins with examples, has flags in groups and ends with exit codes") {
  const std::string page = command_help(test::thing_noun, test::verb("list"), "");
  CHECK(page.find("Examples:") < page.find("Usage:"));
  CHECK(page.find("--sort") != std::string::npos);
  CHECK(page.find("--dry-run") == std::string::npos);
  CHECK(page.find("Exit codes:") != std::string::npos);
  const std::string variant = command_help(test::thing_noun, test::verb("add"), "red");
  CHECK(variant.find("Flags, upstream:") != std::string::npos);
  CHECK(variant.find("--port") != std::string::npos);
  CHECK(command_help(test::thing_noun, test::verb("add"), "blue").find("--port") == std::string::npos);
}

TEST_CASE("help: nouns, verbs and topics are found, anything else gets the nearest word") {
  CHECK(help_about({"thing"}).find("all of them") != std::string::npos);
  CHECK(help_about({"thing", "ls"}) == command_help(test::thing_noun, test::verb("list"), ""));
  CHECK(help_about({"refs"}).find("tenant/name") != std::string::npos);
  try {
    help_about({"thnig"});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.suggestion() == "thing");
  }
  try {
    unknown_verb(test::thing_noun, "lsit");
  } catch (const Error& error) {
    CHECK(std::string_view{error.what()} == "no verb 'lsit' for 'thing'");
    CHECK(error.suggestion() == "thing list");
  }
}

TEST_CASE("help: exit codes are listed all, 0 to 11 without a gap") {
  int next = 0;
  for (const exit_code::Row& row : exit_code::table()) CHECK(row.code == next++);
  CHECK(next == 12);
  const std::string page = help_about({"exit-codes"});
  for (const exit_code::Row& row : exit_code::table()) CHECK(page.find(row.name) != std::string::npos);
  for (int kind = 1; kind < 12; ++kind) CHECK(exit_code::name(kind) == name_of(static_cast<ErrorKind>(kind)));
}

TEST_CASE("help: the JSON table has every command with its arguments") {
  const auto table = nlohmann::json::parse(help_json());
  CHECK(table["nouns"].size() == 2);
  CHECK(table["nouns"][0]["commands"][0]["variants"][1]["name"] == "red");
  CHECK(table["exit_codes"].size() == 12);
  CHECK(table["topics"].size() == topics().size());
}
