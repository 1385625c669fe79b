#include "services/runner/engine/function_code.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"

namespace weir::runner::engine {
namespace {

constexpr size_t kPathBytesMax = 1024;
constexpr size_t kNameBytesMax = 255;

absl::Status Invalid(absl::string_view message) {
  return MakeError(ErrorReason::kCodeInvalid, message);
}
absl::Status TooLarge(absl::string_view message) {
  return MakeError(ErrorReason::kCodeTooLarge, message);
}

// For messages: a name from a stranger, short and printable.
std::string Shown(absl::string_view path) {
  std::string shown;
  for (const char c : path.substr(0, 100)) {
    shown.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
  }
  if (path.size() > 100) shown += "...";
  return absl::StrCat("\"", shown, "\"");
}

absl::Status CheckPath(absl::string_view path) {
  const std::string shown = Shown(path);
  if (path.empty())
    return Invalid("code: a file has an empty path; paths have at least one character.");
  if (path.size() > kPathBytesMax) {
    return Invalid(absl::StrCat("code: the path ", shown, " has ", path.size(), " bytes; at most ",
                                kPathBytesMax, " are allowed."));
  }
  if (path.front() == '/') {
    return Invalid(absl::StrCat("code: the path ", shown,
                                " is absolute; paths are relative to the function's folder."));
  }
  for (const char c : path) {
    if (c == '\0' || c == '\\') {
      return Invalid(
          absl::StrCat("code: the path ", shown,
                       " has a NUL or a backslash in it; folders are separated by '/'."));
    }
  }
  for (const absl::string_view name : absl::StrSplit(path, '/')) {
    if (name.empty() || name == "." || name == "..") {
      return Invalid(absl::StrCat("code: the path ", shown,
                                  " has an empty part, \".\" or \"..\" in it; none is allowed."));
    }
    if (name.size() > kNameBytesMax) {
      return Invalid(absl::StrCat("code: a name in the path ", shown, " has ", name.size(),
                                  " bytes; at most ", kNameBytesMax, " are allowed."));
    }
  }
  return absl::OkStatus();
}

// The paths of an archive so far: no file twice, and no file where a folder is needed.
class Paths {
 public:
  absl::Status AddFile(const std::string& path) {
    if (folders_.contains(path) || !files_.insert(path).second) {
      return Invalid(absl::StrCat("code: the path ", Shown(path), " is there more than once."));
    }
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      WEIR_RETURN_IF_ERROR(AddFolder(path.substr(0, slash)));
    }
    return absl::OkStatus();
  }
  absl::Status AddFolder(const std::string& path) {
    if (files_.contains(path)) {
      return Invalid(absl::StrCat("code: the path ", Shown(path), " is a file and a folder."));
    }
    folders_.insert(path);
    return absl::OkStatus();
  }

 private:
  std::set<std::string> files_;
  std::set<std::string> folders_;
};

struct Entry {
  zip_uint64_t index = 0;
  std::string path;
  bool folder = false;
  bool program = false;
};

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Zip = std::unique_ptr<zip_t, ZipCloser>;
struct ZipFileCloser {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using ZipFile = std::unique_ptr<zip_file_t, ZipFileCloser>;

std::string Text(zip_error_t* error) {
  std::string text = zip_error_strerror(error);
  zip_error_fini(error);
  return text;
}

// `bytes` must outlive the archive.
absl::StatusOr<Zip> OpenZip(const std::string& bytes) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return Invalid(absl::StrCat("code.zip: ", Text(&error), "."));
  zip_t* archive = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    zip_source_free(source);
    return Invalid(absl::StrCat("code.zip: this is no zip archive: ", Text(&error), "."));
  }
  zip_error_fini(&error);
  return Zip(archive);
}

