#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

/// ClientHellos for tests: what real programs sent, and pieces to build others from.
namespace arcus::test {

struct RealHello {
  std::string_view made_by;
  std::string_view server_name;  ///< what must be found in it
  std::string_view protocols;    ///< with commas
  std::string_view hex;
};
std::span<const RealHello> real_hellos();
std::string from_hex(std::string_view hex);

std::string number(std::size_t value, int bytes);  ///< big-endian
std::string block(const std::string& bytes, int length_bytes);
std::string extension(std::size_t type, const std::string& data);
std::string server_name(const std::string& name);  ///< the extension
std::string hello_body(const std::string& extensions);
std::string message(const std::string& body, int type = 1);
std::string record(const std::string& payload, int type = 22, std::size_t version = 0x0301);
/// Cut into that many records of about the same size.
std::string in_records(const std::string& message, std::size_t count);
/// A whole message with GREASE before the name and so much padding behind it.
std::string hello_for(const std::string& name, std::size_t padding = 0);

}  // namespace arcus::test
