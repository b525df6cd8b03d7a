#include <doctest/doctest.h>

#include "lib/base/units.h"

namespace arcus {

using namespace std::chrono_literals;

TEST_CASE("integer: decimal only") {
  CHECK(parse_integer("0") == 0);
  CHECK(parse_integer("-5") == -5);
  CHECK(parse_integer("9223372036854775807") == 9'223'372'036'854'775'807);
  for (const char* text :
       {"", "080", "0x50", "+1", " 1", "1 ", "1.5", "-", "-0", "9223372036854775808", "1e3"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_integer(text));
  }
}

TEST_CASE("duration: units from large to small, each once") {
  CHECK(parse_duration("30s") == 30s);
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("0") == 0ms);
  for (const char* text : {"", "30", "s", "1m1h", "1s1s", "-1s", "1.5s", "99999999999999d", "1 s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("duration: the text reads back to the same value") {
  for (const auto value : {0ms, 1ms, 999ms, 30'000ms, 90'000ms, 3'600'000ms, 90'061'001ms})
    CHECK(parse_duration(duration_text(value)) == value);
  CHECK(duration_text(90'000ms) == "1m30s");
}

TEST_CASE("size: MiB is 2^20 and MB is 10^6") {
  CHECK(parse_size("10MiB") == 10'485'760);
  CHECK(parse_size("10MB") == 10'000'000);
  CHECK(parse_size("4K") == 4096);
  CHECK(parse_size("7") == 7);
  CHECK(parse_size_rate("1MiB/s") == 1'048'576);
  CHECK_FALSE(parse_size("9999999999GiB"));
  CHECK_FALSE(parse_size("1.5G"));
  CHECK_FALSE(parse_size("-1"));
  CHECK(parse_rate("100/s") == 100);
}

TEST_CASE("people's numbers") {
  CHECK(size_text(1023) == "1023");
  CHECK(size_text(1'536) == "1.5K");
  CHECK(size_text(222'298'112) == "212M");
  CHECK(count_text(1'204'411) == "1,204,411");
  CHECK(count_text(-1000) == "-1,000");
  CHECK(count_text(999) == "999");
}

}  // namespace arcus