// The entries of an archive, with every name, type and claimed size checked.
absl::StatusOr<std::vector<Entry>> ListZip(zip_t* archive) {
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  if (count <= 0) return Invalid("code.zip: the archive holds no file; at least one is needed.");
  if (static_cast<size_t>(count) > kZipEntriesMax) {
    return TooLarge(absl::StrCat("code.zip: the archive has ", count, " entries; at most ",
                                 kZipEntriesMax, " are allowed."));
  }
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(count));
  Paths paths;
  uint64_t total = 0;
  bool any_file = false;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    zip_stat_t stat;
    const char* name = zip_get_name(archive, i, ZIP_FL_ENC_GUESS);
    if (name == nullptr || zip_stat_index(archive, i, 0, &stat) != 0) {
      return Invalid(
          absl::StrCat("code.zip: entry ", i, " cannot be read: ", zip_strerror(archive), "."));
    }
    Entry entry;
    entry.index = i;
    absl::string_view path(name);
    entry.folder = absl::ConsumeSuffix(&path, "/");
    WEIR_RETURN_IF_ERROR(CheckPath(path));
    entry.path = std::string(path);

    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(archive, i, 0, &system, &attributes) == 0 &&
        system == ZIP_OPSYS_UNIX) {
      const mode_t mode = attributes >> 16;
      const mode_t type = mode & S_IFMT;
      if (type != 0 && type != S_IFREG && type != S_IFDIR) {
        return Invalid(absl::StrCat("code.zip: ", Shown(path),
                                    " is a link or a device; only files and folders are allowed."));
      }
      if (type == S_IFDIR) entry.folder = true;
      entry.program = (mode & S_IXUSR) != 0;
    }
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE) {
      return Invalid(absl::StrCat("code.zip: ", Shown(path), " is encrypted; it must not be."));
    }
    if (entry.folder) {
      WEIR_RETURN_IF_ERROR(paths.AddFolder(entry.path));
    } else {
      any_file = true;
      WEIR_RETURN_IF_ERROR(paths.AddFile(entry.path));
      const uint64_t size = (stat.valid & ZIP_STAT_SIZE) != 0 ? stat.size : 0;
      // Compared one by one, so that no sum overflows.
      if (size > kCodeUnpackedBytesMax || (total += size) > kCodeUnpackedBytesMax) {
        return TooLarge(absl::StrCat("code.zip: the archive has more than ",
                                     kCodeUnpackedBytesMax >> 20,
                                     " MiB when it is unpacked; that is the most allowed."));
      }
    }
    entries.push_back(std::move(entry));
  }
  if (!any_file) return Invalid("code.zip: the archive holds folders only; a file is needed.");
  return entries;
}

using Chunk = absl::string_view;

// Unpacks one file; `left` is what the whole archive may still unpack to. libzip checks sums and
// sizes at the end.
absl::Status ReadEntry(zip_t* archive, const Entry& entry, int64_t& left,
                       absl::FunctionRef<absl::Status(Chunk)> take) {
  ZipFile file(zip_fopen_index(archive, entry.index, 0));
  if (file == nullptr) {
    return Invalid(absl::StrCat("code.zip: ", Shown(entry.path),
                                " cannot be unpacked: ", zip_strerror(archive), "."));
  }
  std::vector<char> buffer(64 << 10);
  for (;;) {
    const zip_int64_t n = zip_fread(file.get(), buffer.data(), buffer.size());
    if (n == 0) return absl::OkStatus();
    if (n < 0) {
      return Invalid(absl::StrCat("code.zip: ", Shown(entry.path),
                                  " cannot be unpacked: ", zip_file_strerror(file.get()), "."));
    }
    left -= n;
    if (left < 0) {
      return TooLarge(absl::StrCat("code.zip: the archive has more than ",
                                   kCodeUnpackedBytesMax >> 20,
                                   " MiB when it is unpacked; that is the most allowed."));
    }
    WEIR_RETURN_IF_ERROR(take(Chunk(buffer.data(), static_cast<size_t>(n))));
  }
}

absl::Status CheckZip(const std::string& bytes) {
  if (static_cast<int64_t>(bytes.size()) > kZipBytesMax) {
    return TooLarge(absl::StrCat("code.zip: the archive has ", bytes.size(), " bytes; at most ",
                                 kZipBytesMax, " (50 MiB) are allowed."));
  }
  WEIR_ASSIGN_OR_RETURN(const Zip archive, OpenZip(bytes));
  WEIR_ASSIGN_OR_RETURN(const std::vector<Entry> entries, ListZip(archive.get()));
  int64_t left = kCodeUnpackedBytesMax;
  for (const Entry& entry : entries) {
    if (entry.folder) continue;
    WEIR_RETURN_IF_ERROR(
        ReadEntry(archive.get(), entry, left, [](Chunk) { return absl::OkStatus(); }));
  }
  return absl::OkStatus();
}

