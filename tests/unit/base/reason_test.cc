#include <doctest/doctest.h>

#include <cerrno>
#include <set>
#include <string>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/reason.h"

namespace arcus {

TEST_CASE("reason: every name is found again and none stands twice") {
  std::set<std::string_view> seen;
  for (const ReasonInfo& row : reasons()) {
    CAPTURE(row.name);
    CHECK(find_reason(row.name) == row.reason);
    CHECK(seen.insert(row.name).second);
    CHECK_FALSE((row.is_error && row.is_refusal));
  }
  CHECK(seen.size() == reason_count);
  CHECK_FALSE(find_reason("nonsense"));
}

TEST_CASE("id: 12 lower-case hex digits, never the same twice") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_id();
    CHECK(is_id(id));
    CHECK(seen.insert(id).second);
  }
  CHECK_FALSE(is_id("4F7C09E1D2AA"));
  CHECK_FALSE(is_id("4f7c09e1d2a"));
  CHECK(is_id_prefix("4f7c"));
  CHECK_FALSE(is_id_prefix("4f7"));
}

TEST_CASE("error: a denied system call has the kind permission") {
  CHECK(system_error("open", EACCES).kind() == ErrorKind::permission);
  CHECK(system_error("open", EACCES).what() == std::string{"open: permission denied"});
  CHECK(system_error("open", ENOENT).kind() == ErrorKind::failed);
  CHECK(Error(ErrorKind::not_confirmed, "x").exit_code() == 11);
}

}  // namespace arcus
