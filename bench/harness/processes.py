"""Servers of one's own: in a temporary folder, on free ports, gone at the end."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class Failed(Exception):
    """A message for people."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def port_is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def temporary_folder():
    # Not /tmp: that is often memory, and then nothing is ever synced to a disk.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench.", dir="/var/tmp"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_program(name, run):
    """Runs it and answers the exit code. SIGTERM ends it as Ctrl-C does, so that what it started is stopped."""
    def interrupt(_signal, _frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run()
    except Failed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; everything that it started is stopped.", file=sys.stderr)
        return 130
    return 0


class Process:
    """A server process and all that it starts. Its output goes to a file beside its data."""

    def __init__(self, name, command, folder, ready, env=None):
        self.name = name
        self._log = folder / f"{name}.log"
        # A process group, so that all of it can be stopped, but no session of its own: the kernel may share the cores out among
        # sessions (sched_autogroup), which would weigh clients against servers, and weir-bench's baseline has its PostgreSQL with them.
        with open(self._log, "ab") as log:
            try:
                self._process = subprocess.Popen(
                    [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                    env={**os.environ, **(env or {})}, process_group=0)
            except FileNotFoundError as error:
                raise Failed(f"{command[0]} is not installed; tools/install-deps --peers brings it.") from error
        try:
            self._await(ready)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self._process.pid

    def _await(self, ready):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = self._log.read_text(errors="replace")[-2000:]
                raise Failed(f"{self.name} did not get ready within {START_TIMEOUT_S} s. Its last words:\n{log}")
            time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        if self._process.poll() is None:
            self._process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):  # what it left behind, or all when it does not end
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Weir:
    """`weir up` with a private PostgreSQL. Ports stay the same over a restart."""

    def __init__(self, folder, bin_folder, wait_ready=True):
        self.folder = folder
        self._weir = pathlib.Path(bin_folder).resolve() / "weir"
        self._ports = [free_port() for _ in range(3)]
        self.target = f"127.0.0.1:{self._ports[0]}"
        self.start(wait_ready)

    def start(self, wait_ready=True):
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        queue, runner, metrics = self._ports
        self._process = Process(
            "weir", [self._weir, "up", "--data-dir", self.folder / "data", "--ready-file", ready_file, "--queue-port", queue,
                     "--runner-port", runner, "--gateway-port", "0", "--metrics-port", metrics],
            self.folder, ready_file.exists if wait_ready else lambda: True)
        if wait_ready:
            self.read_ready_file()

    def read_ready_file(self):
        ready = json.loads((self.folder / "ready.json").read_text())
        self.pid = ready["pid"]
        self.postgres_pid = ready["postgres_pid"]
        self.database_url = ready["database_url"]
        self.gateway = ready["gateway"].removeprefix("http://")

    def stop(self, how=signal.SIGTERM):
        self._process.stop(how)


class SecondReplica:
    """`weir-queue` over the PostgreSQL of a Weir, with which it shares the shards; ready once it has its share."""
    SHARE_TIMEOUT_S = 30

    def __init__(self, weir, bin_folder):
        bin_folder = pathlib.Path(bin_folder).resolve()
        self.target = f"127.0.0.1:{free_port()}"
        self._status = [bin_folder / "weir", "cluster", "status", "-o", "json", "--endpoint", self.target]
        self._process = Process(
            "replica", [bin_folder / "weir-queue", "--listen", self.target, "--database-url", weir.database_url, "--metrics-listen",
                        f"127.0.0.1:{free_port()}"], weir.folder, self._has_its_share)

    def _has_its_share(self):
        done = subprocess.run([str(word) for word in self._status], capture_output=True, text=True)
        if done.returncode != 0:
            return False
        owners = [shard["owner"] for shard in json.loads(done.stdout)["shards"] if shard["state"] == "SERVING"]
        return len(set(owners)) == 2 and max(owners.count(owner) for owner in owners) <= -(-len(owners) // 2)

    def stop(self):
        self._process.stop()


class Gateway:
    """`weir-gateway` in front of a Weir, a process of its own as in a cluster."""

    def __init__(self, weir, bin_folder):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._process = Process(
            "gateway", [pathlib.Path(bin_folder).resolve() / "weir-gateway", "--listen", self.address, "--queue-endpoint", weir.target,
                        "--auth", "off", "--metrics-listen", f"127.0.0.1:{free_port()}"], weir.folder, lambda: port_is_open(port))
        self.pid = self._process.pid

    def stop(self):
        self._process.stop()


class RabbitMq:
    def __init__(self, folder, _bin_folder):
        port, distribution_port, epmd_port = free_port(), free_port(), free_port()
        for name in ("mnesia", "log", "home"):
            (folder / name).mkdir()
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        env = {
            "HOME": str(folder / "home"),  # the cookie
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_NODENAME": f"weir-bench-{os.getpid()}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self.target = f"127.0.0.1:{port}"
        # Erlang's name server, which a node would otherwise leave running for ever.
        self._epmd = Process("epmd", ["epmd", "-port", epmd_port], folder, lambda: port_is_open(epmd_port), env)
        try:
            # Not the script in PATH: it wants a user of the system.
            self._server = Process("rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], folder, lambda: port_is_open(port), env)
        except BaseException:
            self._epmd.stop()
            raise
        self.pid = self._server.pid

    def stop(self):
        self._server.stop()
        self._epmd.stop()


class Simple:
    """A server that is one process."""

    def __init__(self, name, command, port, folder):
        self.target = f"127.0.0.1:{port}"
        self._process = Process(name, command, folder, lambda: port_is_open(port))
        self.pid = self._process.pid

    def stop(self):
        self._process.stop()


def start_jetstream(folder, _bin_folder):
    port = free_port()
    (folder / "nats.conf").write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/jetstream" }}\n')
    return Simple("nats", ["nats-server", "-c", folder / "nats.conf"], port, folder)


def start_redis(folder, _bin_folder):
    port = free_port()
    (folder / "redis.conf").write_text(
        f'port {port}\nbind 127.0.0.1\ndir "{folder}"\nappendonly yes\nappendfsync always\nsave ""\n')
    return Simple("redis", ["redis-server", folder / "redis.conf"], port, folder)


def start_beanstalkd(folder, _bin_folder):
    port = free_port()
    (folder / "log").mkdir()
    return Simple("beanstalkd", ["beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", folder / "log", "-f0"], port, folder)


def cpu_seconds_of_tree(pid):
    """User and system time of a process and of all that it started and that still run, by pid."""
    children = {}
    times = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                times[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree, todo = {}, [pid]
    while todo:
        current = todo.pop()
        tree[current] = times.get(current, 0.0)
        todo += children.get(current, [])
    return tree


def memory_mib(pid, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise Failed(f"Process {pid} does not tell its {what}.")
