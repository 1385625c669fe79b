// What tests of the worker pool need around it. Test-only.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/mutex.h"
#include "services/runner/engine/invoker.h"

namespace weir::runner::engine {

class FakeCodeSource : public CodeSource {
 public:
  void Put(const core::Function& function, core::FunctionCode code) {
    MutexLock lock(&mu_);
    code_[{function.id, function.revision}] = std::move(code);
  }
  absl::StatusOr<core::FunctionCode> ReadCode(core::FunctionId function, core::Revision revision,
                                              absl::Time) override {
    MutexLock lock(&mu_);
    ++reads_;
    const auto it = code_.find({function, revision});
    if (it == code_.end())
      return MakeError(ErrorReason::kFunctionDoesNotExist, "No such revision.");
    return it->second;
  }
  int reads() const {
    MutexLock lock(&mu_);
    return reads_;
  }

 private:
  mutable Mutex mu_;
  int reads_ = 0;
  std::map<std::pair<core::FunctionId, core::Revision>, core::FunctionCode> code_;
};

class FakeLogSink : public LogSink {
 public:
  void Append(std::vector<core::LogLine> lines) override {
    MutexLock lock(&mu_);
    for (core::LogLine& line : lines) lines_.push_back(std::move(line));
  }
  // The texts of an invocation's lines; what the function itself wrote only, unless `platform`.
  std::vector<std::string> Of(const std::string& request_id, bool platform = false) const {
    MutexLock lock(&mu_);
    std::vector<std::string> texts;
    for (const core::LogLine& line : lines_) {
      if (line.request_id != request_id) continue;
      if (platform || line.stream != core::LogStream::kPlatform) texts.push_back(line.text);
    }
    return texts;
  }

 private:
  mutable Mutex mu_;
  std::vector<core::LogLine> lines_;
};

class FakeInvokerMetrics : public InvokerMetrics {
 public:
  void Invoked(const core::Function&, core::InvocationOutcome, absl::Duration, bool cold) override {
    MutexLock lock(&mu_);
    ++invoked_;
    if (cold) ++cold_;
  }
  void Refused(const core::Function&) override {
    MutexLock lock(&mu_);
    ++refused_;
  }
  int invoked() const {
    MutexLock lock(&mu_);
    return invoked_;
  }
  int cold() const {
    MutexLock lock(&mu_);
    return cold_;
  }
  int refused() const {
    MutexLock lock(&mu_);
    return refused_;
  }

 private:
  mutable Mutex mu_;
  int invoked_ = 0;
  int cold_ = 0;
  int refused_ = 0;
};

inline std::shared_ptr<core::Function> MakeFunction(int64_t id, std::string runtime) {
  auto function = std::make_shared<core::Function>();
  function->id = core::FunctionId(id);
  function->revision = core::Revision(1);
  function->name = {"000000000000", "us-east-1", "f" + std::to_string(id)};
  function->config.runtime = std::move(runtime);
  function->config.handler = "app.handler";
  function->config.timeout = absl::Seconds(60);
  function->config.memory_mib = 256;
  return function;
}

}  // namespace weir::runner::engine
