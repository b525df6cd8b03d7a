#include <doctest/doctest.h>

#include <array>

#include "lib/base/server_type.h"

namespace arcus {

static constexpr std::array<std::string_view, 2> words{"off", "on"};
static constexpr std::array<OptionSpec, 4> specs{{
    {.key = "count", .kind = OptionSpec::Kind::integer, .fallback = "7", .min = 1, .max = 9},
    {.key = "mode", .kind = OptionSpec::Kind::text, .fallback = "off", .words = words},
    {.key = "size", .kind = OptionSpec::Kind::size, .fallback = "64K", .min = 512},
    {.key = "wait", .kind = OptionSpec::Kind::duration_ms, .fallback = "5s", .min = 0, .max = 60'000},
}};

TEST_CASE("options: what is set wins over the table's default") {
  const Options options(specs, {{"count", "3"}, {"wait", "1500ms"}});
  CHECK(options.integer("count") == 3);
  CHECK(options.integer("size") == 65'536);
  CHECK(options.integer("wait") == 1500);
  CHECK(options.text("mode") == "off");
}

TEST_CASE("options: a wrong value is answered with what would be right") {
  CHECK(check_option(specs[0], "9").empty());
  CHECK(check_option(specs[0], "10") == "1 to 9");
  CHECK(check_option(specs[0], "x") == "a number");
  CHECK(check_option(specs[1], "maybe") == "one of off on");
  CHECK(check_option(specs[2], "100") == "at least 512");
  CHECK(check_option(specs[3], "61s") == "0 to 60000");
}

TEST_CASE("options: each word of a list is judged") {
  static constexpr OptionSpec list{.key = "list", .kind = OptionSpec::Kind::list, .words = words};
  for (const char* good : {"on", "on,off", "off on", R"(["on","off"])", R"(["on"])"}) {
    CAPTURE(good);
    CHECK(check_option(list, good).empty());
  }
  for (const char* bad : {"", ",", "[]", "maybe", "on,maybe", "onoff"}) {
    CAPTURE(bad);
    CHECK(check_option(list, bad) == "some of off on");
  }
  static constexpr OptionSpec free{.key = "free", .kind = OptionSpec::Kind::list};
  CHECK(check_option(free, "").empty());
}

TEST_CASE("catalog: a type is found by the document's names too") {
  static constexpr ServerType http{.name = "http"};
  static constexpr std::array<const ServerType*, 1> types{&http};
  const Catalog catalog{types, {}};
  for (const char* name : {"http", "HTTP", "http_proxy", "http-proxy", "Http"})
    CHECK(catalog.find_type(name) == &http);
  CHECK(catalog.find_type("ftp") == nullptr);
}

}  // namespace arcus
