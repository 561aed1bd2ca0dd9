"""The servers of the benchmark: how each is built, and how each is started."""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "tests/peers"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
OUT = TARGET / "bench"
BUILD = OUT / "build"
GENERATOR = TARGET / "release/parlor-bench"

START_SECONDS = 30
# What puts a command before all others, where that is allowed.
REAL_TIME = ["chrt", "--fifo", "1"] if os.geteuid() == 0 else []
# The state of a socket that listens, in /proc/net/tcp.
LISTENS = "0A"


def run(*command, **options):
    """A build step: quiet when it works."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")


def need(path, *packages):
    """Debian packages, installed where the file that they bring is missing."""
    if not path or not Path(path).exists():
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(["apt-get", "install", "-y", "-q", *packages], capture_output=True).returncode != 0:
            run("apt-get", "update", "-q", env=environment)
            run("apt-get", "install", "-y", "-q", *packages, env=environment)


def build_own():
    run("cargo", "build", "--release", "--locked", "--all-features", "--bins", cwd=ROOT)


def build_cargo(name):
    manifest = PEERS / name / "Cargo.toml"
    target = BUILD / "cargo"
    run("cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target)
    return [target / f"release/parlor-peer-{name}", "0"]


def build_npm(name):
    need(shutil.which("node"), "nodejs", "npm")
    folder = BUILD / name
    shutil.copytree(PEERS / name, folder, dirs_exist_ok=True)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
    return ["node", folder / "server.js", "0"]


def build_uwebsockets():
    need(next(Path("/usr/lib").glob("*/libuv.so.1"), None), "libuv1")
    folder = BUILD / "uwebsockets"
    python = folder / "bin/python"
    if not python.exists():
        need(find_spec("ensurepip") and sys.executable, "python3-venv")
        run(sys.executable, "-m", "venv", folder)
    run(python, "-m", "pip", "install", "-q", "-r", PEERS / "uwebsockets/requirements.txt")
    return [python, PEERS / "uwebsockets/server.py", "0"]


def build_go():
    need(shutil.which("go"), "golang-go")
    need("/usr/share/gocode/src/github.com/gorilla/websocket", "golang-github-gorilla-websocket-dev")
    # Debian's Go packages are a GOPATH, not modules.
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    program = BUILD / "go-hub"
    run("go", "build", "-o", program, PEERS / "go/main.go", env=environment)
    return [program, "0"]


def build_nats():
    need(shutil.which("nats-server"), "nats-server")
    return ["nats-server", "-a", "127.0.0.1", "-p", "-1"]


# Without a limit on commands, and on rooms that one address begins.
PARLOR = [TARGET / "release/parlor", "--bind", "127.0.0.1", "--rate", "0", "--port", "0"]
FLOOR = [GENERATOR, "--port", "0", "--floor"]

# Name in tables, and the function that builds it and returns its command, by which it takes a free port.
SERVERS = {
    "floor-each": ("floor, one send per message", lambda: [*FLOOR, "each"]),
    "floor-tick": ("floor, one send per tick", lambda: [*FLOOR, "tick"]),
    "parlor": ("**parlor**", lambda: PARLOR),
    "parlor-json": ("parlor's JSON door", lambda: PARLOR),
    "uwebsockets": ("uWebSockets", build_uwebsockets),
    "go": ("the classic Go example", build_go),
    "axum": ("axum + tokio, one thread", lambda: build_cargo("axum")),
    "ws": ("npm ws", lambda: build_npm("ws")),
    "tungstenite": ("mio + tungstenite each", lambda: build_cargo("tungstenite")),
    "nats": ("NATS", build_nats),
    "socketio": ("Socket.IO", lambda: build_npm("socketio")),
}
FLOORS = ["floor-each", "floor-tick"]
# The URL of a room, and what the generator has to be told.
PLAIN = ("ws://127.0.0.1:{port}/ws", [])
DOORS = {
    "parlor": ("ws://127.0.0.1:{port}/ws/{room}", []),
    "parlor-json": ("ws://127.0.0.1:{port}/ws/{room}", ["--door", "json"]),
    "nats": ("nats://127.0.0.1:{port}/{room}", ["--door", "nats"]),
    "socketio": ("ws://127.0.0.1:{port}/{room}", ["--door", "socketio"]),
}


def listening_port(pid):
    """The port where a process listens, if it does."""
    sockets = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(fd))
        except FileNotFoundError:
            pass  # closed meanwhile
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = fields = line.split()
        if state == LISTENS and f"socket:[{fields[9]}]" in sockets:
            return int(local.split(":")[1], 16)
    return None


class Server:
    """A running server, pinned to core 0."""

    def __init__(self, command, real_time=False):
        pinned = [*(REAL_TIME if real_time else []), "taskset", "-c", "0", *map(str, command)]
        self.log = open(OUT / "server.log", "w")
        self.process = subprocess.Popen(pinned, stdout=self.log, stderr=self.log)
        self.port = self.wait_for_port()

    def wait_for_port(self):
        """Where it listens: not all say so."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                port = listening_port(self.process.pid)
            except OSError:
                continue  # it has just ended
            if port:
                return port
            time.sleep(0.01)
        self.stop()
        sys.exit(f"{self.process.args} listens nowhere, see {self.log.name}")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
