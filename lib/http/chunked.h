#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace arcus::http {

/// What one call of ChunkDecoder::next found.
struct ChunkStep {
  enum class Kind : std::uint8_t {
    data,       ///< `data` is body
    need_more,  ///< keep what was not consumed and come back with more after it
    done,       ///< the body ended; `data` is the trailer section without its empty line
    bad,        ///< the coding is broken: nothing after this can be trusted
  };
  Kind kind = Kind::need_more;
  std::size_t consumed = 0;  ///< bytes of `in` that are done with, `data` included
  std::string_view data;
};

/// Reads the chunked coding (RFC 9112, 7.1) piece by piece; keeps no bytes itself.
class ChunkDecoder {
 public:
  static constexpr std::size_t max_extension_line = 4 * 1024;
  static constexpr std::size_t max_extensions = 16 * 1024;  ///< per body
  static constexpr std::size_t max_trailers = 8 * 1024;

  /// Takes the next step at the start of `in`. Only a trailer section is left unconsumed until it is whole.
  ChunkStep next(std::string_view in) noexcept;

  /// Bytes of the current chunk still to come: the caller may move up to so many itself and tell `skip`.
  std::uint64_t remaining() const noexcept { return state_ == State::data ? left_ : 0; }
  /// `count` bytes of the chunk went past by another way.
  void skip(std::uint64_t count) noexcept;

 private:
  enum class State : std::uint8_t {
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,
    over,
    broken
  };

  bool take_line_byte(char c) noexcept;
  bool take_size_byte(char c) noexcept;
  bool take_extension_byte(char c) noexcept;
  ChunkStep take_trailers(std::string_view in, std::size_t used) noexcept;

  State state_ = State::size;
  std::uint8_t digits_ = 0;
  bool quoted_ = false;
  bool escaped_ = false;
  std::uint16_t line_extension_ = 0;
  std::uint32_t extensions_ = 0;
  std::uint64_t left_ = 0;
};

/// Writes the chunk head for `size` bytes ("1a4\r\n") to `out` (at least 18 bytes); returns its length.
std::size_t write_chunk_head(std::uint64_t size, char* out) noexcept;

/// Writes the last chunk and those fields of `section` (from ChunkStep::done) that may be passed on, and the
/// empty line. Returns the length; 0 when `out` is too small.
std::size_t write_chunk_end(std::string_view section, std::span<char> out) noexcept;

}  // namespace arcus::http
