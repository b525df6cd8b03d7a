#pragma once

#include "lib/db/database.h"

namespace arcus {

/// BEGIN IMMEDIATE under the writer lock; rolled back at the end of the scope unless committed.
/// Inside another Transaction of the same Database it is a savepoint: its commit counts when the outer one
/// commits.
class Transaction {
 public:
  /// Throws Error (registry, "another writer ...") when the file stays locked for the busy timeout.
  explicit Transaction(Database& db);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Returns after the change is durable (with Synchronous::full).
  void commit();

 private:
  void finish() noexcept;

  Database& db_;
  int depth_;
  bool open_ = true;
};

/// A read transaction: every query until the end of the scope sees one and the same state of the file.
class Snapshot {
 public:
  explicit Snapshot(Database& db);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Database& db_;
  bool open_ = false;
};

}  // namespace arcus
