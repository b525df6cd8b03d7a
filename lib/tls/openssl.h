#pragma once

#include <string>

namespace arcus {

/// Readies OpenSSL without its configuration file. Call it once before threads and sandbox: later the process
/// may open no files. Everything in lib/tls calls it as well.
void start_openssl();

/// The first reason in OpenSSL's error queue as a sentence in lower case; empties the queue. `fallback` when
/// there is none.
std::string take_openssl_error(const char* fallback);

}  // namespace arcus
