#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/unique_fd.h"

namespace arcus {

/// Everything written to a descriptor since its start.
static std::string contents(int fd) {
  std::array<char, 4096> buffer{};
  const ssize_t size = ::pread(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

TEST_CASE("log: the filter chooses by level and module") {
  const UniqueFd file{::memfd_create("log", 0)};
  set_log({.fd = file.get(), .filter = "warn,tls=debug"});
  Logger{"net"}.info("hidden");
  Logger{"net"}.warn("shown");
  Logger{"tls"}.debug("detail", field("server", "acme/web"));
  set_log({});
  const std::string text = contents(file.get());
  CHECK(text.find("hidden") == std::string::npos);
  CHECK(text.find(" warn net: shown\n") != std::string::npos);
  CHECK(text.find(" debug tls: detail server=acme/web\n") != std::string::npos);
}

TEST_CASE("log: hostile bytes stay inside their field") {
  CHECK(field("u", "a\nb") == " u=a\\x0Ab");
  CHECK(field("u", "a b\"c") == " u=\"a b\\\"c\"");
  CHECK(field("u", "\x1b[31m") == " u=\\x1B[31m");
  CHECK(field("u", std::string(1000, 'x')).size() == 256 + 3);
}

TEST_CASE("log: JSON lines are one object each") {
  const UniqueFd file{::memfd_create("log", 0)};
  set_log({.fd = file.get(), .format = LogFormat::json, .filter = "info"});
  Logger{"net", "acme/\"web"}.info("event");
  set_log({});
  CHECK(contents(file.get()).find("\"object\":\"acme/\\\"web\"}\n") != std::string::npos);
}

TEST_CASE("log: a wrong filter is refused with a sentence") {
  CHECK(check_log_filter("info,tls=debug").empty());
  CHECK(check_log_filter("loud").find("'loud'") != std::string::npos);
  CHECK_THROWS_AS(set_log({.filter = "tls=never"}), Error);
}

}  // namespace arcus
