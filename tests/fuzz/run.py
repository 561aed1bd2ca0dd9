#!/usr/bin/env python3
"""Fuzzes what takes bytes from strangers, with coverage guidance (libFuzzer), on a stable toolchain.

usage: run.py [SECONDS [TARGET...]]   20 seconds for each target, unless told otherwise

Begins with tests/fuzz/corpus and keeps what it finds in target/fuzz/corpus. A failure is written to
target/fuzz/failures; put it into tests/fuzz/corpus with the fix, where `cargo test` replays it.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "target" / "fuzz"
HOST = "x86_64-unknown-linux-gnu" if os.uname().machine == "x86_64" else f"{os.uname().machine}-unknown-linux-gnu"
# Longest input, in bytes.
TARGETS = {
    "http": 1024,
    "body": 700,
    "websocket": 700,
    "deflate": 600,
    "json": 400,
    "line": 200,
    "datagram": 100,
    "media": 300,
    "proxy": 150,
    "resp": 300,
    "connection": 500,
    "incoming": 1200,
}
# What cargo-fuzz asks for: all of it is stable without a sanitizer, which safe Rust needs least.
FLAGS = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
]


def build():
    command = ["cargo", "build", "--release", "--locked", "--target", HOST, "--target-dir", str(BUILD)]
    subprocess.run(
        command, cwd=ROOT / "tests" / "fuzz", env=dict(os.environ, RUSTFLAGS=" ".join(FLAGS)), check=True
    )


def fuzz(target, seconds):
    """Says how many inputs were tried, and whether all held."""
    found, failures = BUILD / "corpus" / target, BUILD / "failures"
    found.mkdir(parents=True, exist_ok=True)
    failures.mkdir(parents=True, exist_ok=True)
    command = [
        BUILD / HOST / "release" / target,
        f"-max_total_time={seconds}",
        f"-max_len={TARGETS[target]}",
        "-timeout=10",
        "-rss_limit_mb=512",
        f"-artifact_prefix={failures}/{target}-",
        found,
        ROOT / "tests" / "fuzz" / "corpus" / target,
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    last = re.findall(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)", result.stderr, re.MULTILINE)
    runs, edges, features, corpus = last[-1] if last else ("0",) * 4
    runs = int(runs)
    print(f"{target}: {runs} executions, {runs // max(seconds, 1)} a second, {edges} edges, {features} features")
    if result.returncode != 0:
        print(result.stderr[-3000:])
    return result.returncode == 0 and int(edges) > 0


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    targets = sys.argv[2:] or list(TARGETS)
    build()
    held = [fuzz(target, seconds) for target in targets]
    print(f"fuzz: {sum(held)} passed, {len(held) - sum(held)} failed")
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
