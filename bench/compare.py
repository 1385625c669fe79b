#!/usr/bin/env python3
"""Weir beside what one would otherwise choose, on this machine, in alternating rounds of one run, so that whatever else the
machine does meets all of them. Prints medians, and ratios to the SKIP LOCKED table within each round; writes them as a table and
as charts.

  bench/compare.py [--systems all | weir,skip-locked,...] [--rounds 5] [--seconds 5] [--batches "1 10"] [--connections 64]
                   [--body 100] [--bin build/release/bin] [--out build/compare] [--publish]
                   [--target HOST:PORT --database-url URL [--gateway HOST:PORT] [--server-pid PID]]

Each server is started privately in a temporary folder under /var/tmp, on free ports, and stopped at the end. Systems that are not
there (a server or weir-bench-peers is not installed) are an error when named and left out, with a word, by "all". `make compare`
installs everything before. With --target, Weir is one that runs already. --publish writes the table and the charts into docs/,
unless others used the machine meanwhile.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import types

from harness import chart, processes, results, systems

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/performance.md"
IMAGES = ROOT / "docs/img"
BEGIN, END = "<!-- bench/compare.py --publish: begin -->", "<!-- bench/compare.py --publish: end -->"
PLACE = "<folder of the images>"
EXECUTABLES = {"rabbitmq": "/usr/lib/rabbitmq/bin/rabbitmq-server", "jetstream": "nats-server", "redis": "redis-server",
               "beanstalkd": "beanstalkd"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default="all", help="all, or names separated by commas: " + ", ".join(systems.BY_KEY))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--batches", default="1 10")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--body", type=int, default=100)
    parser.add_argument("--bin", default=ROOT / "build/release/bin", type=pathlib.Path)
    parser.add_argument("--out", default=ROOT / "build/compare", type=pathlib.Path)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--target")
    parser.add_argument("--gateway")
    parser.add_argument("--database-url")
    parser.add_argument("--server-pid", type=int, default=0)
    options = parser.parse_args()
    options.batches = [int(batch) for batch in options.batches.split()]
    if options.target and not options.database_url:
        parser.error("--target needs --database-url, for the table.")
    unknown = set(options.systems.split(",")) - set(systems.BY_KEY) - {"all"}
    if unknown:
        parser.error(f"Value {sorted(unknown)[0]} for systems is invalid: must be all or some of {', '.join(systems.BY_KEY)}.")
    return options


def why_missing(system, options):
    """None: it can be run."""
    program = options.bin / system.program
    if system.workload not in systems.workloads_of(program):
        return f"{program} has no workload {system.workload}" if program.exists() else f"{program} is not built"
    if system.workload == "sqs" and options.target and not options.gateway:
        return "--target was given without --gateway"
    executable = EXECUTABLES.get(system.server)
    if executable and not shutil.which(executable):
        return f"{executable} is not installed"
    return None


def chosen_systems(options):
    everything = options.systems == "all"
    chosen = []
    for system in systems.SYSTEMS:
        if not everything and system.key not in options.systems.split(","):
            continue
        missing = why_missing(system, options)
        if missing is None:
            chosen.append(system)
        elif everything:
            print(f"Left out: {system.label} ({missing}).")
        else:
            raise processes.Failed(f"{system.label} cannot be run: {missing}.")
    return chosen


def start_servers(chosen, options, stack):
    servers = {}
    for name in dict.fromkeys(system.server for system in chosen):
        if name == "weir" and options.target:
            servers[name] = types.SimpleNamespace(
                target=options.target, gateway=options.gateway, database_url=options.database_url, pid=options.server_pid)
            continue
        folder = stack.enter_context(processes.temporary_folder())
        servers[name] = systems.SERVERS[name](folder, options.bin)
        stack.callback(servers[name].stop)
    return servers


def measure(chosen, servers, options):
    """Measurements by batch size."""
    measured = {batch: [] for batch in options.batches}
    for batch in options.batches:
        for number in range(1, options.rounds + 1):
            for system in chosen:
                result = systems.run(system, servers[system.server], options, batch)
                measured[batch].append(results.Measurement(system.key, number, result))
                print("batch %d, round %d: %-56s %9s cycles/s (others used %.2f of %d cores)" % (
                    batch, number, system.name(batch, options.connections), results.number(result["cycles_per_s"]),
                    result["cpu"]["cores_used_by_others"], result["cpu"]["cores"]), flush=True)
    return measured


def version_of(package):
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return f"{package} {found.stdout}" if found.returncode == 0 else package


def conditions(chosen, options):
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    versions = dict.fromkeys(version_of(systems.PACKAGES[system.server]) for system in chosen)
    return (f"{os.cpu_count()} cores ({model}), clients and servers together, {options.connections} connections, {options.body}-byte "
            f"bodies; medians of {options.rounds} rounds of {options.seconds:g} s, {datetime.date.today()}."), ", ".join(versions)


def title_of(batch):
    return "One message a request" if batch == 1 else f"{batch} messages a request, or pipelined"


def draw(rows, batch, options, foot):
    def kind(row):
        return "baseline" if row.key == systems.BASELINE else "ours" if row.key.startswith("weir") else "peer"
    entries = [{
        "name": systems.BY_KEY[row.key].label, "under": systems.BY_KEY[row.key].small_print(batch, options.connections), "kind": kind(row), "synced": systems.BY_KEY[row.key].synced,
        "value": row.rate, "low": min(row.rates), "high": max(row.rates),
        "label": results.number(row.rate) + (f"  ({row.median_ratio:.2f} ×)" if row.ratios else ""),
    } for row in rows]
    return chart.bars(
        f"{title_of(batch)}: full cycles a second", "Sent, received and deleted; more is better. × is relative to the "
        "SKIP LOCKED table.", entries, ["Hatched: an answer may be lost with the power. Lines: lowest and highest round.", foot])


def write_out(measured, chosen, options):
    """Writes the files; the Markdown."""
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "results.jsonl", "w", encoding="utf-8") as file:
        for measurements in measured.values():
            for measurement in measurements:
                file.write(json.dumps({"system": measurement.key, "round": measurement.round, **measurement.result}) + "\n")
    machine, versions = conditions(chosen, options)
    parts, most = [], 0.0
    for batch, measurements in measured.items():
        rows = results.summarise(measurements, batch, options.connections)
        most = max(most, *(row.others for row in rows))
        (options.out / f"compare-{batch}.svg").write_text(draw(rows, batch, options, machine), encoding="utf-8")
        print(f"\n{title_of(batch)}\n{results.text(rows)}", end="")
        parts.append(f"### {title_of(batch)}\n![Cycles a second]({PLACE}compare-{batch}.svg)\n\n{results.markdown(rows)}")
    parts.append(f"Latencies are p50 / p99. {machine} Other processes used at most {most:.2f} cores. Versions: {versions}.\n")
    markdown = "\n".join(parts)
    (options.out / "table.md").write_text(markdown.replace(PLACE, ""), encoding="utf-8")
    print(f"\nWritten to {options.out}: table.md, results.jsonl, compare-*.svg")
    return markdown.replace(PLACE, "img/"), most


def publish(markdown, most, options, document=DOCUMENT, images=IMAGES):
    if most > results.BUSY_CORES:
        raise processes.Failed(f"Not published: others used {most:.2f} cores at times; at most {results.BUSY_CORES} give figures worth "
                               "keeping.")
    text = document.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise processes.Failed(f"{document} lacks the lines {BEGIN} and {END}, between which the figures go.")
    images.mkdir(exist_ok=True)
    for batch in options.batches:
        shutil.copy(options.out / f"compare-{batch}.svg", images)
    document.write_text(f"{head}{BEGIN}\n{markdown}{END}{tail}", encoding="utf-8")
    print(f"Published in {document} and {images}")


def compare(options):
    chosen = chosen_systems(options)
    with contextlib.ExitStack() as stack:
        measured = measure(chosen, start_servers(chosen, options, stack), options)
    markdown, most = write_out(measured, chosen, options)
    if options.publish:
        publish(markdown, most, options)


if __name__ == "__main__":
    arguments = parse_arguments()
    sys.exit(processes.run_program("compare", lambda: compare(arguments)))
