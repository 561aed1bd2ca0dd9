#!/usr/bin/env python3
"""Plants bugs in the core, one at a time, and sees that the simulation catches each.

usage: run.py [WORD...]   only the bugs whose name has one of these words

Works on a copy in target/mutants: nothing of the sources is touched. Fails when a bug is not caught, and when the text
that it replaces is not there exactly once, so that the list stays true. When all are caught, writes the table in
tests/mutation/README.md anew.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "mutants" / "crate"
# Where the dependencies are built already.
BUILD = ROOT / "target"
TABLE = ROOT / "tests" / "mutation" / "README.md"
# A bug may keep a run from ending.
LIMIT_SECONDS = 240


def copy_crate():
    """The library and the simulation alone, so that nothing else is built again for each bug."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    # Without their times: a build with a bug, of a run that was cut off, must look older.
    for name in ("src", "assets", "tests/simulation"):
        shutil.copytree(ROOT / name, COPY / name, copy_function=shutil.copyfile)
    shutil.copy(ROOT / "Cargo.lock", COPY)
    manifest = (ROOT / "Cargo.toml").read_text()
    manifest = re.sub(r"\[\[bin\]\]\n(.+\n)+", "", manifest)
    manifest = manifest.replace('default-run = "parlor"\n', "autobins = false\n")
    manifest = re.sub(r"\[lints\.\w+\]\n(.+\n?)+", "", manifest)
    (COPY / "Cargo.toml").write_text(manifest + "\n[workspace]\n")
    (COPY / "src" / "main.rs").unlink()


def build():
    """Builds the simulation and gives its path, or what the compiler says."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(BUILD), CARGO_INCREMENTAL="1")
    command = ["cargo", "test", "--test", "simulation", "--no-run", "--message-format=short"]
    result = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True)
    found = re.search(r"Executable .*\((.+)\)", result.stderr)
    if result.returncode != 0 or not found:
        return None, result.stderr[-2000:]
    return COPY / found.group(1), ""


# Which tests of the simulation are run, by words in their names: those that catch most come first.
KINDS = (
    ["runs"], ["chats"], ["cuts"], ["halls"], ["floods"], ["crowds"], ["ticks"], ["posts"], ["who_stalls"], ["strangers"], ["nobody_does"], ["arrivals"], ["charges"], ["each_address"], ["regressions"], ["a_name_stays"],
)


def catch(simulation):
    """What the simulation says of a mutant; None when it finds nothing wrong."""
    environment = dict(os.environ, RUST_BACKTRACE="0", PARLOR_SHRINK="0")
    for tests in KINDS:
        try:
            result = subprocess.run(
                [simulation, *tests], env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"{tests[0]}: does not end"
        if result.returncode != 0:
            said = result.stdout + result.stderr
            found = re.search(r"^(seed .*)$", said, re.MULTILINE)
            # A run that no seed decides.
            panic = re.search(r"panicked at .*\n(.*)", said)
            return f"{tests[0]}, {found.group(1)}" if found else f"{tests[0]}: {panic.group(1) if panic else said[-300:]}"
    return None


def try_mutant(path, old, new):
    file = COPY / path
    original = file.read_text()
    count = original.count(old)
    if count != 1:
        return False, f"the text to replace stands {count} times in {path}: mend the list"
    file.write_text(original.replace(old, new))
    try:
        simulation, error = build()
        if simulation is None:
            return False, f"does not compile: {error}"
        caught = catch(simulation)
    finally:
        file.write_text(original)
    return caught is not None, caught or "NOT CAUGHT"


def write_table(rows):
    """What caught each bug: which kind of run, its seed, and what it said, in a few words."""
    lines = [
        "# Planted bugs",
        "",
        "Each is planted alone in the core (`make mutants`, which writes this table), and the simulation run as",
        "`make test` runs it: this many seeds into which kind of run says what.",
        "",
        "| bug | caught by | which says |",
        "|---|---|---|",
    ]
    for name, how in rows:
        by, _, says = how.partition(": ")
        says = re.sub(r"\[[\d, ]{20,}\]?", "[…]", says)
        says = says if len(says) <= 100 else says[:99] + "…"
        lines.append(f"| {name} | {by} | {says.replace('|', '/')} |")
    TABLE.write_text("\n".join(lines) + "\n")


def main():
    words = sys.argv[1:]
    copy_crate()
    simulation, error = build()
    if simulation is None:
        sys.exit(f"the crate itself does not compile: {error}")
    wrong = catch(simulation)
    if wrong:
        sys.exit(f"the simulation fails without a planted bug: {wrong}")
    passed = failed = 0
    rows = []
    for name, path, old, new in MUTANTS:
        if words and not any(word in name for word in words):
            continue
        began = time.monotonic()
        is_caught, how = try_mutant(path, old, new)
        passed, failed = passed + is_caught, failed + (not is_caught)
        rows.append((name, how))
        print(f"{name:55} {time.monotonic() - began:4.0f} s  {how[:160]}", flush=True)
    print(f"mutation: {passed} passed, {failed} failed")
    if not words and not failed:
        write_table(rows)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
