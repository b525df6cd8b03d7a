#pragma once

#include <sys/types.h>

#include <filesystem>

namespace arcus {

/// What stands at a path: nothing, a file of no bytes, or a file with content.
enum class FileState { missing, empty, present };

/// The path with its directory resolved; the last part is kept as it is.
std::filesystem::path resolve_directory(const std::filesystem::path& path);

/// Judges a registry or backup before it is opened. Throws Error: permission when it is a symbolic link,
/// belongs to somebody who is neither this user nor root, or lies in a directory anybody may change; registry
/// when it is no regular file.
FileState check_file(const std::filesystem::path& path);

/// True when a registry can only be read as a file that never changes: nothing may be made in its directory,
/// and it has no log with an index.
bool is_frozen(const std::filesystem::path& path);

/// Makes an empty registry file, 0600, or 0660 of the directory's group where the directory is
/// group-writable; missing directories are made 0700. An existing file is left alone.
void create_file(const std::filesystem::path& path);

/// Makes the directory entries of `directory` durable.
void sync_directory(const std::filesystem::path& directory);

/// Opens `path` for reading and writing, making it when missing, with the mode and owner of the registry
/// beside it. Never follows a symbolic link; throws Error.
int open_beside(const std::filesystem::path& path, const std::filesystem::path& registry);

}  // namespace arcus
