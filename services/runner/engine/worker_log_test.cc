#include "services/runner/engine/worker_log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::runner::engine {
namespace {

using core::LogStream;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeSink : public LogSink {
 public:
  void Append(std::vector<core::LogLine> lines) override {
    for (core::LogLine& line : lines) lines_.push_back(std::move(line));
  }
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const core::LogLine& line : lines_) texts.push_back(line.request_id + "|" + line.text);
    return texts;
  }
  std::vector<core::LogLine> lines_;
};

class WorkerLogTest : public testing::Test {
 protected:
  FakeSink sink_;
  WorkerLog log_{core::FunctionId(7), sink_, SystemClock()};
};

TEST_F(WorkerLogTest, LinesBelongToTheInvocationThatBeganThem) {
  log_.Write(LogStream::kStdout, "loading");
  log_.Begin("r1");
  log_.Write(LogStream::kStdout, "a");
  log_.Write(LogStream::kStderr, "err\n");
  log_.Write(LogStream::kStdout, "b\r\nc");
  EXPECT_EQ(log_.End(), "loading\nerr\nab\nc\n");
  log_.Begin("r2");
  log_.Write(LogStream::kStdout, "\n");
  EXPECT_EQ(log_.End(), "\n");
  EXPECT_THAT(sink_.Texts(), ElementsAre("|loading", "r1|err", "r1|ab", "r1|c", "r2|"));
  EXPECT_EQ(sink_.lines_[1].stream, LogStream::kStderr);
}

TEST_F(WorkerLogTest, LongLinesAreCutBetweenCharacters) {
  std::string text(WorkerLog::kLineBytesMax - 1, 'x');
  text += "\xC3\xA4tail\n";
  log_.Begin("r");
  for (const char c : text) log_.Write(LogStream::kStdout, absl::string_view(&c, 1));
  log_.End();
  ASSERT_EQ(sink_.lines_.size(), 2u);
  EXPECT_EQ(sink_.lines_[0].text.size(), WorkerLog::kLineBytesMax - 1);
  EXPECT_EQ(sink_.lines_[1].text, "\xC3\xA4tail");

  log_.Write(LogStream::kStdout, std::string(3 * WorkerLog::kLineBytesMax, '\xff'));
  log_.EndLines();
  log_.Flush();
  EXPECT_EQ(sink_.lines_.size(), 5u);
}

TEST_F(WorkerLogTest, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(ToUtf8("a\xff\xC3\xA4\xED\xA0\x80z"),
            "a\xEF\xBF\xBD\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(ToUtf8(absl::string_view("\0\xE2\x82", 3)), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(ToUtf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST_F(WorkerLogTest, AFloodIsBounded) {
  log_.Begin("r1");
  for (int i = 0; i < 10'000; ++i) log_.Write(LogStream::kStdout, std::string(1000, 'x') + "\n");
  log_.Platform("END");
  EXPECT_THAT(log_.End(), HasSubstr("left out.\nEND\n"));
  size_t bytes = 0;
  for (const core::LogLine& line : sink_.lines_) bytes += line.text.size();
  EXPECT_LE(bytes, WorkerLog::kInvocationBytesMax + 1000);
  EXPECT_GT(bytes, WorkerLog::kInvocationBytesMax - 10'000);
  log_.Begin("r2");
  log_.Write(LogStream::kStdout, "heard again\n");
  EXPECT_EQ(log_.End(), "heard again\n");
}

TEST_F(WorkerLogTest, TheTailIsTheLast4KiB) {
  log_.Begin("r");
  for (int i = 0; i < 2000; ++i) log_.Write(LogStream::kStdout, "line " + std::to_string(i) + "\n");
  const std::string tail = log_.End();
  EXPECT_LE(tail.size(), WorkerLog::kTailBytesMax);
  EXPECT_GT(tail.size(), WorkerLog::kTailBytesMax - 16);
  EXPECT_THAT(tail, testing::EndsWith("line 1999\n"));
}

}  // namespace
}  // namespace weir::runner::engine
