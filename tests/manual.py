#!/usr/bin/env python3
"""Runs the commands of the manual against a real server, as a reader would type them.

The manual is README.md, the guide, tests/README.md and tests/bench/README.md. What a block is marked with says how it is run:

- ```sh: run, whole, by one bash, which must succeed.
- ```sh root: the same, in the folder of the repository instead of an empty one.
- ```sh stays: goes on until Ctrl-C. It must print what the text behind it shows, and still run then. Meanwhile bob posts
  "hello, room" into the lobby.
- ```sh not-run="why": takes over the machine, or minutes. Each of its commands is checked as far as it can be without that:
  see `unfit`.
- ```text right behind a block is what it must print to standard output; "…" stands for any text.
- ```js: run by tests/clients/guide.test.js and tests/browser. ```haproxy and ```nginx: run by tests/proxies.py.

Every section ("## …") gets a fresh server, which listens for lines and datagrams too, and an empty folder. The ports of the
manual (8080, 7000, 7001, 8443, 443, 6379) stand for free ones. `parlor` is told such a port where no --port is named, and `pidof
parlor` knows only the parlors of the section.

Beside blocks, commands stand in the text: `make x` and `parlor x` must be there, and what else takes arguments must be in a block.
Every flag that has help is in the guide, and every flag that the manual names has help.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

import parlor

SECONDS = 60
# Characters of what a command has printed, when it is not what it should be.
MOST_SHOWN = 2000
ROOT = Path(parlor.ROOT)
PAGES = ["README.md", "tests/README.md", "tests/bench/README.md", *sorted(
    str(page.relative_to(ROOT)) for page in (ROOT / "assets/guide").glob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# Languages of blocks that other tests run, and of output.
SHOWN = {"js", "text", "nginx", "haproxy"}
# What a command in the text begins with, if it has arguments.
PROGRAMS = {"make", "parlor", "parlor-bench", "curl", "websocat", "nc", "cargo", "python3", "npm", "openssl"}


class Block:
    """Commands of the manual."""

    def __init__(self, line, words, body, expected):
        self.line, self.body, self.expected = line, body, expected
        self.stays, self.in_root = words == ["stays"], words == ["root"]
        self.reason = words[0].removeprefix("not-run=") if len(words) == 1 and words[0].startswith("not-run=") else None
        is_known = not words or self.stays or self.in_root or self.reason
        self.trouble = None if is_known else "it is marked with %s" % " ".join(words)


def blocks(text):
    """Each fenced block of shell commands, and each that is of a language that nobody knows."""
    found = list(FENCE.finditer(text))
    for block, following in zip(found, found[1:] + [None]):
        words = shlex.split(block["info"])
        if words[:1] != ["sh"]:
            if not words or words[0] not in SHOWN:
                yield Block(text.count("\n", 0, block.start()) + 1, ["language", *words], "", None)
            continue
        behind = following and not text[block.end():following.start()].strip()
        expected = following["body"] if behind and following["info"] == "text" else None
        yield Block(text.count("\n", 0, block.start()) + 1, words[1:], block["body"], expected)


def pattern(expected):
    """What "…" stands for is any text; lines end as they like."""
    return ".*?".join(re.escape(part) for part in expected.strip().split("…"))


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


class Section:
    """What the commands of a section find: a server, a folder, and programs that know both."""

    def __init__(self, folder, server):
        self.folder = folder
        lines = server.process.stdout.readline()
        datagrams = server.process.stdout.readline()
        port_of = lambda line: int(re.search(r":(\d+)$", line.strip()).group(1))
        self.server = server
        self.ports = {"8080": server.port, "7000": port_of(lines), "7001": port_of(datagrams), "8443": free_port(),
                      "443": free_port(), "6379": free_port()}
        programs = folder / ".programs"
        programs.mkdir()
        # A parlor that is started here must not take a port that another one has.
        self.program(programs / "parlor", """
            port="--port %d"
            case " $* " in *" --port "*|*" token "*|*" doctor "*|*" config "*|*" check "*|*" --help "*) port= ;;
                *" export "*|*" import "*|*" backup "*|*" send "*|*" upgrade "*) port= ;; esac
            echo $$ >> "%s/.pids"
            exec "%s" $port "$@" """ % (free_port(), folder, parlor.BINARY))
        # The last one that was started and still runs; the first is there for all.
        self.program(programs / "pidof", """
            for pid in $(tac "%s/.pids"); do
                if kill -0 $pid 2>/dev/null; then echo $pid; exit; fi
            done""" % folder)
        (folder / ".pids").write_text("%d\n" % server.process.pid)
        self.environment = {**os.environ, "PATH": "%s:%s" % (programs, os.environ["PATH"]), "HOME": str(folder)}

    @staticmethod
    def program(path, script):
        path.write_text("#!/bin/sh\n" + script.strip() + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def here(self, command):
        """A command with the ports of this section."""
        # What is started here and listens where the manual's servers do gets ports of its own.
        others = {"--%s-port %s" % (kind, port): "--%s-port 0" % kind for kind, port in (("line", 7000), ("udp", 7001))}
        for text, replacement in others.items():
            command = command.replace(text, replacement)
        return re.sub(r"(?<![\d.])(%s)(?!\d)" % "|".join(self.ports), lambda it: str(self.ports[it.group()]), command)

    def there(self, printed):
        """What is printed, with the ports of the manual."""
        for known, port in self.ports.items():
            printed = printed.replace(":%d" % port, ":" + known)
        return printed.replace("\r\n", "\n")

    def start(self, block, **options):
        return subprocess.Popen(["bash", "-euo", "pipefail", "-c", self.here(block.body)],
                                cwd=ROOT if block.in_root else self.folder, env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True, **options)

    def run(self, block):
        """What is wrong with a block that ends by itself, or None."""
        process = self.start(block, stdin=subprocess.DEVNULL)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_all()
            output, errors = process.communicate()
            return "goes on after %d s:\n%s" % (SECONDS, output.decode(errors="replace"))
        finally:
            # What it has left behind.
            self.kill_all()
        printed = self.there(output.decode(errors="replace"))
        if process.returncode:
            return "status %d:\n%s%s" % (process.returncode, printed, errors.decode(errors="replace"))
        if block.expected is not None and not re.fullmatch(pattern(block.expected), printed.strip(), re.S):
            return "printed:\n%s\ninstead of:\n%s" % (printed, block.expected)
        return None

    def run_until_interrupted(self, block):
        """What is wrong with a block that goes on until Ctrl-C, or None."""
        if block.expected is None:
            return "it says nothing of what it prints"
        process = self.start(block, stdin=subprocess.PIPE)
        watchdog = threading.Timer(SECONDS, self.kill_all)
        watchdog.start()
        printed = ""
        matches = lambda: re.match(pattern(without_ports(block.expected)), without_ports(self.there(printed)), re.S)
        try:
            with self.bob():
                while not matches():
                    read = os.read(process.stdout.fileno(), 4096)
                    if not read:
                        return "ended, and printed:\n%s\ninstead of:\n%s\n%s" % (
                            self.there(printed)[:MOST_SHOWN], block.expected, process.stderr.read().decode(errors="replace"))
                    printed += read.decode(errors="replace")
            return None
        finally:
            # As a terminal does: to all that runs in it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.stdin.close()
            process.stdout.read()
            process.wait()
            process.stdout.close()
            process.stderr.close()
            watchdog.cancel()

    def kill_all(self):
        """Kills what the commands have started, and nothing else has: a server that has taken over is in no group of theirs."""
        mark = b"HOME=%s" % bytes(self.folder)
        for process in Path("/proc").glob("[0-9]*"):
            # It may be gone, or be another user's.
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)

    @contextlib.contextmanager
    def bob(self):
        """Someone who says hello in the lobby again and again: whenever another comes in, they hear it."""
        done = threading.Event()

        def post():
            while not done.wait(0.1):
                address = "http://127.0.0.1:%d/rooms/lobby?name=bob" % self.server.port
                urllib.request.urlopen(urllib.request.Request(address, b"hello, room"), timeout=SECONDS).close()

        speaker = threading.Thread(target=post)
        speaker.start()
        try:
            yield
        finally:
            done.set()
            speaker.join()


def without_ports(text):
    """A parlor that the manual starts listens elsewhere than the one that it connects to."""
    return re.sub(r"(localhost|127\.0\.0\.1|\]):\d+", r"\1:0", text)


def succeeds(*command):
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=SECONDS).returncode == 0


def unfit(command):
    """Why a command could not be run, as far as that shows without running it."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if not words:
        return None
    if words[0] == "make":
        return None if succeeds("make", "-n", *words[1:]) else "make cannot make it"
    if words[0] == "sudo":
        return unfit(shlex.join(words[1:]))
    if words[0] == "install":
        missing = [word for word in words[1:-1] if word.startswith("assets/") and not (ROOT / word).is_file()]
        return "there is no %s" % missing[0] if missing else None
    if words[0] == "systemctl":
        units = [re.sub(r"@\w+\.", "@.", word) for word in words[2:] if "." in word]
        missing = [unit for unit in units if not (ROOT / "assets/systemd" / unit).is_file()]
        return "there is no unit %s" % missing[0] if missing else None
    if words[0] == "python3" or words[0].endswith((".py", ".sh")):
        path = ROOT / (words[1] if words[0] == "python3" else words[0])
        if not path.is_file():
            return "there is no %s" % path
        if "argparse" in path.read_text(encoding="utf-8"):
            return None if succeeds("python3", str(path), *words[2:], "--help") else "its help does not know the arguments"
        return None
    if words[0] == "cargo" and words[1:2] == ["test"]:
        name = words[words.index("--test") + 1] if "--test" in words else None
        there = name is None or (ROOT / "tests" / (name + ".rs")).is_file() or (ROOT / "tests" / name / "main.rs").is_file()
        return None if there else "there is no test %s" % name
    if words[0] == "parlor":
        return None if succeeds(parlor.BINARY, *words[1:], "--help") else "its help does not know the arguments"
    if words[0] == "target/release/parlor-bench":
        # Clap looks at the arguments in their order, and at this one last.
        arguments = re.sub(r"\$\(pidof parlor\)", "1", command).split()[1:]
        return None if succeeds(parlor.BINARY + "-bench", *arguments, "--help") else "its help does not know the arguments"
    if words[0] == "npm" and words[1:2] == ["run"]:
        package = ROOT / "tests/browser/package.json"
        return None if '"%s":' % words[2] in package.read_text() else "there is no script %s" % words[2]
    return "nobody knows how to check it without running it"


