"""Real Redis servers: one alone, a cluster, and one with Sentinels. Each is ended with its test."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

SECONDS = 40
# The program that is tested. It is a Sentinel, too; what people type is sent by the client of Debian's.
SERVER = os.environ.get("TESTED_REDIS", "redis-server")
MASTER = "parlor"
# Redis 6.2 has the ports of a cluster's nodes so far above those of clients.
BUS = 10000
# What a replica says when it has all that its master has.
IN_STEP = ("(MASTER|PRIMARY) <-> REPLICA sync: "
           "(Finished with success|(Master|Primary) accepted a Partial Resynchronization)")


def others():
    """The other servers that the set-up has brought."""
    folder = os.path.join(parlor.ROOT, "target", "redis")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name != "wanted")


_given = set()
_giving = threading.Lock()


def free_port():
    """One that the kernel chose, and that this program has not given before."""
    with _giving:
        while True:
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                port = one.getsockname()[1]
            if port not in _given:
                _given.add(port)
                return port


def free_pair():
    """A port, and BUS above it another one, by which the nodes of a cluster speak with each other."""
    while True:
        port = free_port() - BUS
        with _giving, socket.socket() as one:
            if port < 1024 or port in _given:
                continue
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port


class ReplyError(Exception):
    """Redis has answered with an error."""


class Client:
    """Commands, one after another."""

    def __init__(self, port, password=None):
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._file = self._socket.makefile("rb")
        if password:
            self.ask("AUTH", password)

    def ask(self, *words):
        words = [str(word).encode() if not isinstance(word, bytes) else word for word in words]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in words))
        reply = self._read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def _read(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind in b"+:":
            return rest.decode() if kind == b"+" else int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2].decode(errors="replace")
        return None if rest == b"-1" else [self._read() for _ in range(int(rest))]

    def close(self):
        self._file.close()
        self._socket.close()


class Process:
    """A process and the lines that it says."""

    def __init__(self, *command, cwd):
        self.process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self._lines = []
        self._grown = threading.Condition()
        self._has_ended = False
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _collect(self):
        for line in self.process.stdout:
            with self._grown:
                self._lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._has_ended = True
            self._grown.notify_all()

    def wait_for(self, pattern, since=0, seconds=SECONDS):
        """The first line with this pattern from line `since` on, or None where it has ended without."""
        def find():
            return next((line for line in self._lines[since:] if re.search(pattern, line)), None)
        with self._grown:
            if not self._grown.wait_for(lambda: find() or self._has_ended, seconds):
                raise AssertionError("no %r from Redis:\n%s" % (pattern, "".join(self._lines[-40:])))
            return find()

    def said(self):
        """How many lines it has said."""
        with self._grown:
            return len(self._lines)

    def log(self):
        with self._grown:
            return "".join(self._lines)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Without a chance to write anything."""
        self.process.kill()
        self.process.wait()
        self._collector.join()
        self.process.stdout.close()


class Redis:
    """One server in a folder of its own, at the same port whenever it is started again."""

    def __init__(self, folder, *settings, password=None, user=None, tls=None, port=None):
        """`settings` are those of redis.conf as flags, `tls` the files of its certificate."""
        self.folder, self.password, self.user, self._tls = folder, password, user, tls
        self._settings = list(settings)
        os.makedirs(folder, exist_ok=True)
        self.port = self.plain_port = port or free_port()
        self._process = None
        self._client = None
        self.start()

    @property
    def url(self):
        who = "%s:%s@" % (self.user or "", self.password) if self.password else ""
        return "%s://%s%s:%d" % ("rediss" if self._tls else "redis", who, "localhost" if self._tls else "127.0.0.1",
                                 self.port)

    @property
    def pid(self):
        return self._process.process.pid

    def _flags(self):
        flags = ["--bind", "127.0.0.1", "--save", "", "--loglevel", "notice", "--logfile", "", "--daemonize", "no"]
        if self._tls:
            certificate, key, trusted = self._tls
            flags += ["--tls-port", str(self.port), "--tls-cert-file", certificate, "--tls-key-file", key,
                      "--tls-ca-cert-file", trusted, "--tls-auth-clients", "no", "--port", str(self.plain_port)]
        else:
            flags += ["--port", str(self.port)]
        flags += ["--requirepass", self.password, "--masterauth", self.password] if self.password else []
        return flags + self._settings

    def start(self):
        """Returns when it answers. Another program may have taken the port for a moment, as its side of a connection."""
        if self._tls and self.plain_port == self.port:
            self.plain_port = free_port()
        for _ in range(50):
            self._process = Process(SERVER, *self._flags(), cwd=self.folder)
            if self._process.wait_for("Ready to accept connections"):
                return self
            said = self._process.log()
            self._process.end()
            if "Address already in use" not in said:
                raise RuntimeError(said)
        raise RuntimeError(said)

    def ask(self, *words):
        if self._client is None:
            self._client = Client(self.plain_port, self.password)
        return self._client.ask(*words)

    def has_keys(self):
        return self.ask("DBSIZE") > 0

    def kill(self):
        self._forget_client()
        # One that is stopped does not end before it goes on.
        self._process.end()

    def terminate(self):
        """As an operator ends it."""
        self._forget_client()
        self._process.signal(signal.SIGTERM)
        self._process.process.wait(SECONDS)
        self._process.end()

    def lose_everything(self):
        """Starts again without what it had."""
        self.kill()
        shutil.rmtree(self.folder)
        os.makedirs(self.folder)
        self.start()

    def stop(self):
        self._process.signal(signal.SIGSTOP)

    def go_on(self):
        self._process.signal(signal.SIGCONT)

    def wait_for(self, pattern, since=0):
        found = self._process.wait_for(pattern, since)
        if found is None:
            raise AssertionError("Redis has ended:\n" + self._process.log())
        return found

    def said(self):
        return self._process.said()

    def close(self):
        self._forget_client()
        self._process.end()

    def _forget_client(self):
        if self._client:
            self._client.close()
            self._client = None


