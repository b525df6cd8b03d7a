#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace arcus::daemon {

/// The daemon's answer to one request: the text of the JSON value under "result".
/// `arguments` go into the request as strings. Throws Error: no_daemon when nobody listens, permission when
/// the socket refuses us, timeout, or failed with the daemon's own words.
std::string control_call(const std::filesystem::path& socket, std::string_view command,
                         const std::map<std::string, std::string>& arguments = {},
                         std::chrono::milliseconds timeout = std::chrono::milliseconds{5'000});

/// Tells the daemon that the registry at `db` changed, so that it looks now and not in 0.2 s. False when
/// there is nobody to tell; never throws, never waits for an answer.
bool wake_daemon(const std::filesystem::path& db) noexcept;

}  // namespace arcus::daemon
