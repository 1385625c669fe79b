"""The systems that are compared: how each is started, driven, and what its answers promise."""

import dataclasses
import json
import pathlib
import subprocess
import typing

from harness import processes

COMMITTED = "commit with fsync before every answer: send, receive, delete"
BASELINE = "skip-locked"


@dataclasses.dataclass(frozen=True)
class System:
    key: str
    label: str
    durability: str
    synced: bool                 # what was answered survives a loss of power
    server: str                  # a key of SERVERS
    program: str
    workload: str
    # Arguments for a batch size and a number of connections.
    arguments: typing.Callable[[int, int], list]
    note: typing.Callable[[int, int], str] = lambda batch, connections: ""
    unanswered: tuple = ()       # calls that nobody answers, so that their time says nothing

    def name(self, batch, connections):
        note = self.note(batch, connections)
        return f"{self.label}, {note}" if note else self.label

    def small_print(self, batch, connections):
        note = self.note(batch, connections)
        return f"{note}; {self.durability}" if note else self.durability


def cyclers(batch, connections):
    return ["--batch", batch, "--connections", connections]


def publishers(batch, connections):
    """One at a time: so many publishers, each waiting for its confirm. Else few that have 100 under way."""
    return (connections, 1) if batch == 1 else (4, 100)


def rabbitmq_arguments(batch, connections):
    count, outstanding = publishers(batch, connections)
    return ["--connections", count, "--outstanding", outstanding]


def stream_arguments(batch, connections):
    count, outstanding = publishers(batch, connections)
    return ["--producers", count, "--outstanding", outstanding, "--batch", batch]


def publishers_note(batch, connections):
    return "%d publishers with %d outstanding" % publishers(batch, connections)


SERVERS = {
    "weir": processes.Weir,
    "rabbitmq": processes.RabbitMq,
    "jetstream": processes.start_jetstream,
    "redis": processes.start_redis,
    "beanstalkd": processes.start_beanstalkd,
}

SYSTEMS = [
    System("weir", "Weir, gRPC unary", COMMITTED, True, "weir", "weir-bench", "cycle", cyclers),
    System("weir-stream", "Weir, gRPC streams", COMMITTED, True, "weir", "weir-bench", "stream", stream_arguments,
           publishers_note),
    System("weir-sqs", "Weir, SQS over HTTP", COMMITTED, True, "weir", "weir-bench", "sqs", cyclers),
    System(BASELINE, "SKIP LOCKED table", COMMITTED, True, "weir", "weir-bench", "skip-locked", cyclers),
    System("rabbitmq", "RabbitMQ quorum queue",
           "fsync before a confirm; deliveries are not stored, acks are not answered",
           True, "rabbitmq", "weir-bench-peers", "rabbitmq", rabbitmq_arguments, publishers_note),
    System("jetstream", "NATS JetStream",
           "file storage without fsync before an answer (every 2 minutes); acks are not answered",
           False, "jetstream", "weir-bench-peers", "jetstream", cyclers, unanswered=("delete",)),
    System("redis", "Redis stream",
           "appendfsync always: fsync before every answer; a message is XADD, XREADGROUP, XACK + XDEL", True, "redis", "weir-bench-peers", "redis", cyclers,
           lambda batch, connections: "" if batch == 1 else f"pipelined by {batch}"),
    System("beanstalkd", "beanstalkd",
           "-f0: fsync before the answers to put and delete; reserves are not stored", True, "beanstalkd", "weir-bench-peers",
           "beanstalkd", cyclers, lambda batch, connections: "" if batch == 1 else f"pipelined by {batch}"),
]
BY_KEY = {system.key: system for system in SYSTEMS}

# Debian packages of the servers, whose versions belong to the figures.
PACKAGES = {"weir": "postgresql-15", "rabbitmq": "rabbitmq-server", "jetstream": "nats-server", "redis": "redis-server",
            "beanstalkd": "beanstalkd"}


def workloads_of(program):
    """Names of the workloads that a program lists in its help."""
    if not program.exists():
        return set()
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    return parse_workloads(text)


def parse_workloads(help_text):
    _, _, listed = help_text.partition("Subcommands:\n")
    return {line.split()[0] for line in listed.splitlines() if line.startswith("  ") and not line.startswith("   ")}


def run(system, server, options, batch):
    """One measurement; the object that the workload prints."""
    command = [pathlib.Path(options.bin) / system.program, system.workload, *system.arguments(batch, options.connections),
               "--body", options.body, "--seconds", options.seconds, "--json"]
    if system.key != BASELINE:
        command += ["--target", server.gateway if system.workload == "sqs" else server.target]
        if server.pid:
            command += ["--server-pid", server.pid]
    if system.server == "weir":
        command += ["--database-url", server.database_url]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise processes.Failed(f"{system.program} {system.workload} failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)
