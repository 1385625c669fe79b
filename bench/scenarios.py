#!/usr/bin/env python3
"""What a queue must bear besides many clients, each scenario with its aim. Prints a table of what was measured.

  bench/scenarios.py backlog     [--messages 5000000] [--rounds 3] [--seconds 5]
  bench/scenarios.py xmin        [--rounds 2] [--seconds 30] [--held-seconds as --seconds]
  bench/scenarios.py idle-queues [--queues 10000] [--seconds 30]
  bench/scenarios.py latency     [--rate 200] [--rounds 3] [--seconds 10]
  bench/scenarios.py replicas    [--rounds 3] [--seconds 5]
  bench/scenarios.py gateway     [--rounds 3] [--seconds 5] [--rate 200]
  bench/scenarios.py long-polls  [--polls 10000]
  all: [--bin build/release/bin] [--connections 64]

backlog      throughput with messages queued beside that with none, memory of the process, restart to the first receive
xmin         throughput and dead tuples while a transaction stays open in PostgreSQL, of Weir and of the SKIP LOCKED table
idle-queues  CPU and memory with queues that nobody uses
latency      paced messages to a consumer that waits, beside a single INSERT and commit at the same pace
replicas     two replicas, to which clients are dealt out in turn, beside one; four queues, so that both have some
gateway      SQS's JSON over HTTP beside gRPC: throughput, and latency at a pace
long-polls   so many long polls at once over HTTP: memory, and when they are answered, with a message each and in vain

Each starts a Weir of its own with a private PostgreSQL in a temporary folder. The exit code is 1 when something fails, not when an
aim is missed: on a machine that others use, aims of speed say nothing ("others" tells how many cores they took).
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time

from harness import processes, results

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCHES = (1, 10)
# How a client waits between its tries while the service is not there.
RETRY_S = 0.02


def bench(options, *words):
    """The object that a workload of weir-bench prints."""
    command = [str(word) for word in (options.bin / "weir-bench", *words, "--json")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise processes.Failed(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)


def of_weir(weir):
    return ["--target", weir.target, "--server-pid", weir.pid, "--database-url", weir.database_url]


def show(title, lines):
    """`lines`: (what, measured, aim)."""
    print(f"\n{title}")
    for what, measured, aim in lines:
        print(f"  {what:<58} {measured:<44} {aim}")


def others(measured):
    return f"at most {max(result['cpu']['cores_used_by_others'] for result in measured):.2f} cores"


@contextlib.contextmanager
def weir_of_its_own(options):
    with processes.temporary_folder() as folder:
        weir = processes.Weir(folder, options.bin)
        try:
            yield weir
        finally:
            weir.stop()


# ---- backlog

def restart_to_first_receive(options, weir, how):
    """Seconds from the start of the process to the first message that a client has. A client tries all the time."""
    weir.stop(how)
    started = time.monotonic()
    weir.start(wait_ready=False)
    deadline = started + processes.START_TIMEOUT_S
    while time.monotonic() < deadline:
        command = [options.bin / "weir", "receive", "backlog", "--endpoint", weir.target, "--wait", "1s", "-o", "json", "-q"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode == 0 and "receipt" in done.stdout:
            took = time.monotonic() - started
            while not (weir.folder / "ready.json").exists():
                time.sleep(RETRY_S)
            weir.read_ready_file()
            return took
        time.sleep(RETRY_S)
    raise processes.Failed(f"No message came within {processes.START_TIMEOUT_S} s after a restart: {done.stderr.strip()}")


def backlog(options):
    # One with the backlog and one without, so that rounds alternate.
    with weir_of_its_own(options) as empty, weir_of_its_own(options) as full:
        before = processes.memory_mib(full.pid)
        filled = bench(options, "fill", *of_weir(full), "--queue", "backlog", "--messages", options.messages, "--batch", 10,
                       "--connections", options.connections)
        after = processes.memory_mib(full.pid)
        rounds = {}
        for batch in BATCHES:
            for _ in range(options.rounds):
                for where, weir, more in (("none", empty, []), ("beside", full, []),
                                          ("within", full, ["--queue", "backlog", "--backlog", options.messages])):
                    rounds.setdefault((batch, where), []).append(
                        bench(options, "cycle", *of_weir(weir), "--connections", options.connections, "--seconds", options.seconds,
                              "--batch", batch, *more))
        most = processes.memory_mib(full.pid, "VmHWM")
        clean = restart_to_first_receive(options, full, signal.SIGTERM)
        killed = restart_to_first_receive(options, full, signal.SIGKILL)
        restarted = processes.memory_mib(full.pid)

    lines = [("fill, 10 a call", f"{filled['cycles_per_s']:,.0f} messages/s", "")]
    for batch in BATCHES:
        rate = {where: statistics.median(result["cycles_per_s"] for result in rounds[batch, where])
                for where in ("none", "beside", "within")}
        within_a_round = {where: [result["cycles_per_s"] / base["cycles_per_s"]
                                  for result, base in zip(rounds[batch, where], rounds[batch, "none"])] for where in rate}
        lines.append((f"{batch} a request: no backlog", f"{rate['none']:,.0f} cycles/s", ""))
        for where, what in (("beside", "another queue has the backlog"), ("within", "the same queue has it")):
            lines.append((f"{batch} a request: {what}", f"{rate[where]:,.0f} cycles/s, ratio {results.spread(within_a_round[where])}",
                          "aim: >= 0.8"))
    lines += [("memory of the process: before, filled, at most, restarted",
               f"{before:.0f}, {after:.0f}, {most:.0f}, {restarted:.0f} MiB", "aim: < 512 MiB"),
              ("restart to first receive: after SIGTERM", f"{clean:.2f} s", "aim: < 5 s"),
              ("restart to first receive: after SIGKILL", f"{killed:.2f} s", "aim: < 5 s"),
              ("others", others([result for measured in rounds.values() for result in measured]), "")]
    show(f"{options.messages:,} messages queued", lines)


# ---- xmin

class OpenTransaction:
    """Holds a snapshot, so that VACUUM can remove no row that dies after it."""

    def __init__(self, database_url):
        self._psql = subprocess.Popen(["psql", "-XqAt", database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._psql.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 'open' FROM pg_class LIMIT 1;\n")
        self._psql.stdin.flush()
        if self._psql.stdout.readline().strip() != "open":
            raise processes.Failed("psql could not open a transaction.")

    def close(self):
        self._psql.communicate("ROLLBACK;\n")


class DeadTuples(threading.Thread):
    """The most dead tuples seen while it runs, in Weir's shards and in the tables of weir-bench, by PostgreSQL's statistics."""
    QUERY = ("SELECT COALESCE(sum(n_dead_tup) FILTER (WHERE schemaname LIKE 'shard%'), 0),"
             " COALESCE(sum(n_dead_tup) FILTER (WHERE relname LIKE 'weir_bench%'), 0) FROM pg_stat_user_tables")

    def __init__(self, database_url):
        super().__init__()
        self._database_url = database_url
        self._over = threading.Event()
        self.shards = self.table = 0

    def run(self):
        while True:
            over = self._over.wait(1)
            done = subprocess.run(["psql", "-XqAtF", " ", self._database_url, "-c", self.QUERY], capture_output=True, text=True)
            if done.returncode == 0:
                shards, table = (int(word) for word in done.stdout.split())
                self.shards, self.table = max(self.shards, shards), max(self.table, table)
            if over:
                return

    def stop(self):
        self._over.set()
        self.join()


def xmin(options):
    # Held for long, without need for as long without: dead tuples grow with the time, the rate without does not.
    held_seconds = options.seconds if options.held_seconds is None else options.held_seconds
    measured = {}
    with weir_of_its_own(options) as weir:
        for _ in range(options.rounds):
            for workload in ("cycle", "skip-locked"):
                for held in (False, True):
                    dead = DeadTuples(weir.database_url)
                    transaction = OpenTransaction(weir.database_url) if held else None
                    dead.start()
                    try:
                        target = of_weir(weir) if workload == "cycle" else ["--database-url", weir.database_url]
                        result = bench(options, workload, *target, "--connections", options.connections,
                                       "--seconds", held_seconds if held else options.seconds)
                    finally:
                        dead.stop()
                        if transaction:
                            transaction.close()
                    measured.setdefault((workload, held), []).append(
                        (result, dead.shards if workload == "cycle" else dead.table))
    lines = []
    for workload, name, aim in (("cycle", "Weir", "aim: >= 95 %, no growth"), ("skip-locked", "SKIP LOCKED table", "")):
        rate, tuples = {}, {}
        for held in (False, True):
            rate[held] = statistics.median(result["cycles_per_s"] for result, _ in measured[workload, held])
            tuples[held] = max(count for _, count in measured[workload, held])
        lines += [(f"{name}: no open transaction", f"{rate[False]:,.0f} cycles/s, {tuples[False]:,} dead tuples", ""),
                  (f"{name}: with one", f"{rate[True]:,.0f} cycles/s, {tuples[True]:,} dead tuples", ""),
                  (f"{name}: of its rate without", f"{100 * rate[True] / rate[False]:.0f} %", aim)]
    lines.append(("others", others([result for runs in measured.values() for result, _ in runs]), ""))
    show(f"A transaction stays open in PostgreSQL (rounds of {options.seconds:g} s without and {held_seconds:g} s with one,"
         " one message a request)", lines)


# ---- idle queues

def cpu_percent(before, after, seconds):
    """Of a core; processes that ended meanwhile are left out."""
    return 100 * sum(spent - before.get(pid, 0) for pid, spent in after.items()) / seconds


def idle_queues(options):
    with weir_of_its_own(options) as weir:
        bench(options, "fill", *of_weir(weir), "--queue", "idle", "--queues", options.queues, "--messages", 1,
              "--connections", options.connections)

        def spent():
            postgres = processes.cpu_seconds_of_tree(weir.postgres_pid)
            return {pid: cpu for pid, cpu in processes.cpu_seconds_of_tree(weir.pid).items() if pid not in postgres}, postgres

        time.sleep(5)  # what the making of the queues left to do
        service_before, postgres_before = spent()
        time.sleep(options.seconds)
        service_after, postgres_after = spent()
        memory = processes.memory_mib(weir.pid)
    show(f"{options.queues:,} queues with a message each, idle for {options.seconds:g} s", [
        ("CPU of weir up (all services)", f"{cpu_percent(service_before, service_after, options.seconds):.2f} % of a core",
         "aim: not measurable"),
        ("CPU of PostgreSQL", f"{cpu_percent(postgres_before, postgres_after, options.seconds):.2f} % of a core", "aim: not measurable"),
        ("memory of weir up", f"{memory:.0f} MiB", "aim: < 200 MiB")])


# ---- latency

def latency(options):
    measured = {"latency": [], "insert-commit": []}
    with weir_of_its_own(options) as weir:
        for _ in range(options.rounds):
            for workload, runs in measured.items():
                target = of_weir(weir) if workload == "latency" else ["--database-url", weir.database_url]
                runs.append(bench(options, workload, *target, "--rate", options.rate, "--seconds", options.seconds))

    def median(workload, call, point):
        return results.median_of(measured[workload], "latency_ms", call, point)

    lines = []
    for point, aim in (("p50", "aim: <= 2"), ("p99", "aim: <= 4")):
        insert = median("insert-commit", "send", point)
        ratios = [weir["latency_ms"]["end_to_end"][point] / base["latency_ms"]["send"][point]
                  for weir, base in zip(measured["latency"], measured["insert-commit"])]
        lines += [(f"{point}: INSERT and commit", f"{insert:.3f} ms", ""),
                  (f"{point}: Weir, answer to the send", f"{median('latency', 'send', point):.3f} ms", ""),
                  (f"{point}: Weir, send to receive", f"{median('latency', 'end_to_end', point):.3f} ms", ""),
                  (f"{point}: by the INSERT's", results.spread(ratios), aim)]
    lines.append(("others", others([result for runs in measured.values() for result in runs]), ""))
    show(f"{options.rate:g} messages a second to a consumer that waits", lines)


# ---- replicas

def replicas(options):
    rates, runs = {}, []
    with weir_of_its_own(options) as weir:
        for _ in range(options.rounds):
            for count in (1, 2):
                with contextlib.ExitStack() as stack:
                    targets = [weir.target]
                    if count == 2:
                        second = processes.SecondReplica(weir, options.bin)
                        stack.callback(second.stop)
                        targets.append(second.target)
                    for batch in BATCHES:
                        runs.append(bench(options, "cycle", "--target", ",".join(targets), "--database-url", weir.database_url,
                                          "--queues", 4, "--batch", batch, "--connections", options.connections,
                                          "--seconds", options.seconds))
                        rates.setdefault((batch, count), []).append(runs[-1]["cycles_per_s"])
    lines = []
    for batch in BATCHES:
        one, two = rates[batch, 1], rates[batch, 2]
        lines += [(f"{batch} a request: one replica", f"{statistics.median(one):,.0f} cycles/s", ""),
                  (f"{batch} a request: two", f"{statistics.median(two):,.0f} cycles/s,"
                   f" ratio {results.spread([after / before for before, after in zip(one, two)])}", "aim: >= 1")]
    lines.append(("others, the replicas' own processes among them", others(runs), ""))
    show("Two replicas on this machine, four queues, each client at either", lines)


# ---- gateway

def of_gateway(weir):
    return ["--target", weir.gateway, "--server-pid", weir.pid, "--database-url", weir.database_url]


def gateway(options):
    runs = {}
    with weir_of_its_own(options) as weir:
        for _ in range(options.rounds):
            for batch in BATCHES:
                for workload, target in (("cycle", of_weir(weir)), ("sqs", of_gateway(weir))):
                    runs.setdefault((workload, batch), []).append(
                        bench(options, workload, *target, "--batch", batch, "--connections", options.connections,
                              "--seconds", options.seconds))
            for workload, target in (("latency", of_weir(weir)), ("sqs-latency", of_gateway(weir))):
                runs.setdefault((workload, 1), []).append(
                    bench(options, workload, *target, "--rate", options.rate, "--seconds", options.seconds))
    lines = []
    for batch in BATCHES:
        grpc, http = ([result["cycles_per_s"] for result in runs[workload, batch]] for workload in ("cycle", "sqs"))
        lines += [(f"{batch} a request: gRPC, unary", f"{statistics.median(grpc):,.0f} cycles/s", ""),
                  (f"{batch} a request: SQS over HTTP", f"{statistics.median(http):,.0f} cycles/s,"
                   f" ratio {results.spread([after / before for before, after in zip(grpc, http)])}", "aim: >= 0.5")]
    for call, what in (("send", "answer to the send"), ("end_to_end", "send to receive")):
        for point in ("p50", "p99"):
            grpc, http = ([result["latency_ms"][call][point] for result in runs[workload, 1]]
                          for workload in ("latency", "sqs-latency"))
            added = statistics.median(after - before for before, after in zip(grpc, http))
            lines.append((f"{options.rate:g}/s, {what}, {point}",
                          f"gRPC {statistics.median(grpc):.2f} ms, HTTP {statistics.median(http):.2f} ms, added {added:.2f} ms",
                          "aim: < 2 ms" if point == "p99" else ""))
    lines.append(("others", others([result for measured in runs.values() for result in measured]), ""))
    show("SQS's JSON over HTTP beside gRPC", lines)


# ---- long-polls

class SqsOverHttp:
    """One connection, kept alive."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, address):
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def call(self, operation, **parameters):
        body = json.dumps(parameters).encode()
        self._writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
                           b"X-Amz-Target: AmazonSQS.%s\r\nContent-Length: %d\r\n\r\n%s" % (operation.encode(), len(body), body))
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        answer = await self._reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise processes.Failed(f"{operation} was answered {head.splitlines()[0].decode()}: {answer.decode()}")
        return json.loads(answer) if answer else {}

    def close(self):
        self._writer.close()


