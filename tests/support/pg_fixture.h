// A real PostgreSQL for tests: one private server a test binary, one fresh database a test.
//
// The server has fsync off unless a test asks otherwise: tests of crashes of the machine are PostgreSQL's own. With
// WEIR_TEST_DATABASE_URL set, databases are made on that server instead.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libs/pg/private_postgres.h"

namespace weir {

// The binary's server, started when first asked for. Dies with the binary; its folder is removed.
pg::PrivatePostgres& TestPostgres();

// Makes an empty database and answers its DSN.
std::string MakeTestDatabase();

// Fixture with a database of its own.
class PgTest : public testing::Test {
 protected:
  const std::string& dsn() {
    if (dsn_.empty()) dsn_ = MakeTestDatabase();
    return dsn_;
  }

 private:
  std::string dsn_;
};

// A folder that is removed at the end, readable by PostgreSQL's user.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace weir
