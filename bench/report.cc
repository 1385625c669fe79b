#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/cpu_usage.h"
#include "libs/base/clock.h"

namespace weir::bench {
namespace {

using Json = nlohmann::ordered_json;

absl::Status OutOfRange(absl::string_view option, double value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("Value ", value, " for ", option, " is invalid: must be ", allowed, "."));
}

Json LatencyOf(const Histogram& histogram) {
  const auto ms = [](absl::Duration duration) {
    return std::round(absl::ToDoubleMilliseconds(duration) * 1000) / 1000;
  };
  return {{"p50", ms(histogram.Quantile(0.5))},
          {"p90", ms(histogram.Quantile(0.9))},
          {"p99", ms(histogram.Quantile(0.99))},
          {"max", ms(histogram.Max())},
          {"count", histogram.count()}};
}

Json ToJson(const Options& options, const Report& report, const CpuMeter& cpu) {
  const Measured& measured = report.measured;
  Json json = {{"workload", std::string(report.workload)},
               {"options",
                {{"connections", options.connections},
                 {"batch", options.batch},
                 {"body", options.body},
                 {"queues", options.queues},
                 {"seconds", options.seconds}}}};
  if (report.workload == "cycle") json["options"]["channels"] = options.channels;
  if (report.workload == "journal") json["options"]["shards"] = options.shards;
  if (report.workload == "stream") {
    json["options"]["channels"] = options.channels;
    json["options"]["credit"] = options.credit;
  }
  if (report.workload == "rabbitmq" || report.workload == "stream") {
    json["options"]["outstanding"] = options.outstanding;
    json["options"]["consumers"] = options.consumers;
  }
  if (report.workload == "fill") json["options"]["queues"] = options.fill_queues;
  if (report.workload == "fill") json["options"]["messages"] = options.messages;
  if (report.workload == "latency" || report.workload == "insert-commit") {
    json["options"]["rate"] = options.rate;
  }
  const double seconds = absl::ToDoubleSeconds(report.took);
  json["seconds"] = seconds;
  json["cycles"] = measured.cycles;
  json["cycles_per_s"] = std::round(static_cast<double>(measured.cycles) / seconds * 10) / 10;
  Json& latency = json["latency_ms"] = Json::object();
  const auto add_latency = [&](const char* name, const Histogram& histogram) {
    if (histogram.count() > 0) latency[name] = LatencyOf(histogram);
  };
  add_latency(report.has_calls ? "send" : "append", measured.send);
  add_latency("receive", measured.receive);
  add_latency("delete", measured.del);
  add_latency("end_to_end", measured.end_to_end);
  if (report.has_calls) json["empty_receives"] = measured.empty_receives;
  Json& cpu_json = json["cpu"];
  const auto add_cpu = [&](const std::string& who, std::optional<double> spent) {
    if (!spent.has_value()) return;
    cpu_json[who + "_s"] = std::round(*spent * 1000) / 1000;
    if (measured.cycles > 0) {
      const double per_cycle = *spent * 1e6 / static_cast<double>(measured.cycles);
      cpu_json[who + "_us_per_cycle"] = std::round(per_cycle * 10) / 10;
    }
  };
  add_cpu("client", cpu.client());
  add_cpu("server", cpu.server());
  add_cpu("postgres", cpu.postgres());
  if (const auto machine = cpu.machine(); machine.has_value()) {
    const double own =
        cpu.client().value_or(0) + cpu.server().value_or(0) + cpu.postgres().value_or(0);
    cpu_json["cores"] = std::thread::hardware_concurrency();
    cpu_json["cores_used_by_others"] =
        std::round(std::max(0.0, *machine - own) / seconds * 100) / 100;
  }
  if (report.messages.has_value()) {
    const MessageLedger::Totals& totals = *report.messages;
    json["messages"] = {
        {"sent", totals.sent}, {"received", totals.received},     {"deleted", totals.deleted},
        {"lost", totals.lost}, {"duplicated", totals.duplicated}, {"damaged", totals.damaged}};
    if (totals.backlog > 0) {
      json["messages"]["backlog"] = totals.backlog;
      json["messages"]["left"] = totals.left;
    }
    json["all_came_back"] = totals.AllCameBack();
  }
  return json;
}

std::string ToTable(const Json& json) {
  std::string out =
      absl::StrFormat("%s: %.0f cycles/s (%d cycles in %.1f s;",
                      json["workload"].get<std::string>(), json["cycles_per_s"].get<double>(),
                      json["cycles"].get<int64_t>(), json["seconds"].get<double>());
  for (const auto& [name, value] : json["options"].items()) {
    absl::StrAppend(&out, " ", name, "=", value.dump());
  }
  absl::StrAppend(&out, ")\n");
  absl::StrAppendFormat(&out, "  %-12s %10s %10s %10s %10s\n", "latency, ms", "p50", "p90", "p99",
                        "max");
  for (const auto& [name, value] : json["latency_ms"].items()) {
    absl::StrAppendFormat(&out, "  %-12s %10.3f %10.3f %10.3f %10.3f\n", name,
                          value["p50"].get<double>(), value["p90"].get<double>(),
                          value["p99"].get<double>(), value["max"].get<double>());
  }
  absl::StrAppend(&out, "  CPU:");
  for (const auto& [name, value] : json["cpu"].items())
    absl::StrAppend(&out, " ", name, "=", value.dump());
  absl::StrAppend(&out, "\n");
  if (json.contains("messages")) {
    absl::StrAppend(&out, "  messages:");
    for (const auto& [name, value] : json["messages"].items()) {
      absl::StrAppend(&out, " ", name, "=", value.dump());
    }
    absl::StrAppend(&out, json["all_came_back"].get<bool>() ? " (every message came back)\n"
                                                            : " (NOT every message came back)\n");
  }
  return out;
}

}  // namespace

