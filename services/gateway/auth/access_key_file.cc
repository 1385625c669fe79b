#include "services/gateway/auth/access_key_file.h"

#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/account.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/gateway/auth/sealed_secret.h"
#include "services/gateway/auth/whole_file.h"
#include "services/gateway/wire/credential.h"
#include "services/gateway/wire/form.h"

namespace weir::gateway::auth {
namespace {

using Json = nlohmann::ordered_json;

constexpr absl::Duration kBetweenLooks = absl::Seconds(1);
constexpr int kFormat = 1;
constexpr size_t kDescriptionMax = 256;

// What the file has of a key.
struct Entry {
  AccessKey key;  // without its secret
  std::string sealed_secret;
};

std::string ContextOf(const AccessKey& key) { return absl::StrCat("weir access key\n", key.id, "\n", key.account); }

absl::Status Broken(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is no file of access keys: ", why, "."));
}

absl::StatusOr<std::string> StringField(const Json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` must be there, and a string"));
  }
  return field->get<std::string>();
}

absl::StatusOr<Entry> ParseEntry(const Json& object) {
  if (!object.is_object()) return absl::InvalidArgumentError("it must be an object");
  Entry entry;
  WEIR_ASSIGN_OR_RETURN(entry.key.id, StringField(object, "id"));
  WEIR_ASSIGN_OR_RETURN(entry.key.account, StringField(object, "account"));
  WEIR_ASSIGN_OR_RETURN(entry.key.description, StringField(object, "description"));
  WEIR_ASSIGN_OR_RETURN(entry.sealed_secret, StringField(object, "sealed_secret"));
  WEIR_ASSIGN_OR_RETURN(const std::string created_at, StringField(object, "created_at"));
  if (entry.key.id.empty()) return absl::InvalidArgumentError("`id` must not be empty");
  if (!IsAccount(entry.key.account)) {
    return absl::InvalidArgumentError(absl::StrCat("`account` must be 12 digits, and is \"", entry.key.account, "\""));
  }
  if (!absl::ParseTime(absl::RFC3339_full, created_at, &entry.key.created_at, nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat("`created_at` must be a time as 2026-01-31T12:00:00Z, and is \"", created_at, "\""));
  }
  const auto disabled = object.find("disabled");
  if (disabled == object.end() || !disabled->is_boolean()) {
    return absl::InvalidArgumentError("`disabled` must be there, and true or false");
  }
  entry.key.disabled = disabled->get<bool>();
  return entry;
}

absl::StatusOr<std::vector<Entry>> Parse(const std::string& path, const std::string& text) {
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded() || !document.is_object()) return Broken(path, "it is not a JSON object");
  if (document.value("format", Json()) != kFormat) {
    return Broken(path, absl::StrCat("its `format` must be ", kFormat, ", the one that this version knows"));
  }
  const auto list = document.find("access_keys");
  if (list == document.end() || !list->is_array()) return Broken(path, "`access_keys` must be there, and a list");
  std::vector<Entry> entries;
  for (const Json& object : *list) {
    absl::StatusOr<Entry> entry = ParseEntry(object);
    if (!entry.ok()) {
      return Broken(path, absl::StrCat("in entry ", entries.size() + 1, " of `access_keys`, ", entry.status().message()));
    }
    const bool taken = std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.key.id == entry->key.id; });
    if (taken) return Broken(path, absl::StrCat("access key ", entry->key.id, " stands in it twice"));
    entries.push_back(*std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::vector<Entry>> Load(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return Parse(path, text);
}

// As Load, with a word on what to do when there is no file.
absl::StatusOr<std::vector<Entry>> LoadExisting(const std::string& path) {
  absl::StatusOr<std::vector<Entry>> entries = Load(path);
  if (absl::IsNotFound(entries.status())) {
    return absl::NotFoundError(
        absl::StrCat("There is no file of access keys at ", path, ". `weir access-key create` makes it with its first key."));
  }
  return entries;
}

absl::Status Store(const std::string& path, const std::vector<Entry>& entries) {
  Json document{{"format", kFormat}, {"access_keys", Json::array()}};
  for (const auto& [key, sealed_secret] : entries) {
    document["access_keys"].push_back({{"id", key.id},
                                       {"account", key.account},
                                       {"description", key.description},
                                       {"created_at", absl::FormatTime(absl::RFC3339_full, key.created_at, absl::UTCTimeZone())},
                                       {"disabled", key.disabled},
                                       {"sealed_secret", sealed_secret}});
  }
  return ReplaceFile(path, document.dump(2) + "\n");
}

absl::StatusOr<MasterKey> LoadMasterKey(const std::string& master_path) {
  WEIR_ASSIGN_OR_RETURN(const std::string text, ReadFile(master_path));
  absl::StatusOr<MasterKey> key = ParseMasterKey(text);
  if (!key.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(master_path, " is no file of a master key: ", key.status().message(), "."));
  }
  return key;
}

absl::StatusOr<std::string> SecretOf(const Entry& entry, const MasterKey& master, const std::string& path,
                                     const std::string& master_path) {
  absl::StatusOr<std::string> secret = Unseal(master, entry.sealed_secret, ContextOf(entry.key));
  if (!secret.ok()) {
    return absl::Status(secret.status().code(),
                        absl::StrCat("The secret of access key ", entry.key.id, " in ", path, " does not open with the master key in ",
                                     master_path, ": ", secret.status().message(), "."));
  }
  return secret;
}

// The master key that `entries` are sealed with. Makes one when there are no entries and no master key.
absl::StatusOr<MasterKey> MasterKeyFor(const std::vector<Entry>& entries, const std::string& path, const std::string& master_path) {
  const absl::StatusOr<MasterKey> existing = LoadMasterKey(master_path);
  if (absl::IsNotFound(existing.status())) {
    if (!entries.empty()) {
      return absl::FailedPreconditionError(absl::StrCat("The master key ", master_path, " of the access keys in ", path,
                                                        " is missing. Put it back, or create keys in another file."));
    }
    WEIR_ASSIGN_OR_RETURN(const MasterKey made, MakeMasterKey());
    WEIR_RETURN_IF_ERROR(ReplaceFile(master_path, FormatMasterKey(made)));
    return made;
  }
  WEIR_RETURN_IF_ERROR(existing.status());
  // A file under two master keys could never be read.
  for (const Entry& entry : entries) WEIR_RETURN_IF_ERROR(SecretOf(entry, *existing, path, master_path).status());
  return *existing;
}

// "AKIA" and 80 random bits in base32.
absl::StatusOr<std::string> MakeId() {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return absl::InternalError("The system's random generator gives nothing.");
  std::string id = "AKIA";
  for (const unsigned char byte : bytes) id.push_back(kDigits[byte % 32]);
  return id;
}

// 240 random bits, in base64: 40 characters.
absl::StatusOr<std::string> MakeSecret() {
  std::array<unsigned char, 30> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return absl::InternalError("The system's random generator gives nothing.");
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string VersionOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return "missing";
  return absl::StrCat(info.st_dev, "-", info.st_ino, "-", info.st_size, "-", absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)), "-",
                      absl::ToUnixNanos(absl::TimeFromTimespec(info.st_ctim)));
}

}  // namespace

std::string MasterPath(absl::string_view path, absl::string_view given) {
  if (!given.empty()) return std::string(given);
  return (std::filesystem::path(std::string(path)).parent_path() / "access-keys.master").string();
}

absl::StatusOr<std::unique_ptr<AccessKeyFile>> AccessKeyFile::Open(const std::string& path, const std::string& master_path,
                                                                   const Clock& clock) {
  std::unique_ptr<AccessKeyFile> file(new AccessKeyFile(path, master_path, clock));
  file->TakesTheLook();
  MutexLock lock(&file->reading_mu_);
  WEIR_RETURN_IF_ERROR(file->Read());
  return file;
}

std::optional<AccessKey> AccessKeyFile::Find(absl::string_view id) {
  if (TakesTheLook()) LookForChanges();
  ReaderMutexLock lock(&mu_);
  const auto key = keys_.find(id);
  if (key == keys_.end()) return std::nullopt;
  return key->second;
}

bool AccessKeyFile::TakesTheLook() {
  const int64_t now = absl::ToInt64Nanoseconds(clock_.Monotonic());
  int64_t next = next_look_ns_.load(std::memory_order_relaxed);
  return now >= next && next_look_ns_.compare_exchange_strong(next, now + absl::ToInt64Nanoseconds(kBetweenLooks));
}

void AccessKeyFile::LookForChanges() {
  MutexLock lock(&reading_mu_);
  if (Version() == version_) return;
  const absl::Status status = Read();
  if (status.ok()) {
    last_error_.clear();
    observe::Log(observe::Level::kInfo, "The access keys have changed", {{"file", path_}});
  } else if (status.message() != last_error_) {
    // Tried again at each look, and said once.
    last_error_ = std::string(status.message());
    observe::Log(observe::Level::kError, "The access keys cannot be read again; those of before stay in force",
                 {{"file", path_}, {"error", last_error_}});
  }
}

absl::Status AccessKeyFile::Read() {
  // Taken first: what changes while it is read is read again at the next look.
  std::string version = Version();
  WEIR_ASSIGN_OR_RETURN(const std::vector<Entry> entries, LoadExisting(path_));
  absl::StatusOr<MasterKey> master = LoadMasterKey(master_path_);
  if (absl::IsNotFound(master.status())) {
    return absl::NotFoundError(absl::StrCat("There is no master key at ", master_path_, " for the access keys in ", path_, "."));
  }
  WEIR_RETURN_IF_ERROR(master.status());
  Keys keys;
  for (const Entry& entry : entries) {
    AccessKey key = entry.key;
    WEIR_ASSIGN_OR_RETURN(key.secret, SecretOf(entry, *master, path_, master_path_));
    keys.emplace(key.id, std::move(key));
  }
  version_ = std::move(version);
  WriterMutexLock lock(&mu_);
  keys_ = std::move(keys);
  return absl::OkStatus();
}

std::string AccessKeyFile::Version() const { return absl::StrCat(VersionOf(path_), " ", VersionOf(master_path_)); }

absl::Status Validate(const NewAccessKey& key) {
  if (!IsAccount(key.account)) {
    return absl::InvalidArgumentError(absl::StrCat("An account is 12 digits, and \"", key.account, "\" is not."));
  }
  if (key.description.size() > kDescriptionMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("The description has ", key.description.size(), " bytes; ", kDescriptionMax, " are the most."));
  }
  if (std::any_of(key.description.begin(), key.description.end(), absl::ascii_iscntrl) || !wire::IsUtf8(key.description)) {
    return absl::InvalidArgumentError("The description must be one line of UTF-8 text.");
  }
  return absl::OkStatus();
}

absl::StatusOr<AccessKey> CreateAccessKey(const std::string& path, const std::string& master_path, const NewAccessKey& key,
                                          absl::Time now) {
  WEIR_RETURN_IF_ERROR(Validate(key));
  WEIR_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(path));
  absl::StatusOr<std::vector<Entry>> entries = Load(path);
  if (absl::IsNotFound(entries.status())) entries = std::vector<Entry>();
  WEIR_RETURN_IF_ERROR(entries.status());
  WEIR_ASSIGN_OR_RETURN(const MasterKey master, MasterKeyFor(*entries, path, master_path));
  AccessKey made{.account = key.account, .description = key.description, .created_at = now};
  WEIR_ASSIGN_OR_RETURN(made.id, MakeId());
  Entry& entry = entries->emplace_back(Entry{made, ""});
  WEIR_ASSIGN_OR_RETURN(made.secret, MakeSecret());
  WEIR_ASSIGN_OR_RETURN(entry.sealed_secret, Seal(master, made.secret, ContextOf(made)));
  WEIR_RETURN_IF_ERROR(Store(path, *entries));
  return made;
}

absl::StatusOr<std::vector<AccessKey>> ListAccessKeys(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<Entry> entries, LoadExisting(path));
  std::vector<AccessKey> keys;
  for (const Entry& entry : entries) keys.push_back(entry.key);
  return keys;
}

absl::StatusOr<AccessKey> SetAccessKeyDisabled(const std::string& path, absl::string_view id, bool disabled) {
  // Before the lock, whose file would otherwise be left where no keys are.
  WEIR_RETURN_IF_ERROR(LoadExisting(path).status());
  WEIR_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(path));
  WEIR_ASSIGN_OR_RETURN(std::vector<Entry> entries, LoadExisting(path));
  const auto entry = std::find_if(entries.begin(), entries.end(), [id](const Entry& e) { return e.key.id == id; });
  if (entry == entries.end()) {
    return absl::NotFoundError(absl::StrCat("There is no access key ", id, " in ", path, ". `weir access-key list` shows them."));
  }
  if (entry->key.disabled != disabled) {
    entry->key.disabled = disabled;
    WEIR_RETURN_IF_ERROR(Store(path, entries));
  }
  return entry->key;
}

}  // namespace weir::gateway::auth
