#pragma once

#include <stdlib.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

/// A directory for one test, gone at its end.
struct TestFolder {
  TestFolder() {
    std::string name = std::filesystem::temp_directory_path() / "arcus-daemon-XXXXXX";
    if (::mkdtemp(name.data())) path = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::filesystem::path path;
};

/// Runs the loop until `done` or 10 s have passed; returns whether it was done.
inline bool run_until(asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (std::chrono::steady_clock::now() < deadline) {
    if (done()) return true;
    io.restart();
    io.run_one_for(std::chrono::milliseconds{10});
  }
  return false;
}