absl::Status Options::Validate() const {
  if (connections < 1 || connections > 4096)
    return OutOfRange("connections", connections, "1 to 4096");
  if (channels < 1 || channels > 4096) return OutOfRange("channels", channels, "1 to 4096");
  if (queues < 1 || queues > connections) {
    return OutOfRange("queues", queues, "between 1 and the number of connections");
  }
  if (fill_queues < 1) return OutOfRange("queues", fill_queues, "at least 1");
  if (messages < 0) return OutOfRange("messages", static_cast<double>(messages), "0 or more");
  if (backlog < 0) return OutOfRange("backlog", static_cast<double>(backlog), "0 or more");
  if (batch < 1) return OutOfRange("batch", batch, "at least 1");
  if (shards < 1 || shards > 1024) return OutOfRange("shards", shards, "1 to 1024");
  if (outstanding < 1 || outstanding > 10'000) {
    return OutOfRange("outstanding", outstanding, "1 to 10000");
  }
  if (consumers < 1 || consumers > 1024) return OutOfRange("consumers", consumers, "1 to 1024");
  if (!(rate > 0)) return OutOfRange("rate", rate, "above 0");
  if (body < static_cast<int>(MessageLedger::kHeadBytes) || body > 100'000) {
    return OutOfRange("body", body, absl::StrCat(MessageLedger::kHeadBytes, " to 100000"));
  }
  if (!(seconds > 0)) return OutOfRange("seconds", seconds, "above 0");
  if (!(warmup >= 0)) return OutOfRange("warmup", warmup, "0 or more");
  return absl::OkStatus();
}

int64_t MonotonicNanoseconds() { return absl::ToInt64Nanoseconds(SystemClock().Monotonic()); }

void Measured::Merge(const Measured& other) {
  send.Merge(other.send);
  receive.Merge(other.receive);
  del.Merge(other.del);
  end_to_end.Merge(other.end_to_end);
  cycles += other.cycles;
  empty_receives += other.empty_receives;
}

CpuMeter::Times CpuMeter::Now() const {
  Times times{.client = OwnCpuSeconds()};
  if (server_pid_ != 0) {
    const auto spent =
        server_ == Server::kTree ? CpuSecondsOfTree(server_pid_) : CpuSecondsOf(server_pid_);
    if (spent.ok()) times.server = *spent;
  }
  if (const auto spent = CpuSecondsOfMachine(); spent.ok()) times.machine = *spent;
  if (postgres_pid_ != 0) {
    if (const auto spent = CpuSecondsOfTree(postgres_pid_); spent.ok()) times.postgres = *spent;
  }
  return times;
}

std::optional<double> CpuMeter::Between(std::optional<double> Times::*which) const {
  if (!(started_.*which).has_value() || !(stopped_.*which).has_value()) return std::nullopt;
  return *(stopped_.*which) - *(started_.*which);
}

absl::Duration MeasureWindow(const Options& options, CpuMeter& cpu,
                             absl::FunctionRef<void(bool measure)> set_measuring,
                             absl::FunctionRef<void(absl::Duration)> run) {
  run(absl::Seconds(options.warmup));
  cpu.Start();
  const absl::Duration start = SystemClock().Monotonic();
  set_measuring(true);
  run(absl::Seconds(options.seconds));
  set_measuring(false);
  const absl::Duration took = SystemClock().Monotonic() - start;
  cpu.Stop();
  return took;
}

absl::Duration MeasureWindow(const Options& options, CpuMeter& cpu, std::atomic<bool>& measuring) {
  return MeasureWindow(
      options, cpu, [&](bool measure) { measuring.store(measure); },
      [](absl::Duration time) { absl::SleepFor(time); });
}

std::string Format(const Options& options, const Report& report, const CpuMeter& cpu) {
  const Json json = ToJson(options, report, cpu);
  return options.json ? json.dump() + "\n" : ToTable(json);
}

}  // namespace weir::bench
