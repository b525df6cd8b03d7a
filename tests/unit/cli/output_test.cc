#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/core/errors.h"
#include "cli/core/output.h"
#include "lib/base/error.h"

using namespace arcus;
using namespace arcus::cli;

static constexpr Column columns[] = {
    {"id", "ID", Show::wide},
    {"tenant", "TENANT"},
    {"name", "NAME"},
    {"size", "SIZE", Show::table, Unit::bytes, 5},
    {"state", "STATE", Show::table, Unit::status, 2},
    {"config", "CONFIG", Show::full, Unit::json},
    {"note", "NOTE", Show::table, Unit::prose, 1},
};

static Table sample() {
  Table table{columns};
  table.add("4f7c09e1d2aa", "acme", "web", 2048, "running", JsonText{R"({"via":false})"}, "all is well");
  table.add("00000000beef", "acme", "my db", 1, std::nullopt, JsonText{"{}"}, Cell{});
  return table;
}

static std::string printed(OutputOptions options, const Table& table = sample()) {
  Output output{std::move(options)};
  output.list(table);
  return output.pending();
}

TEST_CASE("table: upper-case heading, no blanks inside cells, a dash for nothing") {
  CHECK(printed({}) ==
        "TENANT  NAME   SIZE  STATE    NOTE\n"
        "acme    web    2.0K  running  all is well\n"
        "acme    my_db     1  -        -\n");
}

TEST_CASE("table: wide has more columns, -c any, --no-headers none") {
  CHECK(printed({.format = Format::wide}).starts_with("ID            TENANT"));
  CHECK(printed({.columns = {"size", "NAME"}, .headers = false}) == "2.0K  web\n   1  my_db\n");
  CHECK_THROWS_WITH_AS(printed({.columns = {"naem"}}), "no column 'naem'", Error);
}

TEST_CASE("table: a narrow terminal loses columns in their order and never wraps") {
  for (int width = 10; width < 60; ++width) {
    CAPTURE(width);
    const std::string text = printed({.width = width});
    std::size_t start = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos;
         start = end + 1, end = text.find('\n', start)) {
      // The ellipsis has three bytes.
      CHECK(end - start <= static_cast<std::size_t>(width) + 2);
    }
  }
  CHECK(printed({.width = 38}).find("SIZE") == std::string::npos);
  CHECK(printed({.width = 38}).find("STATE") != std::string::npos);
}

TEST_CASE("table: control bytes never reach a terminal") {
  Table table{std::span{columns}.subspan(1, 2)};
  table.add("a\x1b[31m", "b\n");
  const std::string text = printed({}, table);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("\\x1") != std::string::npos);
}

TEST_CASE("list: sorted by value, descending with a minus, nothing last, then limited") {
  CHECK(printed({.format = Format::name, .sort = "size"}) == "acme/my db\nacme/web\n");
  CHECK(printed({.format = Format::name, .sort = "-size"}) == "acme/web\nacme/my db\n");
  CHECK(printed({.format = Format::name, .sort = "state", .limit = 1}) == "acme/web\n");
}

TEST_CASE("json: one array with every column, [] when empty, embedded JSON as it is") {
  const auto list = nlohmann::json::parse(printed({.format = Format::json}));
  REQUIRE(list.size() == 2);
  CHECK(list[0]["config"]["via"] == false);
  CHECK(list[0]["size"] == 2048);
  CHECK(list[1]["state"].is_null());
  CHECK(printed({.format = Format::json}, Table{columns}) == "[]\n");
  CHECK(printed({.format = Format::jsonl}, Table{columns}).empty());
}

TEST_CASE("json: bytes that are no UTF-8 do not stop it") {
  Table table{std::span{columns}.subspan(1, 1)};
  table.add("\xff\"");
  CHECK(nlohmann::json::accept(printed({.format = Format::json}, table)));
}

TEST_CASE("tsv and csv: keys, exact numbers, quotes only where needed") {
  Table table{std::span{columns}.subspan(1, 3)};
  table.add("a,b", "say \"x\"\ty", 1'500'000);
  CHECK(printed({.format = Format::csv}, table) ==
        "tenant,name,size\n\"a,b\",\"say \"\"x\"\"\ty\",1500000\n");
  CHECK(printed({.format = Format::tsv}, table) == "tenant\tname\tsize\na,b\tsay \"x\"\\ty\t1500000\n");
}

TEST_CASE("output: quiet gives ids, --format lines, field= one value") {
  CHECK(printed({.quiet = true}) == "4f7c09e1d2aa\n00000000beef\n");
  CHECK(printed({.line_format = "{tenant}/{name} {size}\\t{{x}"}) ==
        "acme/web 2048\t{x}\nacme/my db 1\t{x}\n");
  CHECK(printed({.format = Format::field, .pointer = "/config/via", .limit = 1}) == "false\n");
  CHECK_THROWS_WITH_AS(printed({.line_format = "{nmae}"}), "--format: no key 'nmae'", Error);
  CHECK_THROWS_AS(printed({.format = Format::field, .pointer = "/nothing"}), Error);
}

TEST_CASE("object: key and value lines, or one JSON object") {
  Table table{std::span{columns}.first(3)};
  table.add("1", "acme", "web");
  Output text{};
  text.object(table);
  CHECK(text.pending() == "tenant  acme\nname    web\n");
  Output json{{.format = Format::json}};
  json.object(table);
  CHECK(nlohmann::json::parse(json.pending())["name"] == "web");
}

TEST_CASE("colour: only when asked for, and it does not move columns") {
  const std::string plain = printed({});
  const std::string coloured = printed({.color = true});
  CHECK(plain.find('\x1b') == std::string::npos);
  CHECK(coloured.find("\x1b[32mrunning\x1b[0m") != std::string::npos);
}

TEST_CASE("units: durations and sizes for people, exact for programs") {
  CHECK(screen_text(Cell{8.437}, Unit::ms, TimeStyle::iso) == "8.4ms");
  CHECK(screen_text(Cell{0.4}, Unit::ms, TimeStyle::iso) == "0.40ms");
  CHECK(screen_text(Cell{30'000}, Unit::ms, TimeStyle::iso) == "30s");
  CHECK(plain_text(Cell{0.4}) == "0.4");
  CHECK(screen_text(Cell{412, "412/1000"}, Unit::count, TimeStyle::iso) == "412/1000");
  CHECK(plain_text(Cell{412, "412/1000"}) == "412");
  CHECK(screen_text(Cell{"2026-11-22T20:31:04.118Z"}, Unit::time, TimeStyle::iso) ==
        "2026-11-22T20:31:04.118Z");
}

TEST_CASE("errors: fact, suggestion, hint; one JSON line for programs") {
  const auto make = [] {
    return Error{ErrorKind::not_found, "no server 'acme/wbe'"}
        .about("acme/wbe")
        .suggest("acme/web")
        .with_hint("arcusctl server list -t acme");
  };
  CHECK(error_text(make(), false, false) ==
        "arcusctl: no server 'acme/wbe'\n  did you mean: acme/web\n  hint: arcusctl server list -t acme\n");
  const auto json = nlohmann::json::parse(error_text(make(), true, false));
  CHECK(json["error"]["name"] == "not_found");
  CHECK(json["error"]["exit"] == 3);
  CHECK(json["error"]["object"] == "acme/wbe");
  CHECK(json["error"]["hint"] == "arcusctl server list -t acme");
}
