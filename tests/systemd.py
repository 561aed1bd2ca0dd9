#!/usr/bin/env python3
"""What systemd and the server tell each other, with a manager that the test plays, and what systemd says of the units.

Sockets are passed as sd_listen_fds(3) has it, and what the server tells is received as sd_notify(3) has it. No systemd runs.
"""

import array
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import urllib.request

import parlor

SECONDS = 20
UNITS = os.path.join(parlor.ROOT, "assets", "systemd")
# Of `systemd-analyze security`, from 0 to 10, in tenths: the README names it.
MOST_EXPOSED = 12
# Signs of life of one server that must come while another one gives none.
SIGNS = 10
# Seconds that the manager waits for a sign of life.
WATCHDOG = 0.1

# Puts the descriptors that it is given where systemd puts them, and becomes the server.
LAUNCHER = """
import fcntl, os, sys
given = [int(number) for number in sys.argv[1].split(",") if number]
aside = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 100) for number in given]
for number in given:
    os.close(number)
for place, number in enumerate(aside, 3):
    os.dup2(number, place)
os.environ["LISTEN_PID"] = os.environ.pop("PLAYED_PID", str(os.getpid()))
os.environ.setdefault("LISTEN_FDS", str(len(aside)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def passing(sockets, names):
    """How `parlor.Server` starts with these sockets."""
    numbers = [it.fileno() for it in sockets]
    environment = {} if names is None else {"LISTEN_FDNAMES": ":".join(names)}
    return {"prefix": [sys.executable, "-c", LAUNCHER, ",".join(map(str, numbers))], "descriptors": numbers,
            "environment": environment}


class Manager:
    """What systemd is to a service: it receives what is told, and stores descriptors."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.environment = {"NOTIFY_SOCKET": self.path}
        self.stored = []  # Names and sockets.
        self._told = []
        self._grown = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.path)
        self._thread.join()
        self._socket.close()
        os.remove(self.path)
        for _, stored in self.stored:
            stored.close()

    def _receive(self):
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 8)
            if not data:
                return
            states = dict(line.split("=", 1) for line in data.decode().splitlines())
            with self._grown:
                self._obey(states, descriptors)
                self._told.append(states)
                self._grown.notify_all()

    def _obey(self, states, descriptors):
        name = states.get("FDNAME")
        if "FDSTORE" in states:
            self.stored += [(name, socket.socket(fileno=number)) for number in descriptors]
            return
        for number in descriptors:
            os.close(number)
        if "FDSTOREREMOVE" in states:
            for _, stored in (it for it in self.stored if it[0] == name):
                stored.close()
            self.stored = [it for it in self.stored if it[0] != name]

    def told(self):
        with self._grown:
            return list(self._told)

    def forget(self):
        with self._grown:
            self._told.clear()

    def count(self, name):
        return sum(name in states for states in self.told())

    def wait_for(self, name, count=1):
        """The states that came with this one, as soon as it was told so often."""
        def found():
            return [states for states in self._told if name in states]
        with self._grown:
            if not self._grown.wait_for(lambda: len(found()) >= count, SECONDS):
                raise AssertionError("%d of %s are not in %s" % (count, name, self._told))
            return found()[count - 1]

    def restart(self):
        """How a server starts that is given what is stored, as systemd does it."""
        return passing([it for _, it in self.stored], [name for name, _ in self.stored])


def tcp(address="127.0.0.1", listens=True):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.bind((address, 0))
    if listens:
        made.listen()
    return made


def udp(address="127.0.0.1"):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


def port_of(it):
    return it.getsockname()[1]


def get(port, path, host="127.0.0.1"):
    with urllib.request.urlopen("http://%s:%d%s" % (host, port, path), timeout=SECONDS) as response:
        return response.read().decode()


def answer(connection):
    """What the server says first, to one who has asked before it was there."""
    connection.settimeout(SECONDS)
    return connection.recv(4096).decode()


def lines(port):
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def texts(port):
    return [message["data"] for message in json.loads(get(port, "/rooms/tea/messages"))["messages"]]


