#include <doctest/doctest.h>
#include <unistd.h>

#include <string_view>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "lib/runtime/worker.h"
#include "proxies/protocols.h"
#include "tests/unit/runtime/driver.h"

using namespace arcus;

namespace {

int work() {
  const int status = run_worker(test::TestWorker::channel_descriptor, protocols());
#if defined(__SANITIZE_ADDRESS__)
  if (__lsan_do_recoverable_leak_check() != 0) return 23;
#endif
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && argv[1] == test::TestWorker::argument) ::_exit(work());
  return doctest::Context{argc, argv}.run();
}
