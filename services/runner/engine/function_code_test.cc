#include "services/runner/engine/function_code.h"

#include <sys/stat.h>
#include <zip.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"
#include "libs/base/hash.h"

namespace weir::runner::engine {
namespace {

using ::testing::HasSubstr;

struct ZipEntry {
  std::string name;
  std::string content;
  mode_t mode = 0100644;
};

std::string MakeZip(const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_source_t* memory = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(memory);
  zip_t* archive = zip_open_from_source(memory, ZIP_TRUNCATE, &error);
  for (const ZipEntry& entry : entries) {
    zip_int64_t index = 0;
    if (entry.name.back() == '/') {
      index = zip_dir_add(archive, entry.name.c_str(), ZIP_FL_ENC_UTF_8);
    } else {
      zip_source_t* source =
          zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
      index = zip_file_add(archive, entry.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    }
    EXPECT_GE(index, 0) << zip_strerror(archive);
    zip_file_set_external_attributes(archive, index, 0, ZIP_OPSYS_UNIX, entry.mode << 16);
  }
  EXPECT_EQ(zip_close(archive), 0);
  zip_stat_t stat;
  zip_source_stat(memory, &stat);
  std::string bytes(stat.size, '\0');
  zip_source_open(memory);
  zip_source_read(memory, bytes.data(), bytes.size());
  zip_source_close(memory);
  zip_source_free(memory);
  return bytes;
}

core::FunctionCode Zip(std::string bytes) {
  core::FunctionCode code;
  code.kind = core::FunctionCode::Kind::kZip;
  code.zip = std::move(bytes);
  return code;
}
core::FunctionCode Files(std::map<std::string, std::string> files) {
  core::FunctionCode code;
  code.files = std::move(files);
  return code;
}

// The same name in both headers of a single entry is changed, as no library writes such archives.
std::string Rename(std::string zip, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = zip.find(from, at)) != std::string::npos;)
    zip.replace(at, from.size(), to);
  return zip;
}

void ExpectRefused(const core::FunctionCode& code, ErrorReason reason, const std::string& message) {
  const absl::Status status = CheckCode(code);
  EXPECT_EQ(ReasonOf(status), reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

class FunctionCodeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "/function_code_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Read(const std::string& path) const {
    std::ifstream file(folder_ + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  mode_t Mode(const std::string& path) const {
    struct stat stat {};
    EXPECT_EQ(::stat((folder_ + "/" + path).c_str(), &stat), 0);
    return stat.st_mode & 0777;
  }

  std::string folder_;
};

TEST_F(FunctionCodeTest, UnpacksInlineFiles) {
  const core::FunctionCode code = Files({{"a.py", "x = 1\n"}, {"deep/er/b.py", ""}});
  EXPECT_TRUE(CheckCode(code).ok());
  ASSERT_TRUE(UnpackCode(code, folder_).ok());
  EXPECT_EQ(Read("a.py"), "x = 1\n");
  EXPECT_EQ(Mode("a.py"), 0644);
  EXPECT_EQ(Mode("deep/er"), 0755);
  EXPECT_EQ(CodeBytes(code), 6);
}

TEST_F(FunctionCodeTest, UnpacksZip) {
  const core::FunctionCode code = Zip(MakeZip(
      {{"pkg/", "", 040755}, {"pkg/a.py", std::string(200'000, 'a')}, {"bin/run", "#!", 0100755}}));
  EXPECT_TRUE(CheckCode(code).ok()) << CheckCode(code);
  ASSERT_TRUE(UnpackCode(code, folder_).ok());
  EXPECT_EQ(Read("pkg/a.py").size(), 200'000u);
  EXPECT_EQ(Mode("bin/run"), 0755);
  EXPECT_EQ(CodeBytes(code), static_cast<int64_t>(code.zip.size()));
  EXPECT_EQ(CodeSha256(code), Sha256Hex(code.zip));
}

TEST_F(FunctionCodeTest, ShaOfFilesHasLengths) {
  const auto number = [](char n) { return std::string(7, '\0') + n; };
  EXPECT_EQ(CodeSha256(Files({{"b", "23"}, {"a", ""}})),
            Sha256Hex(number(1) + "a" + number(0) + number(1) + "b" + number(2) + "23"));
  EXPECT_NE(CodeSha256(Files({{"a", "bc"}})), CodeSha256(Files({{"ab", "c"}})));
}

TEST_F(FunctionCodeTest, RefusesPathsThatLeadOut) {
  for (const std::string path :
       {"/etc/x", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\b", "a/"}) {
    ExpectRefused(Files({{path, "x"}}), ErrorReason::kCodeInvalid, "path");
    EXPECT_FALSE(UnpackCode(Files({{path, "x"}}), folder_).ok());
  }
  ExpectRefused(Zip(Rename(MakeZip({{"ab/cd", "x"}}), "ab/cd", "../cd")), ErrorReason::kCodeInvalid,
                "..");
  ExpectRefused(Zip(Rename(MakeZip({{"ab/cd", "x"}}), "ab/cd", "/b/cd")), ErrorReason::kCodeInvalid,
                "absolute");
}

TEST_F(FunctionCodeTest, RefusesLinksAndDevices) {
  ExpectRefused(Zip(MakeZip({{"link", "/etc/passwd", 0120777}})), ErrorReason::kCodeInvalid,
                "link");
  ExpectRefused(Zip(MakeZip({{"disk", "", 0060600}})), ErrorReason::kCodeInvalid, "device");
}

TEST_F(FunctionCodeTest, RefusesDoublePaths) {
  ExpectRefused(Zip(Rename(MakeZip({{"file1", "x"}, {"file2", "y"}}), "file2", "file1")),
                ErrorReason::kCodeInvalid, "more than once");
  ExpectRefused(Files({{"a", "x"}, {"a/b", "y"}}), ErrorReason::kCodeInvalid, "file and a folder");
}

TEST_F(FunctionCodeTest, RefusesWhatIsNoArchiveOrIsDamaged) {
  ExpectRefused(Zip(""), ErrorReason::kCodeInvalid, "zip");
  ExpectRefused(Zip("def handler(): pass"), ErrorReason::kCodeInvalid, "no zip archive");
  ExpectRefused(Zip(MakeZip({{"only/", "", 040755}})), ErrorReason::kCodeInvalid, "folders only");
  std::string zip = MakeZip({{"a.py", "some content that is stored as it is"}});
  ExpectRefused(Zip(zip.substr(0, zip.size() / 2)), ErrorReason::kCodeInvalid, "zip");
  zip[45] ^= 0x55;
  ExpectRefused(Zip(zip), ErrorReason::kCodeInvalid, "cannot be unpacked");
}

TEST_F(FunctionCodeTest, RefusesWhatIsTooLarge) {
  ExpectRefused(Files({{"a", std::string((4 << 20) + 1, 'x')}}), ErrorReason::kCodeTooLarge,
                "4 MiB");
  std::map<std::string, std::string> many;
  for (int i = 0; i <= 100; ++i) many["f" + std::to_string(i)] = "";
  ExpectRefused(Files(many), ErrorReason::kCodeTooLarge, "101 files");
  ExpectRefused(Files({}), ErrorReason::kCodeInvalid, "no file");
  ExpectRefused(Zip(std::string((50 << 20) + 1, 'x')), ErrorReason::kCodeTooLarge, "50 MiB");
}

TEST_F(FunctionCodeTest, RefusesBombs) {
  const std::string zeros(130 << 20, '\0');
  const std::string bomb = MakeZip({{"a", zeros}, {"b", zeros}});
  ASSERT_LT(bomb.size(), size_t{1} << 20);
  ExpectRefused(Zip(bomb), ErrorReason::kCodeTooLarge, "250 MiB");
}

}  // namespace
}  // namespace weir::runner::engine