absl::Status CheckInlineFiles(const std::map<std::string, std::string>& files) {
  if (files.empty()) {
    return Invalid("code.inline_files.files: no file is given; at least one is needed.");
  }
  if (files.size() > kInlineFilesMax) {
    return TooLarge(absl::StrCat("code.inline_files.files: ", files.size(),
                                 " files are given; at most ", kInlineFilesMax, " are allowed."));
  }
  Paths paths;
  int64_t total = 0;
  for (const auto& [path, content] : files) {
    WEIR_RETURN_IF_ERROR(CheckPath(path));
    WEIR_RETURN_IF_ERROR(paths.AddFile(path));
    total += static_cast<int64_t>(content.size());
  }
  if (total > kInlineBytesMax) {
    return TooLarge(absl::StrCat("code.inline_files.files: the files have ", total,
                                 " bytes together; at most ", kInlineBytesMax,
                                 " (4 MiB) are allowed."));
  }
  return absl::OkStatus();
}

absl::Status DiskError(absl::string_view what, const std::string& path) {
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("Cannot ", what, " ", path, ": ", std::strerror(errno), "."));
}

absl::Status MakeFolders(const std::string& root, const std::string& path) {
  for (size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const std::string folder = absl::StrCat(root, "/", path.substr(0, slash));
    // chmod, because mkdir's mode is cut by the umask.
    if (mkdir(folder.c_str(), 0755) == 0) {
      if (chmod(folder.c_str(), 0755) != 0) return DiskError("set the mode of", folder);
    } else if (errno != EEXIST) {
      return DiskError("make the folder", folder);
    }
    if (slash == std::string::npos) return absl::OkStatus();
  }
}

class OutputFile {
 public:
  ~OutputFile() {
    if (fd_ >= 0) close(fd_);
  }
  absl::Status Open(const std::string& root, const std::string& path, bool program) {
    if (const size_t slash = path.rfind('/'); slash != std::string::npos) {
      WEIR_RETURN_IF_ERROR(MakeFolders(root, path.substr(0, slash)));
    }
    path_ = absl::StrCat(root, "/", path);
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd_ < 0) return DiskError("create", path_);
    if (fchmod(fd_, program ? 0755 : 0644) != 0) return DiskError("set the mode of", path_);
    return absl::OkStatus();
  }
  absl::Status Write(absl::string_view data) {
    while (!data.empty()) {
      const ssize_t n = write(fd_, data.data(), data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return DiskError("write", path_);
      data.remove_prefix(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

 private:
  std::string path_;
  int fd_ = -1;
};

std::string BigEndian(uint64_t number) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, number >>= 8) bytes[i] = static_cast<char>(number & 0xff);
  return bytes;
}

}  // namespace

absl::Status CheckCode(const core::FunctionCode& code) {
  return code.kind == core::FunctionCode::Kind::kZip ? CheckZip(code.zip)
                                                     : CheckInlineFiles(code.files);
}

std::string CodeSha256(const core::FunctionCode& code) {
  if (code.kind == core::FunctionCode::Kind::kZip) return Sha256Hex(code.zip);
  std::string all;
  // std::map with std::string orders by bytes.
  for (const auto& [path, content] : code.files) {
    absl::StrAppend(&all, BigEndian(path.size()), path, BigEndian(content.size()), content);
  }
  return Sha256Hex(all);
}

int64_t CodeBytes(const core::FunctionCode& code) {
  if (code.kind == core::FunctionCode::Kind::kZip) return static_cast<int64_t>(code.zip.size());
  int64_t total = 0;
  for (const auto& [path, content] : code.files) total += static_cast<int64_t>(content.size());
  return total;
}

absl::Status UnpackCode(const core::FunctionCode& code, const std::string& folder) {
  if (code.kind == core::FunctionCode::Kind::kInlineFiles) {
    WEIR_RETURN_IF_ERROR(CheckInlineFiles(code.files));
    for (const auto& [path, content] : code.files) {
      OutputFile out;
      WEIR_RETURN_IF_ERROR(out.Open(folder, path, /*program=*/false));
      WEIR_RETURN_IF_ERROR(out.Write(content));
    }
    return absl::OkStatus();
  }
  WEIR_ASSIGN_OR_RETURN(const Zip archive, OpenZip(code.zip));
  WEIR_ASSIGN_OR_RETURN(const std::vector<Entry> entries, ListZip(archive.get()));
  int64_t left = kCodeUnpackedBytesMax;
  for (const Entry& entry : entries) {
    if (entry.folder) {
      WEIR_RETURN_IF_ERROR(MakeFolders(folder, entry.path));
      continue;
    }
    OutputFile out;
    WEIR_RETURN_IF_ERROR(out.Open(folder, entry.path, entry.program));
    WEIR_RETURN_IF_ERROR(
        ReadEntry(archive.get(), entry, left, [&out](Chunk chunk) { return out.Write(chunk); }));
  }
  return absl::OkStatus();
}

}  // namespace weir::runner::engine
