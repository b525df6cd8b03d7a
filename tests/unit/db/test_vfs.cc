#include "tests/unit/db/test_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <random>

namespace arcus::test {

namespace {

constexpr std::int64_t sector = 512;

sqlite3_vfs* real_vfs() { return sqlite3_vfs_find(nullptr); }

/// What SQLite holds for an open file: ours in front, the real one behind.
struct File {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real;
};

File* file_of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* real_of(sqlite3_file* file) { return file_of(file)->real; }
FaultInjector& injector() { return FaultInjector::instance(); }

int close(sqlite3_file* file) {
  delete file_of(file)->path;
  sqlite3_file* real = real_of(file);
  return real->pMethods == nullptr ? SQLITE_OK : real->pMethods->xClose(real);
}

int read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
  return real_of(file)->pMethods->xRead(real_of(file), bytes, size, offset);
}

int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  bool half = false;
  const int fault = injector().next_operation(true, &half);
  if (fault != SQLITE_OK && !half) return fault;
  const int length = half ? size / 2 : size;
  const std::string& path = *file_of(file)->path;
  injector().wrote(path, offset, {static_cast<const char*>(bytes), static_cast<std::size_t>(length)});
  const int code = real_of(file)->pMethods->xWrite(real_of(file), bytes, length, offset);
  return fault != SQLITE_OK ? fault : code;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int fault = injector().next_operation(true, nullptr); fault != SQLITE_OK) return fault;
  injector().truncated(*file_of(file)->path, size);
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

int sync(sqlite3_file* file, int) {
  if (const int fault = injector().next_operation(true, nullptr); fault != SQLITE_OK) return fault;
  injector().synced(*file_of(file)->path);
  return SQLITE_OK;  // the disk is ours; a real sync would only take time
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

int lock(sqlite3_file* file, int level) {
  if (const int fault = injector().next_operation(false, nullptr); fault != SQLITE_OK) return fault;
  return real_of(file)->pMethods->xLock(real_of(file), level);
}

int unlock(sqlite3_file* file, int level) { return real_of(file)->pMethods->xUnlock(real_of(file), level); }

int check_reserved_lock(sqlite3_file* file, int* result) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

int file_control(sqlite3_file* file, int operation, void* argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

int sector_size(sqlite3_file*) { return static_cast<int>(sector); }

// No promise that a sector next to a written one stays as it was would be too harsh: SQLite assumes it too.
int device_characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  if (const int fault = injector().next_operation(false, nullptr); fault != SQLITE_OK) return fault;
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

void shm_barrier(sqlite3_file* file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }

int shm_unmap(sqlite3_file* file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

constexpr sqlite3_io_methods methods{2,
                                     close,
                                     read,
                                     write,
                                     truncate,
                                     sync,
                                     file_size,
                                     lock,
                                     unlock,
                                     check_reserved_lock,
                                     file_control,
                                     sector_size,
                                     device_characteristics,
                                     shm_map,
                                     shm_lock,
                                     shm_barrier,
                                     shm_unmap,
                                     nullptr,
                                     nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  File* ours = new (file) File{};
  ours->real = reinterpret_cast<sqlite3_file*>(ours + 1);
  ours->path = new std::string{name == nullptr ? "" : name};
  const int code = real_vfs()->xOpen(real_vfs(), name, ours->real, flags, out_flags);
  ours->base.pMethods = &methods;
  if (code != SQLITE_OK) {
    delete ours->path;
    ours->base.pMethods = nullptr;
    return code;
  }
  injector().opened(*ours->path);
  return SQLITE_OK;
}

int remove(sqlite3_vfs*, const char* name, int sync_directory) {
  if (const int fault = injector().next_operation(true, nullptr); fault != SQLITE_OK) return fault;
  injector().removed(name);
  return real_vfs()->xDelete(real_vfs(), name, sync_directory);
}

sqlite3_vfs make_vfs() {
  sqlite3_vfs vfs = *real_vfs();
  vfs.szOsFile += static_cast<int>(sizeof(File));
  vfs.pNext = nullptr;
  vfs.zName = FaultInjector::vfs_name;
  vfs.xOpen = open;
  vfs.xDelete = remove;
  return vfs;
}

void apply(std::string& content, const PendingChange& change) {
  if (change.truncate_to >= 0) {
    content.resize(static_cast<std::size_t>(change.truncate_to));
    return;
  }
  const auto end = static_cast<std::size_t>(change.offset) + change.bytes.size();
  if (content.size() < end) content.resize(end);
  std::ranges::copy(change.bytes, content.begin() + change.offset);
}

}  // namespace

FaultInjector::FaultInjector() {
  static sqlite3_vfs vfs = make_vfs();
  sqlite3_vfs_register(&vfs, 0);
}

FaultInjector& FaultInjector::instance() {
  static FaultInjector injector;
  return injector;
}

void FaultInjector::arm(Fault fault, std::int64_t operation) {
  fault_ = fault;
  strike_at_ = operation;
  operations_ = 0;
  struck_ = false;
  files_.clear();
}

int FaultInjector::next_operation(bool writes, bool* half) {
  if (++operations_ == strike_at_ && fault_ != Fault::none) {
    struck_ = true;
    if (fault_ == Fault::short_write && half != nullptr) *half = true;
    return fault_ == Fault::disk_full && writes ? SQLITE_FULL : SQLITE_IOERR;
  }
  if (!struck_) return SQLITE_OK;
  if (fault_ == Fault::power_cut) return SQLITE_IOERR;
  return fault_ == Fault::disk_full && writes ? SQLITE_FULL : SQLITE_OK;
}

void FaultInjector::opened(const std::string& path) {
  if (path.empty() || files_.contains(path)) return;
  std::ifstream file{path, std::ios::binary | std::ios::ate};
  std::string& durable = files_[path].durable;
  durable.resize(static_cast<std::size_t>(std::max(std::streamoff{0}, std::streamoff{file.tellg()})));
  file.seekg(0);
  file.read(durable.data(), static_cast<std::streamsize>(durable.size()));
}

void FaultInjector::wrote(const std::string& path, std::int64_t offset, std::string bytes) {
  // A disk keeps or loses whole sectors.
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::int64_t at = offset + static_cast<std::int64_t>(begin);
    const auto length = std::min(static_cast<std::size_t>(sector - at % sector), bytes.size() - begin);
    files_[path].pending.push_back({.offset = at, .bytes = bytes.substr(begin, length)});
    begin += length;
  }
}

void FaultInjector::truncated(const std::string& path, std::int64_t size) {
  files_[path].pending.push_back({.truncate_to = size});
}

void FaultInjector::synced(const std::string& path) {
  FileLog& log = files_[path];
  for (const PendingChange& change : log.pending) apply(log.durable, change);
  log.pending.clear();
}

void FaultInjector::removed(const std::string& path) { files_.erase(path); }

void FaultInjector::write_image(const std::filesystem::path& from, const std::filesystem::path& directory,
                                std::uint64_t seed) const {
  // Files that were not opened are as they were; the index of the log is memory, not disk.
  for (const auto& file : std::filesystem::directory_iterator{from})
    if (!file.path().native().ends_with("-shm") && file.is_regular_file())
      std::filesystem::copy_file(file.path(), directory / file.path().filename());
  std::mt19937_64 random{seed};
  for (const auto& [path, log] : files_) {
    std::string content = log.durable;
    for (const PendingChange& change : log.pending)
      if (seed == 1 || (seed > 1 && random() % 2 == 0)) apply(content, change);
    std::ofstream{directory / std::filesystem::path{path}.filename(), std::ios::binary} << content;
  }
}

}  // namespace arcus::test
