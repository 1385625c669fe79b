#include "libs/pg/private_postgres.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <pqxx/pqxx>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/pg/child_process.h"
#include "libs/pg/sqlstate.h"

namespace weir::pg {
namespace {

namespace fs = std::filesystem;

constexpr char kUser[] = "weir";
constexpr char kDatabase[] = "weir";
// The port is part of the socket's name only.
constexpr int kPort = 5432;
// A socket's path has at most 107 bytes.
constexpr size_t kSocketPathMax = 100;

absl::StatusOr<std::string> FindBinDir() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(version.path() / "bin/initdb", ignored)) found.push_back(version.path() / "bin");
  }
  for (const char* dir : {"/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"}) {
    if (fs::exists(fs::path(dir) / "initdb", ignored)) found.push_back(dir);
  }
  if (found.empty()) {
    return absl::NotFoundError(
        "PostgreSQL's server programs (initdb, postgres) were not found; on Debian: apt-get install "
        "postgresql-15");
  }
  const auto version_of = [](const std::string& bin_dir) {
    int version = 0;
    return absl::SimpleAtoi(fs::path(bin_dir).parent_path().filename().string(), &version) ? version
                                                                                          : 0;
  };
  return *std::max_element(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    return version_of(a) < version_of(b);
  });
}

// Whether the user may enter every folder above `path`.
bool Reachable(const fs::path& path, const RunAs& user) {
  for (fs::path dir = path.parent_path(); !dir.empty(); dir = dir.parent_path()) {
    struct stat info;
    if (stat(dir.c_str(), &info) != 0) return false;
    const bool by_owner = info.st_uid == user.uid && (info.st_mode & S_IXUSR) != 0;
    if (!by_owner && (info.st_mode & S_IXOTH) == 0) return false;
    if (dir == dir.root_path()) break;
  }
  return true;
}

std::string ReadTail(const std::string& path, size_t bytes) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() > bytes ? all.substr(all.size() - bytes) : all;
}

// Makes the folder, and gives it to the user that will use it.
absl::Status MakeFolder(const std::string& path, const RunAs& user, mode_t mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("Cannot make ", path, ": ", error.message()));
  }
  if (chmod(path.c_str(), mode) != 0 ||
      (user.change && chown(path.c_str(), user.uid, user.gid) != 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("Cannot set owner and mode of ", path, ": ", strerror(errno)));
  }
  return absl::OkStatus();
}

// The server that postmaster.pid names, if it runs on this folder.
pid_t RunningPostmaster(const std::string& folder) {
  std::ifstream file(folder + "/postmaster.pid");
  pid_t pid = -1;
  if (!(file >> pid) || pid <= 1) return -1;
  std::error_code error;
  const fs::path cwd = fs::read_symlink(absl::StrCat("/proc/", pid, "/cwd"), error);
  if (error || cwd != fs::path(folder)) return -1;
  return pid;
}

// Every process of a server on this folder, the postmaster among them. Backends live on for a moment when their postmaster is killed,
// and hold the shared memory that a new one must not share.
std::vector<pid_t> ProcessesOf(const std::string& folder) {
  std::vector<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    std::error_code error;
    const fs::path cwd = fs::read_symlink(entry.path() / "cwd", error);
    if (error || cwd != fs::path(folder)) continue;
    // Somebody's shell may stand there too.
    const fs::path program = fs::read_symlink(entry.path() / "exe", error);
    if (!error && program.filename() == "postgres") pids.push_back(pid);
  }
  return pids;
}

// Ends what a dead postmaster left behind.
void KillOrphans(const std::string& folder) {
  for (const pid_t pid : ProcessesOf(folder)) {
    kill(pid, SIGKILL);
    AwaitExit(pid, absl::Seconds(10));
  }
}

absl::Status StopPostmaster(pid_t pid) {
  kill(pid, SIGINT);  // fast shutdown
  if (AwaitExit(pid, absl::Seconds(30))) return absl::OkStatus();
  kill(pid, SIGQUIT);  // immediate: the next start recovers
  if (AwaitExit(pid, absl::Seconds(10))) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("PostgreSQL (process ", pid, ") does not stop."));
}

absl::Status InitCluster(const std::string& bin_dir, const std::string& folder, const RunAs& user) {
  // Under another name until it is complete, so that an initdb that was killed leaves nothing that looks like a cluster.
  const std::string unfinished = folder + ".unfinished";
  std::error_code ignored;
  fs::remove_all(unfinished, ignored);
  WEIR_RETURN_IF_ERROR(MakeFolder(unfinished, user, 0700));
  const std::string log = absl::StrCat(fs::path(folder).parent_path().string(), "/initdb.log");
  WEIR_RETURN_IF_ERROR(RunChild({.argv = {bin_dir + "/initdb", "-D", unfinished, "-U", kUser,
                                          "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                                          "--data-checksums"},
                                 .run_as = user,
                                 .output_path = log}));
  fs::remove(folder, ignored);  // an empty folder of ours
  std::error_code error;
  fs::rename(unfinished, folder, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("Cannot make ", folder, ": ", error.message()));
  }
  return absl::OkStatus();
}

std::string PercentEncode(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (isalnum(static_cast<unsigned char>(c)) || strchr("-._~/", c) != nullptr) {
      out.push_back(c);
    } else {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out.append({'%', kHex[(c >> 4) & 0xF], kHex[c & 0xF]});
    }
  }
  return out;
}