def run_cli(*arguments):
    done = subprocess.run(["redis-cli", *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0 or "[ERR]" in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


class Cluster:
    """Three masters, each with a replica."""

    SLOTS = 16384
    NODE_TIMEOUT_MS = 2000

    def __init__(self, folder):
        self.nodes = []
        for number in range(6):
            self.nodes.append(Redis(os.path.join(folder, "node-%d" % number), "--cluster-enabled", "yes",
                                    "--cluster-node-timeout", str(self.NODE_TIMEOUT_MS), "--appendonly", "yes",
                                    port=free_pair()))
        said = [node.said() for node in self.nodes]
        run_cli("--cluster", "create", *["127.0.0.1:%d" % node.port for node in self.nodes], "--cluster-replicas", "1",
                "--cluster-yes")
        for node, since in zip(self.nodes, said):
            node.wait_for("Cluster state changed: ok", since)
        for node in self.replicas():
            node.wait_for(IN_STEP)

    @property
    def urls(self):
        return [node.url for node in self.nodes[:3]]

    def _by_role(self, role):
        return [node for node in self.nodes if node.ask("ROLE")[0] == role]

    def masters(self):
        return self._by_role("master")

    def replicas(self):
        return self._by_role("slave")

    def slot_of_room(self, room):
        """Where the keys are that have this name in theirs."""
        for node in self.masters():
            for key in node.ask("KEYS", "*" + room + "*"):
                return node.ask("CLUSTER", "KEYSLOT", key)
        raise AssertionError("no keys of %s" % room)

    def owner(self, slot):
        for first, last, (_, port, *_), *_ in self.masters()[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError("nobody has slot %d" % slot)

    def move(self, slot):
        """Moves a slot to another master, as redis-cli does: key by key, while it is used."""
        source = self.owner(slot)
        target = next(node for node in self.masters() if node is not source)
        source_id, target_id = (node.ask("CLUSTER", "MYID") for node in (source, target))
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
            # A key may have expired since.
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *(it for it in self.masters() if it not in (source, target))):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        return source, target

    def replica_of(self, master):
        return next(node for node in self.replicas() if node.ask("ROLE")[2] == master.port)

    def fail_over(self, master):
        """The replica takes over from a master that is there, and loses nothing."""
        replica = self.replica_of(master)
        began = master.said()
        # So soon after another election the masters may not vote.
        while True:
            since = replica.said()
            replica.ask("CLUSTER", "FAILOVER")
            if "won" in replica.wait_for("Failover election won|Manual failover timed out", since):
                break
        master.wait_for(IN_STEP, began)
        return replica

    def kill(self, master):
        """The replica takes over from a master that is gone. Returns when it has."""
        replica = self.replica_of(master)
        since = replica.said()
        master.kill()
        self.nodes.remove(master)
        replica.wait_for("Failover election won", since)
        return replica

    def close(self):
        for node in self.nodes:
            node.close()


class Sentinels:
    """A master, a replica, and three Sentinels that watch them."""

    DOWN_AFTER_MS = 1000

    def __init__(self, folder):
        self.master = Redis(os.path.join(folder, "master"), "--appendonly", "yes")
        self.replica = Redis(os.path.join(folder, "replica"), "--replicaof", "127.0.0.1", str(self.master.port))
        self.replica.wait_for(IN_STEP)
        self._sentinels, self._ports = [], []
        for number in range(3):
            self._start_sentinel(os.path.join(folder, "sentinel-%d" % number))
        for sentinel, own in zip(self._sentinels, self._ports):
            # The replica, and the two others.
            sentinel.wait_for(r"\+slave ")
            for port in self._ports:
                if port != own:
                    sentinel.wait_for(r"\+sentinel .* 127\.0\.0\.1 %d " % port)

    @property
    def urls(self):
        return ["redis+sentinel://127.0.0.1:%d/%s" % (port, MASTER) for port in self._ports]

    def _start_sentinel(self, folder):
        os.makedirs(folder)
        port = free_port()
        with open(os.path.join(folder, "sentinel.conf"), "w", encoding="ascii") as file:
            file.write("bind 127.0.0.1\nport %d\nsentinel monitor %s 127.0.0.1 %d 2\n"
                       "sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 10000\n"
                       % (port, MASTER, self.master.port, MASTER, self.DOWN_AFTER_MS, MASTER))
        process = Process(SERVER, "sentinel.conf", "--sentinel", cwd=folder)
        self._sentinels.append(process)
        self._ports.append(port)
        if not process.wait_for(r"\+monitor master"):
            raise RuntimeError(process.log())

    def _fail_over(self, begin):
        since = [sentinel.said() for sentinel in self._sentinels]
        begin()
        for sentinel, line in zip(self._sentinels, since):
            sentinel.wait_for(r"\+switch-master", line)
        self.master, self.replica = self.replica, self.master

    def fail_over(self):
        """The replica becomes the master, and the master its replica."""
        with contextlib.closing(Client(self._ports[0])) as client:
            self._fail_over(lambda: client.ask("SENTINEL", "FAILOVER", MASTER))

    def kill_master(self):
        self._fail_over(self.master.kill)

    def close(self):
        for sentinel in self._sentinels:
            sentinel.end()
        self.master.close()
        self.replica.close()


def certificate(folder):
    """The certificate of Redis, its key, and the file that clients trust."""
    _, trusted = parlor.authority(folder)
    return os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"), trusted
