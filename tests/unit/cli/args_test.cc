#include <doctest/doctest.h>

#include "cli/core/args.h"
#include "lib/base/error.h"
#include "tests/unit/cli/table_of_nouns.h"

using namespace arcus;
using namespace arcus::cli;

TEST_CASE("args: what was not given has its fallback, and counts as not given") {
  const Args args;
  CHECK_FALSE(args.has(test::pause));
  CHECK(args[test::pause] == std::chrono::seconds{30});
  CHECK(args[test::port] == 0);
  CHECK(args[test::mode] == "slow");
  CHECK(args[test::backend].empty());
  CHECK_FALSE(args[test::tls]);
  CHECK_FALSE(args.given(test::pause).has_value());
}

TEST_CASE("args: the last word of a scalar counts, every word of a list") {
  const Args args{{{&test::port, {"80", "81"}}, {&test::backend, {"a:1", "b:2"}}}};
  CHECK(args[test::port] == 81);
  CHECK(args[test::backend] == std::vector<std::string_view>{"a:1", "b:2"});
  CHECK(args.given(test::port) == 81);
}

TEST_CASE("args: values of the wrong form are refused with the argument's name") {
  struct Row {
    const ArgInfo& info;
    std::string_view text;
    std::string_view said;
  };
  const Row rows[] = {
      {test::port, "080", "--port: '080' is not a decimal number"},
      {test::port, "0x50", "--port: '0x50' is not a decimal number"},
      {test::port, "0", "--port: '0' is not 1 to 65535"},
      {test::port, "65536", "--port: '65536' is not 1 to 65535"},
      {test::port, "", "--port: an empty value says nothing"},
      {test::name, "", "NAME: an empty value says nothing"},
      {test::pause, "30", "--pause: '30' is not a duration like 500ms, 30s, 5m or 1h"},
      {test::mode, "fsat", "--mode: 'fsat' is not one of slow, fast, faster"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    try {
      check_value(row.info, row.text);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      CHECK(std::string_view{error.what()} == row.said);
    }
  }
  try {
    check_value(test::mode, "fsat");
  } catch (const Error& error) {
    CHECK(error.suggestion() == "fast");
  }
}

TEST_CASE("args: names are taken apart into letter and long name") {
  CHECK(test::mode.letter() == 'm');
  CHECK(test::mode.long_name() == "--mode");
  CHECK(test::port.letter() == 0);
  CHECK(test::name.positional());
  CHECK_FALSE(test::port.positional());
}
