#include <doctest/doctest.h>

#include <cstdlib>

#include "cli/core/globals.h"
#include "cli/core/parser.h"
#include "cli/core/scan.h"
#include "lib/base/error.h"
#include "tests/unit/cli/table_of_nouns.h"

using namespace arcus;
using namespace arcus::cli;
using Words = std::vector<std::string>;

static Parsed parse_thing(std::string_view word, const Words& words) {
  return parse(test::thing_noun, test::verb(word), words);
}

/// The message, suggestion and hint of the refusal.
struct Refusal {
  std::string message;
  std::string suggestion;
  std::string hint;
};

static Refusal refusal(std::string_view word, const Words& words) {
  try {
    parse_thing(word, words);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    return {error.what(), error.suggestion(), error.hint()};
  }
  return {"accepted", "", ""};
}

TEST_CASE("scan: global flags may stand before noun and verb, with and without their value") {
  const Words lines[] = {
      {"-t", "acme", "thing", "list", "-q"},
      {"--tenant=acme", "thing", "list", "-q"},
      {"-q", "--db", "x.db", "thing", "list"},
      {"-qo", "json", "thing", "list"},
      {"thing", "-t", "acme", "list"},
      {"-w", "5s", "thing", "list"},
      {"-w", "thing", "list"},
      {"things", "ls", "--limit", "3"},
      {"-ojson", "thing", "list"},
  };
  for (const Words& line : lines) {
    CAPTURE(line[0]);
    const Scan found = scan(line);
    CHECK(found.noun == &test::thing_noun);
    REQUIRE(found.command != nullptr);
    CHECK(found.command->verb == "list");
  }
}

TEST_CASE("scan: a bare verb takes every word after it, a verb's name may be an argument") {
  const Scan bare = scan({"look", "list"});
  CHECK(bare.command == &test::look_noun.commands[0]);
  CHECK(bare.words == Words{"list"});
  const Scan named = scan({"thing", "show", "list"});
  CHECK(named.command->verb == "show");
  CHECK(named.words == Words{"list"});
}

TEST_CASE("scan: help, version and JSON errors are known before anything is right") {
  CHECK(scan({"thing", "shwo", "--help"}).help);
  CHECK_FALSE(scan({"thing", "show", "--", "--help"}).help);
  CHECK(scan({"--version"}).version);
  CHECK(scan({"nonsense", "-o", "json"}).json);
  CHECK(scan({"nonsense", "--output=jsonl"}).json);
  CHECK_FALSE(scan({"nonsense", "-o", "table"}).json);
}

TEST_CASE("parser: a repeatable option takes one value each time and leaves the name alone") {
  const Parsed parsed = parse_thing("add", {"red", "--backend", "b:1", "--backend", "c:2", "myname"});
  CHECK(parsed.variant == "red");
  CHECK(parsed.args[test::name] == "myname");
  CHECK(parsed.args[test::backend] == std::vector<std::string_view>{"b:1", "c:2"});
}

TEST_CASE("parser: a scalar given twice takes the last, a flag can be negated") {
  const Parsed parsed = parse_thing("set", {"x", "--port", "80", "--port=81", "--tls", "--no-tls", "-mfast"});
  CHECK(parsed.args[test::port] == 81);
  CHECK(parsed.args.has(test::tls));
  CHECK_FALSE(parsed.args[test::tls]);
  CHECK(parsed.args[test::mode] == "fast");
}

TEST_CASE("parser: options and words mix, after -- everything is a word") {
  const Parsed parsed = parse_thing("show", {"a", "-m", "fast", "-", "--", "--b"});
  CHECK(parsed.args[test::refs] == std::vector<std::string_view>{"a", "-", "--b"});
}

TEST_CASE(
    "parser: a mistyped option is named with the nearest one, even when something required is missing") {
  const Refusal typo = refusal("set", {"--prot", "80"});
  CHECK(typo.message == "unknown option '--prot' for 'thing set'");
  CHECK(typo.suggestion == "--port");
  const Refusal variant = refusal("add", {"red", "x", "--prot", "80"});
  CHECK(variant.message == "unknown option '--prot' for 'thing add red'");
}

TEST_CASE("parser: a variant has only its own options") {
  CHECK(parse_thing("add", {"red_one", "x", "--port", "80"}).variant == "red");
  const Refusal other = refusal("add", {"blue", "x", "--port", "80"});
  CHECK(other.message == "unknown option '--port' for 'thing add blue'");
}

TEST_CASE("parser: what is missing or too much is said") {
  CHECK(refusal("set", {}).message == "'thing set' needs NAME");
  CHECK(refusal("set", {"a", "b"}).message == "'thing set' has no use for the word 'b'");
  CHECK(refusal("set", {"a", "--port"}).message == "--port needs a value");
  CHECK(refusal("set", {"a", "--pause=", "5s"}).message == "--pause: an empty value says nothing");
  CHECK(refusal("set", {""}).message == "NAME: an empty value says nothing");
  CHECK(refusal("set", {"a", "--port", "http"}).message == "--port: 'http' is not a decimal number");
}

TEST_CASE("parser: a flag that means nothing here is refused, not ignored") {
  CHECK(refusal("show", {"a", "--sort", "name"}).message == "unknown option '--sort' for 'thing show'");
  CHECK(parse_thing("list", {"--sort", "-name", "--limit", "3"}).globals[global::sort] == "-name");
}

TEST_CASE("parser: the environment stands in for a flag, the flag wins") {
  ::setenv("ARCUS_TENANT", "from-environment", 1);
  CHECK(parse_thing("list", {}).globals[global::tenant] == "from-environment");
  CHECK(parse_thing("list", {"-t", "flag"}).globals[global::tenant] == "flag");
  ::unsetenv("ARCUS_TENANT");
}

TEST_CASE("settings: formats, watching and colours are understood") {
  const Parsed parsed = parse_thing("list", {"-o", "field=/a/b", "--watch=5s", "-vv", "-c", "a,b"});
  const Settings settings = global::settings(parsed.globals, test::thing_noun, test::verb("list"));
  CHECK(settings.output.format == Format::field);
  CHECK(settings.output.pointer == "/a/b");
  CHECK(settings.watch == std::chrono::seconds{5});
  CHECK(settings.verbose == 2);
  CHECK(settings.output.columns == Words{"a", "b"});
  const Parsed typo = parse_thing("list", {"-o", "jsno"});
  CHECK_THROWS_AS(global::settings(typo.globals, test::thing_noun, test::verb("list")), Error);
}

TEST_CASE("settings: ARCUS_COLUMNS_NOUN shapes the noun's list and nothing else of it") {
  ::setenv("ARCUS_COLUMNS_THING", "size,name", 1);
  const Parsed list = parse_thing("list", {});
  CHECK(global::settings(list.globals, test::thing_noun, test::verb("list")).output.columns ==
        Words{"size", "name"});
  const Parsed show = parse_thing("show", {"a"});
  CHECK(global::settings(show.globals, test::thing_noun, test::verb("show")).output.columns.empty());
  ::unsetenv("ARCUS_COLUMNS_THING");
}

TEST_CASE("settings: NO_COLOR wins over CLICOLOR_FORCE, the flag over both") {
  ::setenv("CLICOLOR_FORCE", "1", 1);
  CHECK(global::wants_color("auto", 1));
  ::setenv("NO_COLOR", "1", 1);
  CHECK_FALSE(global::wants_color("auto", 1));
  CHECK(global::wants_color("always", 1));
  ::unsetenv("NO_COLOR");
  CHECK_FALSE(global::wants_color("never", 1));
  ::unsetenv("CLICOLOR_FORCE");
}