def commands(body):
    return [line.strip() for line in body.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def inline_troubles(text, in_blocks):
    """Commands within the text that are neither there nor in a block."""
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text)):
        words = code.split()
        if len(words) < 2 or words[0] not in PROGRAMS or "…" in code:
            continue
        if words[0] == "make":
            fits = succeeds("make", "-n", *shlex.split(code)[1:])
        elif words[0] == "parlor":
            fits = succeeds(parlor.BINARY, *words[1:], "--help")
        else:
            fits = code in in_blocks
        if not fits:
            yield "`%s` is not run, and not checked" % code


def flag_troubles(texts):
    helps = [subprocess.check_output([parlor.BINARY, *command, "--help"], text=True)
             for command in ([], ["token"])]
    known = set(FLAG.findall("".join(helps)))
    flags = set(FLAG.findall(texts["assets/guide/flags.md"] + texts["assets/guide/tokens.md"]))
    yield from ("flags.md and tokens.md do not name %s" % flag for flag in sorted(known - flags - {"--help", "--version"}))
    bench = subprocess.check_output([parlor.BINARY + "-bench", "--help"], text=True)
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*/*.py"))
    send = subprocess.check_output([parlor.BINARY, "send", "--help"], text=True)
    known |= set(FLAG.findall(bench)) | set(FLAG.findall(scripts)) | set(FLAG.findall(send))
    for page, text in texts.items():
        # Other programs' flags.
        text = re.sub(r"\b(curl|nc|websocat|cargo|npm|git|openssl|systemctl|systemd-analyze|node(?= --))\b[^\n`]*", "", text)
        yield from ("%s: nobody has a flag %s" % (page, flag) for flag in sorted(set(FLAG.findall(text)) - known))


def check_page(page, text, in_blocks):
    """Runs the blocks of a page; how many passed, and what is wrong."""
    troubles = ["%s: %s" % (page, trouble) for trouble in inline_troubles(text, in_blocks)]
    passed, line = 0, 1
    for section in re.split(r"^(?=## )", text, flags=re.M):
        found = list(blocks(section))
        # A server only where there is something to run.
        if found:
            for block, wrong in run_section(found):
                passed += not wrong
                if wrong:
                    troubles.append("%s:%d: %s" % (page, line + block.line - 1, wrong))
        line += section.count("\n")
    return passed, troubles


def run_section(found):
    with parlor.serving("--line-port", "0", "--udp-port", "0") as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        section = Section(folder, server)
        certificates(folder)
        for block in found:
            if block.trouble:
                yield block, block.trouble
            elif block.reason:
                wrong = [(command, unfit(command)) for command in commands(block.body)]
                yield block, "\n".join("%s: %s" % (command, why) for command, why in wrong if why)
            elif block.stays:
                yield block, section.run_until_interrupted(block)
            else:
                yield block, section.run(block)


def certificates(folder):
    """Files as an ACME client leaves them."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", "privkey.pem", "-out", "fullchain.pem", "-subj", "/CN=localhost"],
                   cwd=folder, check=True, stderr=subprocess.DEVNULL)


def main():
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    wanted = sys.argv[1:]
    troubles = [] if wanted else list(flag_troubles(texts))
    passed = not troubles
    in_blocks = "\n".join(match["body"] for text in texts.values() for match in FENCE.finditer(text))
    for page, text in texts.items():
        if not wanted or any(word in page for word in wanted):
            more, wrong = check_page(page, text, in_blocks)
            passed += more
            troubles += wrong
    for trouble in troubles:
        print(trouble)
    print("manual: %d passed, %d failed" % (passed, len(troubles)))
    return 1 if troubles or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