absl::Status CreateDatabase(const std::string& dsn) {
  try {
    pqxx::connection connection(dsn);
    pqxx::nontransaction tx(connection);
    if (tx.exec_params("SELECT 1 FROM pg_database WHERE datname = $1", kDatabase).empty()) {
      tx.exec(absl::StrCat("CREATE DATABASE ", kDatabase));
    }
    return absl::OkStatus();
  } catch (...) {
    return TranslateException();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<PrivatePostgres>> PrivatePostgres::Start(
    PrivatePostgresOptions options) {
  std::unique_ptr<PrivatePostgres> server(new PrivatePostgres);
  WEIR_ASSIGN_OR_RETURN(server->bin_dir_, FindBinDir());
  WEIR_ASSIGN_OR_RETURN(const RunAs user, UnprivilegedUser());

  std::error_code error;
  fs::path base = fs::weakly_canonical(fs::absolute(options.data_dir), error);
  fs::create_directories(base, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("Cannot make ", base.string(), ": ", error.message()));
  }
  if (user.change && !Reachable(base / "postgres", user)) {
    base = absl::StrCat("/var/tmp/weir-", Sha256Hex(base.string()).substr(0, 16));
    fs::create_directories(base, error);
  }
  server->folder_ = base / "postgres";
  server->socket_dir_ = server->folder_;
  if (server->socket_dir_.size() + sizeof("/.s.PGSQL.5432.lock") > kSocketPathMax) {
    char name[] = "/tmp/weir-pg-XXXXXX";
    if (mkdtemp(name) == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("Cannot make a folder in /tmp: ", strerror(errno)));
    }
    server->socket_dir_ = name;
    server->own_socket_dir_ = true;
    WEIR_RETURN_IF_ERROR(MakeFolder(server->socket_dir_, user, 0700));
  }
  if (!fs::exists(server->folder_ + "/PG_VERSION", error)) {
    WEIR_RETURN_IF_ERROR(InitCluster(server->bin_dir_, server->folder_, user));
  }
  server->options_ = std::move(options);
  WEIR_RETURN_IF_ERROR(server->StartAgain());
  WEIR_RETURN_IF_ERROR(CreateDatabase(server->DsnOf("postgres")));
  return server;
}

PrivatePostgres::~PrivatePostgres() {
  // Nobody is left to tell.
  (void)Stop();
  std::error_code ignored;
  if (own_socket_dir_) fs::remove_all(socket_dir_, ignored);
}

std::string PrivatePostgres::DsnOf(absl::string_view database) const {
  return absl::StrCat("postgresql://", kUser, "@/", database, "?host=", PercentEncode(socket_dir_),
                      "&port=", kPort);
}

absl::Status PrivatePostgres::StartAgain() {
  if (const pid_t other = RunningPostmaster(folder_); other > 0) {
    WEIR_RETURN_IF_ERROR(StopPostmaster(other));
  }
  KillOrphans(folder_);
  WEIR_RETURN_IF_ERROR(Launch());
  return AwaitReady();
}

absl::Status PrivatePostgres::Launch() {
  WEIR_ASSIGN_OR_RETURN(const RunAs user, UnprivilegedUser());
  ChildOptions child{.argv = {bin_dir_ + "/postgres", "-D", folder_}, .run_as = user};
  std::vector<std::pair<std::string, std::string>> settings = {
      {"listen_addresses", ""},
      {"port", absl::StrCat(kPort)},
      {"unix_socket_directories", socket_dir_},
      {"unix_socket_permissions", "0700"},
      {"max_connections", "200"},
      {"shared_buffers", "256MB"},
      {"max_wal_size", "2GB"},
      {"wal_compression", "off"},
      {"log_checkpoints", "off"}};
  settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
  for (const auto& [name, value] : settings) {
    child.argv.push_back("-c");
    child.argv.push_back(absl::StrCat(name, "=", value));
  }
  child.output_path = absl::StrCat(fs::path(folder_).parent_path().string(), "/postgres.log");
  child.parent_death_signal = SIGINT;  // fast shutdown
  WEIR_ASSIGN_OR_RETURN(pid_, SpawnChild(child));
  return absl::OkStatus();
}

absl::Status PrivatePostgres::AwaitReady() {
  const std::string dsn = DsnOf("postgres");
  const absl::Time deadline = absl::Now() + options_.start_timeout;
  const std::string log = absl::StrCat(fs::path(folder_).parent_path().string(), "/postgres.log");
  while (PQping(dsn.c_str()) != PQPING_OK) {
    // The wait for its end is the pause between two attempts.
    if (AwaitExit(pid_, absl::Milliseconds(10))) {
      pid_ = -1;
      return absl::InternalError(
          absl::StrCat("PostgreSQL ended while starting; ", log, " says:\n", ReadTail(log, 2000)));
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("PostgreSQL did not start within ",
                                                      absl::FormatDuration(options_.start_timeout),
                                                      "; ", log, " says:\n", ReadTail(log, 2000)));
    }
  }
  return absl::OkStatus();
}

absl::Status PrivatePostgres::Stop() {
  if (pid_ <= 0) return absl::OkStatus();
  const pid_t pid = std::exchange(pid_, -1);
  return StopPostmaster(pid);
}

void PrivatePostgres::KillHard() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  AwaitExit(std::exchange(pid_, -1), absl::Seconds(10));
  KillOrphans(folder_);
}

}  // namespace weir::pg
