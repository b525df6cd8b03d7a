#pragma once

#include <string>
#include <string_view>

#include "lib/tls/handles.h"

/// What both sides of TLS share; for lib/tls alone.
namespace arcus::openssl {

/// A context with our rules: no compression, no renegotiation, AEAD suites with forward secrecy, no memory
/// kept while idle, no session cache. Versions are "1.2", "1.3" or, for `max`, empty. Throws Error.
Context make_context(const SSL_METHOD* method, std::string_view min_version, std::string_view max_version);

/// "http/1.1,http/1.0" as the extension has it. Throws Error when a name is empty or too long.
std::string alpn_list(std::string_view names);

/// A `what` that failed, with OpenSSL's reason.
[[noreturn]] void throw_error(const std::string& what);

}  // namespace arcus::openssl
