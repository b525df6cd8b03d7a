#include <doctest/doctest.h>

#include "lib/base/time.h"

namespace arcus {

using namespace std::chrono_literals;

TEST_CASE("time: text round-trips to the millisecond") {
  for (const char* text :
       {"2026-11-22T20:31:04.118Z", "1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"}) {
    CAPTURE(text);
    const auto time = parse_time(text);
    REQUIRE(time);
    CHECK(to_text(*time) == text);
  }
  CHECK(parse_time(now_text()));
}

TEST_CASE("time: what is no time is refused") {
  for (const char* text :
       {"", "2026-11-22", "2026-11-22 20:31:04.118Z", "2026-13-01T00:00:00.000Z", "2025-02-29T00:00:00.000Z",
        "2026-11-22T24:00:00.000Z", "2026-11-22T20:31:04.11xZ", "2026-11-22T20:31:04.118"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_time(text));
  }
}

TEST_CASE("age: two units at most") {
  CHECK(age_text(4s) == "4s");
  CHECK(age_text(725s) == "12m05s");
  CHECK(age_text(3h + 5min) == "3h05m");
  CHECK(age_text(76h) == "3d04h");
  CHECK(age_text(-5s) == "0s");
}

}  // namespace arcus
