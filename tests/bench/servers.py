"""The servers of the benchmark: how each is built, and how each is started."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
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
PORT = re.compile(r"(\d+)(?:/ws)?(?: \(.*\))?$")


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
    return [target / f"release/parlor-peer-{name}"]


def build_ws():
    need(shutil.which("node"), "nodejs", "npm")
    folder = BUILD / "ws"
    shutil.copytree(PEERS / "ws", folder, dirs_exist_ok=True)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
    return ["node", folder / "server.js"]


def build_uwebsockets():
    need(next(Path("/usr/lib").glob("*/libuv.so.1"), None), "libuv1")
    folder = BUILD / "uwebsockets"
    python = folder / "bin/python"
    if not python.exists():
        need(find_spec("ensurepip") and sys.executable, "python3-venv")
        run(sys.executable, "-m", "venv", folder)
    run(python, "-m", "pip", "install", "-q", "-r", PEERS / "uwebsockets/requirements.txt")
    return [python, PEERS / "uwebsockets/server.py"]


def build_go():
    need(shutil.which("go"), "golang-go")
    need("/usr/share/gocode/src/github.com/gorilla/websocket", "golang-github-gorilla-websocket-dev")
    # Debian's Go packages are a GOPATH, not modules.
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    program = BUILD / "go-hub"
    run("go", "build", "-o", program, PEERS / "go/main.go", env=environment)
    return [program]


PARLOR = [TARGET / "release/parlor", "--bind", "127.0.0.1"]

# Name in tables, and the function that builds it and returns its command, to which the port is added.
SERVERS = {
    "floor-each": ("floor, one send per message", lambda: [GENERATOR, "--floor", "each", "--port"]),
    "floor-tick": ("floor, one send per tick", lambda: [GENERATOR, "--floor", "tick", "--port"]),
    "parlor": ("**parlor**", lambda: [*PARLOR, "--port"]),
    "parlor-json": ("parlor's JSON door", lambda: [*PARLOR, "--rate", "0", "--port"]),
    "uwebsockets": ("uWebSockets", build_uwebsockets),
    "go": ("the classic Go example", build_go),
    "axum": ("axum + tokio, one thread", lambda: build_cargo("axum")),
    "ws": ("npm ws", build_ws),
    "tungstenite": ("mio + tungstenite each", lambda: build_cargo("tungstenite")),
}
FLOORS = ["floor-each", "floor-tick"]
# What the generator has to be told, and the room where none is asked for.
DOORS = {"parlor-json": (["--door", "json"], "/bench")}


class Server:
    """A running server, pinned to core 0."""

    def __init__(self, command, real_time=False):
        pinned = [*(REAL_TIME if real_time else []), "taskset", "-c", "0", *map(str, command), "0"]
        self.log = open(OUT / "server.log", "w")
        self.process = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = self.wait_for_port()

    def wait_for_port(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline().strip() if selector.select(START_SECONDS) else ""
        found = PORT.search(line)
        if not found:
            self.stop()
            sys.exit(f"{self.process.args} did not say its port: {line!r}, see {self.log.name}")
        return int(found[1])

    def url(self, room=""):
        return f"ws://127.0.0.1:{self.port}/ws{room}"

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
