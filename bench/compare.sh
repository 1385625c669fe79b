#!/usr/bin/env bash
# Weir beside the SKIP LOCKED table, on the same PostgreSQL (fsync and synchronous_commit on), in alternating rounds of one run, so
# that whatever else the machine does meets both. Prints the medians and their ratio a batch size: of the rates, and of the CPU time
# that a cycle takes of all who take part, which other load on the machine disturbs less.
#
#   bench/compare.sh [--rounds 5] [--seconds 5] [--batches "1 10"] [--connections 64] [--body 100] [--bin build/release/bin]
#                    [--target HOST:PORT --database-url URL [--server-pid PID]]
#
# Without --target it starts `weir up` with a private PostgreSQL in a temporary folder, and stops it at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=5 seconds=5 batches="1 10" connections=64 body=100 bin=build/release/bin target="" database_url="" server_pid=""
while [ $# -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2 ;; --seconds) seconds=$2 ;; --batches) batches=$2 ;; --connections) connections=$2 ;;
    --body) body=$2 ;; --bin) bin=$2 ;; --target) target=$2 ;; --database-url) database_url=$2 ;;
    --server-pid) server_pid=$2 ;;
    *) echo "Unknown option $1; the head of $0 lists them." >&2; exit 2 ;;
  esac
  shift 2
done

folder=$(mktemp -d /var/tmp/weir-bench.XXXXXX)
weir_pid=""
finish() {
  if [ -n "$weir_pid" ]; then kill -TERM "$weir_pid" 2>/dev/null || true; wait "$weir_pid" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT

if [ -z "$target" ]; then
  chmod 755 "$folder"
  "$bin/weir" up --data-dir "$folder/data" --ready-file "$folder/ready.json" >"$folder/weir.log" 2>&1 &
  weir_pid=$! server_pid=$!
  for _ in $(seq 600); do
    [ -s "$folder/ready.json" ] && break
    kill -0 "$weir_pid" 2>/dev/null || { cat "$folder/weir.log" >&2; exit 1; }
    sleep 0.1
  done
  [ -s "$folder/ready.json" ] || { echo "weir up was not ready within 60 s:" >&2; cat "$folder/weir.log" >&2; exit 1; }
  target=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["queue"])' "$folder/ready.json")
  database_url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["database_url"])' "$folder/ready.json")
fi

common=(--connections "$connections" --body "$body" --seconds "$seconds" --json --database-url "$database_url")
for batch in $batches; do
  for round in $(seq "$rounds"); do
    "$bin/weir-bench" cycle --target "$target" ${server_pid:+--server-pid "$server_pid"} --batch "$batch" "${common[@]}" \
      >>"$folder/results"
    "$bin/weir-bench" skip-locked --batch "$batch" "${common[@]}" >>"$folder/results"
    tail -n 2 "$folder/results" | python3 -c '
import json, sys
weir, table = (json.loads(line) for line in sys.stdin)
print("batch %d, round %s: weir %.0f, skip-locked %.0f cycles/s, ratio %.2f (others used %.2f and %.2f of %d cores)" % (
    weir["options"]["batch"], sys.argv[1], weir["cycles_per_s"], table["cycles_per_s"],
    weir["cycles_per_s"] / table["cycles_per_s"], weir["cpu"]["cores_used_by_others"],
    table["cpu"]["cores_used_by_others"], weir["cpu"]["cores"]))' "$round"
  done
done

python3 - "$folder/results" <<'PYTHON'
import json
import statistics
import sys

results = [json.loads(line) for line in open(sys.argv[1])]
print()
print("%5s  %-11s %10s %9s %9s %9s %9s %9s   %s" % (
    "batch", "medians", "cycles/s", "send p50", "recv p50", "del p50", "e2e p50", "e2e p99", "CPU us a cycle"))
for batch in sorted({r["options"]["batch"] for r in results}):
    rate, cost = {}, {}
    for workload in ("cycle", "skip-locked"):
        runs = [r for r in results if r["workload"] == workload and r["options"]["batch"] == batch]
        median = lambda pick: statistics.median(pick(r) for r in runs)
        rate[workload] = [r["cycles_per_s"] for r in runs]
        cost[workload] = [sum(r["cpu"].get(who + "_us_per_cycle", 0) for who in ("client", "server", "postgres"))
                          for r in runs]
        latency = lambda call, point: median(lambda r: r["latency_ms"][call][point])
        cpu = ", ".join("%s %.0f" % (who, median(lambda r: r["cpu"][who + "_us_per_cycle"]))
                        for who in ("client", "server", "postgres")
                        if all(who + "_us_per_cycle" in r["cpu"] for r in runs))
        print("%5d  %-11s %10.0f %9.2f %9.2f %9.2f %9.2f %9.2f   %s" % (
            batch, workload, statistics.median(rate[workload]), latency("send", "p50"), latency("receive", "p50"),
            latency("delete", "p50"), latency("end_to_end", "p50"), latency("end_to_end", "p99"), cpu))
    ratios = [weir / table for weir, table in zip(rate["cycle"], rate["skip-locked"])]
    print("%5d  ratio       %10.2f   (median of the rounds' ratios; %.2f to %.2f)" % (
        batch, statistics.median(ratios), min(ratios), max(ratios)))
    ratios = [table / weir for weir, table in zip(cost["cycle"], cost["skip-locked"])]
    print("%5d  CPU ratio   %10.2f   (skip-locked's CPU a cycle by Weir's; %.2f to %.2f)" % (
        batch, statistics.median(ratios), min(ratios), max(ratios)))
PYTHON