class Fixture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.manager = self.new_manager()

    def new_manager(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        manager = Manager(folder)
        self.addCleanup(manager.close)
        return manager

    def held(self, made):
        self.addCleanup(made.close)
        return made

    def started(self, *flags, environment={}, descriptors=(), **options):
        """A server of the manager, which a test may kill before its end."""
        environment = {**self.manager.environment, **environment}
        server = parlor.Server("--bind", "127.0.0.1", *flags, environment=environment, descriptors=descriptors, **options)
        self.addCleanup(server.kill)
        return server

    def passed(self, sockets, names, *flags, environment={}):
        how = passing(sockets, names)
        how["environment"] = {**how["environment"], **environment}
        return self.started(*flags, **how)


class Activation(Fixture):
    def serves_all(self, server, http, line, datagram):
        self.assertEqual(server.port, port_of(http))
        self.assertIn("ok", get(port_of(http), "/healthz"))
        with lines(port_of(line)) as connection:
            self.assertIn("you are", answer(connection))
        self.serves_datagrams(server, datagram)

    def serves_datagrams(self, server, datagram):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device, \
                urllib.request.urlopen("http://127.0.0.1:%d/rooms/tea/events" % server.port, timeout=SECONDS) as events:
            device.sendto(b"tea hello", datagram.getsockname())
            self.assertTrue(any(b'"hello"' in line for line in events))

    def test_each_door(self):
        sockets = [self.held(it) for it in (udp(), tcp(), tcp())]
        datagram, line, http = sockets
        server = self.passed(sockets, ["datagrams", "lines", "http"])
        self.serves_all(server, http, line, datagram)
        self.assertIn(":%d" % port_of(line), server.process.stdout.readline())
        self.assertIn(":%d" % port_of(datagram), server.process.stdout.readline())

    def test_one_door_and_the_others_by_the_settings(self):
        line = self.held(tcp())
        server = self.passed([line], ["lines"], "--line-port", "0")
        self.assertNotEqual(server.port, port_of(line))
        self.assertIn(":%d" % port_of(line), server.process.stdout.readline())
        self.assertIn("ok", get(server.port, "/healthz"))

    def test_without_names_sockets_are_used_for_what_they_are(self):
        for names in (None, ["parlor.socket", "parlor.socket"], ["unknown", ""]):
            with self.subTest(names=names):
                http, datagram = self.held(tcp()), self.held(udp())
                server = self.passed([http, datagram], names)
                self.assertEqual(server.port, port_of(http))
                self.serves_datagrams(server, datagram)

    def test_several_sockets_for_datagrams(self):
        sockets = [self.held(udp()) for _ in range(3)]
        server = self.passed(sockets, ["datagrams"] * 3)
        for datagram in sockets:
            self.serves_datagrams(server, datagram)

    def test_those_who_came_before_the_server_are_served(self):
        http, line = self.held(tcp()), self.held(tcp())
        with lines(port_of(http)) as early, lines(port_of(line)) as other:
            early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.passed([http, line], ["http", "lines"])
            self.assertIn("200 OK", answer(early))
            self.assertIn("you are", answer(other))

    def test_sockets_of_another_process_are_left_alone(self):
        http = self.held(tcp())
        server = self.passed([http], ["http"], environment={"PLAYED_PID": "1"})
        self.assertNotEqual(server.port, port_of(http))

    def refusal(self, sockets, names, environment={}):
        """What a server says that does not start."""
        how = passing(sockets, names)
        done = subprocess.run([*how["prefix"], parlor.BINARY, "--port", "0"], capture_output=True, text=True,
                              pass_fds=how["descriptors"], timeout=SECONDS,
                              env={**os.environ, **self.manager.environment, **how["environment"], **environment})
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertEqual(self.manager.count("READY"), 0)
        return done.stderr

    def test_a_wrong_socket_is_refused_with_what_to_do(self):
        local = self.held(socket.socket(socket.AF_UNIX))
        local.bind(os.path.join(self.folder, "local"))
        local.listen()
        file = self.held(open(os.devnull, "rb"))  # pylint: disable=consider-using-with
        pair = [self.held(it) for it in socket.socketpair()]
        for sockets, names, said in [
                ([tcp()], ["chat"], r'"chat" .* unknown name; FileDescriptorName= is "http" or "lines"'),
                ([udp()], ["http"], r'"http" .* no streams; use ListenStream='),
                ([udp()], ["lines"], r'"lines" .* no streams; use ListenStream='),
                ([tcp()], ["datagrams"], r'"datagrams" .* no datagrams; use ListenDatagram='),
                ([tcp(listens=False)], ["http"], r'"http" .* does not listen; use Accept=no'),
                ([local], ["http"], r'"http" .* no IP address; give it a port'),
                (pair[:1], ["parlor.socket"], r'"parlor.socket" .* no IP address'),
                ([file], ["http"], r'"http" .* is no socket'),
                ([os.fdopen(os.dup(file.fileno()), "rb")], None, r'"unknown" .* is no socket'),
                ([tcp(), tcp()], ["http", "http"], r'"http" .* second one for http'),
                ([tcp(), tcp()], None, r'"unknown" .* second one for http'),
                ([tcp()], ["http", "lines"], r"LISTEN_FDNAMES")]:
            with self.subTest(names=names, said=said):
                self.assertRegex(self.refusal(sockets, names), said)
            for it in sockets:
                it.close()

    def test_a_wrong_environment_is_refused_with_what_to_do(self):
        http = self.held(tcp())
        for environment in ({"LISTEN_FDS": "many"}, {"LISTEN_FDS": "70000"}, {"LISTEN_FDS": "4294967295"},
                            {"PLAYED_PID": "me"}):
            with self.subTest(environment=environment):
                said = self.refusal([http], None, environment)
                self.assertRegex(said, r"cannot take the sockets that systemd passes: .*; start the server by systemd, or")


class States(Fixture):
    def test_ready_comes_behind_the_address_and_clients_are_served(self):
        output, end = os.pipe()
        self.addCleanup(os.close, output)
        # A full pipe: the address cannot be printed yet.
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
        os.write(end, b" " * 4096)
        process = subprocess.Popen([parlor.BINARY, "--port", "0", "--bind", "127.0.0.1"], stdout=end,
                                   env={**os.environ, **self.manager.environment})
        os.close(end)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        self.manager.wait_for("FDSTORE")
        # Another one has the time to become ready meanwhile.
        other = self.new_manager()
        self.started(environment=other.environment)
        other.wait_for("READY")
        self.assertEqual(self.manager.count("READY"), 0)
        self.assertEqual(os.read(output, 4096).strip(), b"")
        states = self.manager.wait_for("READY")
        self.assertEqual(states, {"READY": "1", "STATUS": "serving"})
        address = os.read(output, 4096).decode()
        self.assertIn("ok", get(int(re.search(r":(\d+) ", address).group(1)), "/healthz"))

    def test_a_server_that_does_not_start_is_not_ready(self):
        with tcp() as taken:
            done = subprocess.run([parlor.BINARY, "--port", str(port_of(taken)), "--bind", "127.0.0.1"], check=False,
                                  capture_output=True, timeout=SECONDS, env={**os.environ, **self.manager.environment})
        self.assertEqual((done.returncode, self.manager.told()), (1, []))

    def test_a_reload_is_told_with_its_time_and_its_end(self):
        settings = os.path.join(self.folder, "settings.toml")
        refused = "serving with the old settings: the new ones are wrong, see the log"
        for text, status in (("log = \"info\"", "serving"), ("nonsense", refused)):
            with open(settings, "w", encoding="ascii") as file:
                file.write("")
            self.manager.forget()
            server = self.started("--config", settings)
            self.manager.wait_for("READY")
            with open(settings, "w", encoding="ascii") as file:
                file.write(text)
            self.manager.forget()
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            server.process.send_signal(signal.SIGHUP)
            ready = self.manager.wait_for("READY")
            self.assertEqual(ready["STATUS"], status)
            begin, end = self.manager.told()
            self.assertEqual((set(begin), end), ({"RELOADING", "MONOTONIC_USEC"}, ready))
            self.assertTrue(before <= int(begin["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
            server.kill()

    def test_a_shutdown_is_told_and_given_the_time_that_it_takes(self):
        data = os.path.join(self.folder, "data")
        server = self.started("--data", data, "--line-port", "0", "--drain-timeout", "0")
        line = int(server.process.stdout.readline().rsplit(":", 1)[1])
        with lines(line) as connection:
            answer(connection)
            self.manager.wait_for("READY")
            self.manager.forget()
            # The server waits for this client to close its side, too.
            server.process.send_signal(signal.SIGTERM)
            states = self.manager.wait_for("EXTEND_TIMEOUT_USEC")
            self.assertGreater(int(states["EXTEND_TIMEOUT_USEC"]), 10_000_000)
            self.assertEqual(self.manager.told()[0],
                             {"STOPPING": "1", "STATUS": "shutting down, connections to end: 1"})
            self.assertLessEqual(self.manager.count("EXTEND_TIMEOUT_USEC"), 2)
        server.process.wait(SECONDS)
        self.assertEqual(server.process.returncode, 0)
        last = self.manager.told()[-1]
        self.assertIn("writing", last["STATUS"])
        self.assertGreater(int(last["EXTEND_TIMEOUT_USEC"]), 60_000_000)

    def test_a_manager_that_is_gone_changes_nothing(self):
        gone = {"NOTIFY_SOCKET": os.path.join(self.folder, "gone")}
        server = self.started(environment=gone)
        server.wait_for_log("cannot tell systemd")
        self.assertIn("ok", get(server.port, "/healthz"))


class Watchdog(Fixture):
    def setUp(self):
        super().setUp()
        self.clock = self.new_manager()
        self.watched(manager=self.clock)

    def watched(self, *flags, manager=None, pid=None, **options):
        environment = {**(manager or self.manager).environment, "WATCHDOG_USEC": "%d" % (WATCHDOG * 1e6)}
        if pid is not None:
            environment["WATCHDOG_PID"] = str(pid)
        return self.started(*flags, environment=environment, **options)

    def while_others_live(self):
        """Waits until a healthy server has given some signs of life."""
        self.clock.forget()
        self.clock.wait_for("WATCHDOG", SIGNS)

    def test_signs_of_life_come_at_half_of_the_interval(self):
        before = time.monotonic()
        self.watched()
        self.manager.wait_for("WATCHDOG", 1 + SIGNS)
        # Not earlier. How late they are is up to the machine; unit tests say when they are due.
        self.assertGreater(time.monotonic() - before, SIGNS * WATCHDOG / 2)
        self.assertTrue(all(set(states) == {"WATCHDOG"} for states in self.manager.told() if "WATCHDOG" in states))

    def test_a_process_that_is_stopped_gives_none(self):
        server = self.watched()
        self.manager.wait_for("WATCHDOG", 2)
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        self.while_others_live()
        self.manager.forget()
        self.while_others_live()
        self.assertEqual(self.manager.told(), [])
        server.process.send_signal(signal.SIGCONT)
        self.manager.wait_for("WATCHDOG", 2)

    def test_a_loop_that_hangs_gives_none(self):
        """A log that nobody reads holds up who writes it: the process runs, but its loop hangs."""
        log, end = os.pipe()
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
        code = "import os, sys; os.dup2(int(sys.argv[1]), 2); os.close(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
        server = self.watched("-v", prefix=[sys.executable, "-c", code, str(end)], descriptors=[end])
        os.close(end)
        self.addCleanup(os.close, log)
        self.manager.wait_for("WATCHDOG", 2)
        while not self.has_hung(server, log):
            pass
        self.manager.forget()
        self.while_others_live()
        self.assertEqual(self.manager.told(), [])
        reader = threading.Thread(target=lambda: list(iter(lambda: os.read(log, 4096), b"")), daemon=True)
        reader.start()
        self.addCleanup(lambda: (server.kill(), reader.join()))
        self.manager.wait_for("WATCHDOG", 2)

    def has_hung(self, server, log):
        """Whether clients who come and go leave nothing more in the log."""
        def length():
            return array.array("i", fcntl.ioctl(log, termios.FIONREAD, b"\0" * 4))[0]
        before = length()
        for _ in range(20):
            with lines(server.port) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.while_others_live()
        return before > 0 and length() == before

    def test_a_watchdog_of_another_process_is_given_none(self):
        self.watched(pid=1)
        self.manager.wait_for("READY")
        self.while_others_live()
        self.assertEqual(self.manager.count("WATCHDOG"), 0)

    def test_a_watchdog_of_this_process_is_given_some(self):
        prefix = ["sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"]
        self.watched(prefix=prefix)
        self.manager.wait_for("WATCHDOG", 2)


class Upgrade(Fixture):
    def test_the_new_process_is_told_of_and_gives_signs_of_life(self):
        # As systemd sets it: it names the process that was started, and not the one that takes over.
        prefix = ["sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"]
        server = self.started(environment={"WATCHDOG_USEC": "%d" % (WATCHDOG * 1e6)}, prefix=prefix)
        self.manager.wait_for("WATCHDOG")
        server.process.send_signal(signal.SIGUSR2)
        pid = int(self.manager.wait_for("MAINPID")["MAINPID"])
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.assertNotEqual(pid, server.process.pid)
        self.assertEqual(server.process.wait(SECONDS), 0)
        self.manager.forget()
        self.manager.wait_for("WATCHDOG", SIGNS)
        get(server.port, "/healthz")


class Store(Fixture):
    FLAGS = ("--line-port", "0", "--udp-port", "0")

    def crashed(self, *flags):
        """What is left of a server that was killed: its ports."""
        server = self.started(*flags)
        self.manager.wait_for("READY")
        server.kill()
        return server.port

    def stored(self):
        return sorted(name for name, _ in self.manager.stored)

    def test_who_connects_while_the_server_is_down_is_served_by_the_next(self):
        port = self.crashed(*self.FLAGS)
        self.assertEqual(self.stored(), ["stored-datagrams", "stored-http", "stored-lines"])
        http, line, datagram = (dict(self.manager.stored)["stored-%s" % name] for name in ("http", "lines", "datagrams"))
        self.assertEqual(port_of(http), port)
        with lines(port) as early, lines(port_of(line)) as other, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.sendto(b"tea hello", datagram.getsockname())
            early.sendall(b"GET /rooms/tea/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.manager.forget()
            server = self.started(*self.FLAGS, **self.manager.restart())
            self.assertEqual(server.port, port)
            self.assertIn("200 OK", answer(early))
            self.assertIn("you are", answer(other))
            self.assertEqual(texts(port), ["hello"])
        self.manager.wait_for("READY")
        # They are in the store already.
        self.assertEqual((self.manager.count("FDSTORE"), self.manager.count("FDSTOREREMOVE")), (0, 0))

    def test_sockets_follow_the_settings(self):
        port = self.crashed("--line-port", "0")
        # On the same port: systemd must have closed the old one.
        server = self.started("--bind", "0.0.0.0", **self.manager.restart(), port=port)
        self.assertEqual(server.port, port)
        self.manager.wait_for("READY")
        self.assertEqual(self.stored(), ["stored-http"])
        self.assertEqual(self.manager.stored[0][1].getsockname(), ("0.0.0.0", port))

    def test_a_socket_that_is_to_be_shared_is_a_new_one(self):
        port = self.crashed()
        self.started("--reuse-port", **self.manager.restart(), port=port)
        self.manager.wait_for("BARRIER")
        self.assertTrue(self.manager.stored[0][1].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))

    def test_a_socket_unit_comes_first(self):
        self.crashed()
        http = self.held(tcp())
        how = passing([http, *(it for _, it in self.manager.stored)], ["http", *self.stored()])
        server = self.started(**how)
        self.assertEqual(server.port, port_of(http))
        self.manager.wait_for("BARRIER")
        self.assertEqual(self.stored(), [])

    def test_what_another_version_stored_is_dropped(self):
        self.manager.stored.append(("stored-chat", tcp()))
        self.started(**self.manager.restart())
        self.manager.wait_for("BARRIER")
        self.assertEqual(self.stored(), ["stored-http"])


class Units(Fixture):
    def setUp(self):
        super().setUp()
        # With a program that is there.
        for name in os.listdir(UNITS):
            with open(os.path.join(UNITS, name), encoding="ascii") as unit:
                text = unit.read()
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as unit:
                unit.write(text.replace("/usr/local/bin/parlor", parlor.BINARY))
        self.units = [os.path.join(self.folder, name) for name in ("parlor.service", "parlor.socket", "parlor@.service")]

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)

    def test_systemd_finds_no_fault(self):
        done = self.analyze("verify", "--man=no", *self.units)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_service_may_do_little(self):
        for unit in self.units:
            if unit.endswith(".service"):
                done = self.analyze("security", "--offline=true", "--threshold=%d" % MOST_EXPOSED, unit)
                self.assertEqual(done.returncode, 0, done.stdout)
                score = re.search(r"Overall exposure level for parlor\S*: ([\d.]+)", done.stdout).group(1)
                with open(os.path.join(parlor.ROOT, "README.md"), encoding="utf-8") as readme:
                    self.assertIn(score, readme.read())

    def test_both_services_confine_the_server_alike(self):
        def settings(name):
            with open(os.path.join(UNITS, name), encoding="ascii") as unit:
                return {line for line in unit.read().splitlines() if re.match(r"[A-Z]\w+=", line)}
        one, many = settings("parlor.service"), settings("parlor@.service")
        own = r"(Description|After|Conflicts|Environment|EnvironmentFile|ExecStart|StateDirectory|StateDirectoryMode|TimeoutStartSec)="
        self.assertEqual([line for line in sorted(one ^ many) if not re.match(own, line)], [])


if __name__ == "__main__":
    parlor.run_tests("systemd")