async def poll_at_once(weir, front, count):
    """Two turns of `count` long polls: one that messages end, one that nothing ends. Answers the lines to show."""
    def memory():
        return [processes.memory_mib(process.pid) for process in (front, weir)]

    def cpu_seconds():
        return sum(processes.cpu_seconds_of_tree(process.pid)[process.pid] for process in (front, weir))

    wait_s, queues, messages_a_call = 20, 100, 10
    control = await SqsOverHttp.connect(front.address)
    urls = [(await control.call("CreateQueue", QueueName=f"polls-{number}"))["QueueUrl"] for number in range(queues)]
    before = memory()
    connections = [await SqsOverHttp.connect(front.address) for _ in range(count)]

    async def poll(number):
        begin = time.monotonic()
        answer = await connections[number].call("ReceiveMessage", QueueUrl=urls[number % queues], WaitTimeSeconds=wait_s)
        return time.monotonic(), time.monotonic() - begin, answer.get("Messages", [])

    begin = time.monotonic()
    polls = [asyncio.create_task(poll(number)) for number in range(count)]
    await asyncio.sleep(0)
    # Until they wait: the gateway has nothing to do with them any more.
    idle = 0
    while idle < 3:
        spent = cpu_seconds()
        await asyncio.sleep(0.5)
        idle = idle + 1 if cpu_seconds() - spent < 0.1 else 0
        if time.monotonic() - begin > wait_s - 5:
            raise processes.Failed(f"{count} long polls did not come to rest within {wait_s - 5} s; is the machine busy?")
    waiting = memory()
    too_early = sum(poll.done() for poll in polls)
    sent = time.monotonic()
    for start in range(0, count // queues, messages_a_call):
        for url in urls:
            entries = [{"Id": str(number), "MessageBody": f"{start + number}"}
                       for number in range(min(messages_a_call, count // queues - start))]
            await control.call("SendMessageBatch", QueueUrl=url, Entries=entries)
    answers = await asyncio.gather(*polls)
    served = max(at for at, _, _ in answers) - sent
    ids = [message["MessageId"] for _, _, messages in answers for message in messages]
    for url in urls:
        await control.call("PurgeQueue", QueueUrl=url)
    in_vain = await asyncio.gather(*(poll(number) for number in range(count)))
    shortest, longest = min(took for _, took, _ in in_vain), max(took for _, took, _ in in_vain)
    for connection in [control, *connections]:
        connection.close()
    return [("memory of weir-gateway: before, with all waiting", f"{before[0]:.0f}, {waiting[0]:.0f} MiB", "aim: < 300 MiB"),
            ("memory of weir up, the queue service in it", f"{before[1]:.0f}, {waiting[1]:.0f} MiB", ""),
            ("answered before there was a message", f"{too_early}", "aim: 0"),
            ("answered with a message each", f"{len(set(ids)):,} of {count:,}, the last {served:.1f} s after the first send", "aim: all"),
            (f"answered in vain, asked to wait {wait_s} s",
             f"{sum(not messages for _, _, messages in in_vain):,}, after {shortest:.1f} to {longest:.1f} s", f"aim: {wait_s} s")]


def long_polls(options):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with weir_of_its_own(options) as weir, contextlib.ExitStack() as stack:
        front = processes.Gateway(weir, options.bin)
        stack.callback(front.stop)
        lines = asyncio.run(poll_at_once(weir, front, options.polls))
    show(f"{options.polls:,} long polls at once over HTTP", lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="SCENARIO")

    def add(name, run, rounds, seconds):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--rounds", type=int, default=rounds)
        command.add_argument("--seconds", type=float, default=seconds)
        command.add_argument("--connections", type=int, default=64)
        command.add_argument("--bin", default=ROOT / "build/release/bin", type=pathlib.Path)
        return command

    add("backlog", backlog, 3, 5).add_argument("--messages", type=int, default=5_000_000)
    add("xmin", xmin, 2, 30).add_argument("--held-seconds", type=float,
                                          help="length of the rounds with an open transaction (default: --seconds)")
    add("idle-queues", idle_queues, 1, 30).add_argument("--queues", type=int, default=10_000)
    add("replicas", replicas, 3, 5)
    add("latency", latency, 3, 10).add_argument("--rate", type=float, default=200)
    add("gateway", gateway, 3, 5).add_argument("--rate", type=float, default=200)
    add("long-polls", long_polls, 1, 0).add_argument("--polls", type=int, default=10_000)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse_arguments()
    sys.exit(processes.run_program("scenarios", lambda: arguments.run(arguments)))
