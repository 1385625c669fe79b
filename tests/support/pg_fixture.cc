#include "tests/support/pg_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/random.h"

namespace weir {
namespace {

struct TestServer {
  TempDir dir;
  std::unique_ptr<pg::PrivatePostgres> postgres;
};

}  // namespace

TempDir::TempDir() {
  char name[] = "/tmp/weir-test-XXXXXX";
  WEIR_CHECK(mkdtemp(name) != nullptr);
  WEIR_CHECK(chmod(name, 0755) == 0);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

pg::PrivatePostgres& TestPostgres() {
  // Destroyed after main, when every test has ended: stops the server and removes its folder.
  static const std::unique_ptr<TestServer> server = [] {
    auto made = std::make_unique<TestServer>();
    auto started = pg::PrivatePostgres::Start(
        {.data_dir = made->dir.path(), .settings = {{"fsync", "off"}, {"full_page_writes", "off"}}});
    WEIR_CHECK(started.ok(), started.status().ToString());
    made->postgres = *std::move(started);
    return made;
  }();
  return *server->postgres;
}

std::string MakeTestDatabase() {
  static std::atomic<int> next{0};
  const std::string name = absl::StrCat("test_", next++, "_", RandomToken(4));
  const char* url = getenv("WEIR_TEST_DATABASE_URL");
  const std::string admin = url != nullptr ? url : TestPostgres().DsnOf("postgres");
  pqxx::connection connection(admin);
  pqxx::nontransaction tx(connection);
  tx.exec(absl::StrCat("CREATE DATABASE ", name));
  if (url == nullptr) return TestPostgres().DsnOf(name);
  std::string dsn = url;
  const size_t query = dsn.find('?');
  const size_t slash = dsn.rfind('/', query);
  return absl::StrCat(dsn.substr(0, slash + 1), name,
                      query == std::string::npos ? "" : dsn.substr(query));
}

}  // namespace weir
