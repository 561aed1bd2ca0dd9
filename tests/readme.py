#!/usr/bin/env python3
"""Runs the README's commands against a real server, as a reader would type them.

- A block marked ```sh is run, whole, by one bash, which must succeed. Every section ("## …") gets a fresh
  server and an empty folder; the README's port 8080 stands for the server's. `parlor` and `websocat` are
  on the path.
- A block marked ```text right behind it is what it must print to standard output; "…" stands for any text.
- A block marked ```sh no-run is shown to the reader only: commands that take over the terminal or change
  the machine. Its make targets must exist.
- Every flag of `parlor --help` and `parlor token --help` is in the README, and every flag that the README names is in their
  help, or in that of `parlor-bench`.
"""

import os
import re
import subprocess
import sys
import tempfile

import parlor

SECONDS = 60
PORT = "8080"
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def blocks(text):
    """(line, info, body, expected output or None) of each fenced block of shell commands."""
    found = list(FENCE.finditer(text))
    for block, following in zip(found, found[1:] + [None]):
        words = block["info"].split()
        if words[:1] != ["sh"]:
            continue
        behind = following and not text[block.end():following.start()].strip()
        expected = following["body"] if behind and following["info"] == "text" else None
        yield text.count("\n", 0, block.start()) + 1, words[1:], block["body"], expected


def matches(expected, printed):
    parts = [re.escape(part) for part in expected.strip().split("…")]
    return re.fullmatch(".*?".join(parts), printed.strip(), re.S) is not None


def run(command, expected, port, folder):
    """What is wrong with one block, or None. Files that it writes stay in `folder`."""
    command = re.sub(r"\b%s\b" % PORT, str(port), command)
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as error:
        return "goes on after %d s:\n%s" % (SECONDS, (error.stdout or b"").decode(errors="replace"))
    printed = done.stdout.decode(errors="replace").replace("\r\n", "\n").replace(str(port), PORT)
    if done.returncode:
        return "status %d:\n%s%s" % (done.returncode, printed, done.stderr.decode(errors="replace"))
    if expected is not None and not matches(expected, printed):
        return "printed:\n%s\ninstead of:\n%s" % (printed, expected)
    return None


def missing_targets(command):
    targets = re.findall(r"^make ([a-z-]+)", command, re.M)
    return ["no target %s" % target for target in targets
            if subprocess.run(["make", "-n", target], cwd=parlor.ROOT, stdout=subprocess.DEVNULL).returncode]


def flag_troubles(text):
    text = re.sub(r"\b(curl|nc|websocat|cargo|npm|git|python3|node(?= --))\b[^\n`]*", "", text)  # other programs' flags
    helps = [subprocess.check_output([parlor.BINARY, *command, "--help"], text=True)
             for command in ([], ["token"])]
    known = set(FLAG.findall("".join(helps)))
    named = set(FLAG.findall(text))
    yield from ("the README does not name %s" % flag for flag in sorted(known - named - {"--help", "--version"}))
    bench = subprocess.check_output([parlor.BINARY + "-bench", "--help"], text=True)
    yield from ("parlor has no %s" % flag for flag in sorted(named - known - set(FLAG.findall(bench))))


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(parlor.ROOT, "README.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()

    troubles = list(flag_troubles(text))
    passed = not troubles
    line = 1
    for section in re.split(r"^(?=## )", text, flags=re.M):
        with parlor.serving() as server, tempfile.TemporaryDirectory() as folder:
            for offset, words, command, expected in blocks(section):
                if words == ["no-run"]:
                    wrong = "\n".join(missing_targets(command))
                else:
                    wrong = run(command, expected, server.port, folder)
                passed += not wrong
                if wrong:
                    troubles.append("line %d: %s" % (line + offset - 1, wrong))
        line += section.count("\n")

    for trouble in troubles:
        print("README: " + trouble)
    print("readme: %d passed, %d failed" % (passed, len(troubles)))
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
