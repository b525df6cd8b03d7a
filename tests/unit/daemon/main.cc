#include <doctest/doctest.h>

#include <string_view>

#include "tests/unit/daemon/fake_worker.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "worker") return run_fake_worker(3);
  return doctest::Context{argc, argv}.run();
}
