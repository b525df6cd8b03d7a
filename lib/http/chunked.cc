#include "lib/http/chunked.h"

#include <algorithm>

#include "lib/http/chars.h"
#include "lib/http/lines.h"
#include "lib/http/write.h"

namespace arcus::http {

static int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool ChunkDecoder::take_size_byte(char c) noexcept {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > 16 || left_ > (0x7fffffffffffffff >> 4)) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return true;
  }
  if (digits_ == 0) return false;
  if (c == ';') {
    state_ = State::extension;
    line_extension_ = 0;
    return true;
  }
  state_ = State::size_lf;
  return c == '\r';
}

/// Extensions are read past, never passed on. A line end inside quotes means two readers could disagree.
bool ChunkDecoder::take_extension_byte(char c) noexcept {
  if (c == '\r' && !quoted_) {
    state_ = State::size_lf;
    return true;
  }
  const auto byte = static_cast<unsigned char>(c);
  if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  if (++line_extension_ > max_extension_line || ++extensions_ > max_extensions) return false;
  if (escaped_) {
    escaped_ = false;
  } else if (quoted_ && c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    quoted_ = !quoted_;
  }
  return true;
}

bool ChunkDecoder::take_line_byte(char c) noexcept {
  switch (state_) {
    case State::size:
      return take_size_byte(c);
    case State::extension:
      return take_extension_byte(c);
    case State::size_lf:
      state_ = left_ == 0 ? State::trailers : State::data;
      digits_ = 0;
      return c == '\n';
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r';
    case State::data_lf:
      state_ = State::size;
      return c == '\n';
    case State::data:
    case State::trailers:
    case State::over:
    case State::broken:
      return false;
  }
  return false;
}

ChunkStep ChunkDecoder::take_trailers(std::string_view in, std::size_t used) noexcept {
  const std::string_view section = in.substr(used);
  std::size_t at = 0;
  std::uint32_t repairs = 0;
  for (detail::Line line; detail::next_line(section, at, line); at = line.next) {
    Field field;
    if (line.bare_lf || line.next > max_trailers + 2) break;
    if (line.text.empty()) {
      state_ = State::over;
      return {ChunkStep::Kind::done, used + line.next, section.substr(0, at)};
    }
    if (!detail::read_field(line.text, false, field, repairs)) break;
    if (line.next == section.size()) return {ChunkStep::Kind::need_more, used, {}};
  }
  const std::string_view rest = section.substr(at);
  const bool whole_line = rest.find('\n') != std::string_view::npos;
  if (whole_line || section.size() > max_trailers + 2) {
    state_ = State::broken;
    return {ChunkStep::Kind::bad, used, {}};
  }
  return {ChunkStep::Kind::need_more, used, {}};
}

ChunkStep ChunkDecoder::next(std::string_view in) noexcept {
  std::size_t used = 0;
  while (used < in.size()) {
    if (state_ == State::data) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - used));
      skip(size);
      return {ChunkStep::Kind::data, used + size, in.substr(used, size)};
    }
    if (state_ == State::trailers) return take_trailers(in, used);
    if (!take_line_byte(in[used])) {
      state_ = State::broken;
      return {ChunkStep::Kind::bad, used, {}};
    }
    ++used;
  }
  return {ChunkStep::Kind::need_more, used, {}};
}

void ChunkDecoder::skip(std::uint64_t count) noexcept {
  left_ -= count;
  if (left_ == 0) state_ = State::data_cr;
}

std::size_t write_chunk_head(std::uint64_t size, char* out) noexcept {
  char digits[16];
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  for (std::size_t i = 0; i < count; ++i) out[i] = digits[count - 1 - i];
  out[count] = '\r';
  out[count + 1] = '\n';
  return count + 2;
}

std::size_t write_chunk_end(std::string_view section, std::span<char> out) noexcept {
  Writer writer{out};
  writer.put("0\r\n");
  std::uint32_t repairs = 0;
  std::size_t at = 0;
  for (detail::Line line; detail::next_line(section, at, line); at = line.next) {
    Field field;
    if (!detail::read_field(line.text, false, field, repairs)) continue;
    const FieldTraits& row = traits(field.id);
    if (!row.ours && !row.no_trailer) writer.field(field.name, field.value);
  }
  writer.put("\r\n");
  return writer.size();
}

}  // namespace arcus::http
