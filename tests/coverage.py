#!/usr/bin/env python3
"""Says which lines of the codecs the unit tests and the fuzzer's corpus do not reach.

Reads rustc's own profile with the toolchain's llvm-tools, a component that rustup adds. What runs only at compile time,
such as a const fn, counts as not reached.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "target" / "coverage"
TESTS = ["--lib", "--test", "corpus"]


def output_of(*command, **options):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def host():
    return re.search(r"^host: (.+)$", output_of("rustc", "-vV"), re.M).group(1)


def llvm_tool(name):
    subprocess.run(["rustup", "component", "add", "llvm-tools"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return os.path.join(output_of("rustc", "--print", "sysroot").strip(), "lib", "rustlib", host(), "bin", name)


def build():
    """The instrumented test programs; with a target named, build scripts and macros are not."""
    environment = dict(os.environ, RUSTFLAGS="-Cinstrument-coverage")
    command = ["cargo", "test", *TESTS, "--no-run", "--message-format=json", "--target", host(), "--target-dir", str(BUILD)]
    messages = map(json.loads, output_of(*command, env=environment).splitlines())
    return [message["executable"] for message in messages if message.get("executable") and message["profile"]["test"]]


def profile(programs):
    """Runs the tests, and merges what they have counted."""
    for old in BUILD.glob("*.profraw"):
        old.unlink()
    environment = dict(os.environ, LLVM_PROFILE_FILE=str(BUILD / "%p-%m.profraw"))
    for program in programs:
        output_of(program, "--quiet", env=environment)
    merged = BUILD / "all.profdata"
    output_of(llvm_tool("llvm-profdata"), "merge", "-o", str(merged), *map(str, BUILD.glob("*.profraw")))
    return merged


def lines_of(merged, programs, sources):
    """Per file: its executable lines, and those of them that were not reached."""
    objects = [argument for program in programs[1:] for argument in ("--object", program)]
    text = output_of(llvm_tool("llvm-cov"), "export", "--format=lcov", "--instr-profile", str(merged), programs[0],
                     *objects, "--sources", *map(str, sources))
    for record in text.split("end_of_record\n")[:-1]:
        path = re.search(r"^SF:(.+)$", record, re.M).group(1)
        counts = {int(line): int(count) for line, count in re.findall(r"^DA:(\d+),(\d+)", record, re.M)}
        yield pathlib.Path(path), counts, sorted(line for line, count in counts.items() if count == 0)


def without_tests(path, counts, missed):
    """The same up to the file's own tests, which are no part of what is measured."""
    text = path.read_text().split("#[cfg(test)]\nmod tests {")[0]
    end = text.count("\n") + 1
    return [line for line in counts if line <= end], [line for line in missed if line <= end]


def main():
    sources = sorted(path for path in ROOT.glob("src/codec/**/*.rs") if path.name != "tests.rs")
    programs = build()
    all_lines = all_missed = 0
    for path, counts, missed in lines_of(profile(programs), programs, sources):
        lines, missed = without_tests(path, counts, missed)
        if not lines:
            continue
        all_lines, all_missed = all_lines + len(lines), all_missed + len(missed)
        share = 100 * (len(lines) - len(missed)) / len(lines)
        where = "  not: " + ", ".join(map(str, missed)) if missed else ""
        print("%-40s %4d lines %6.1f %%%s" % (path.relative_to(ROOT), len(lines), share, where))
    print("%-40s %4d lines %6.1f %%" % ("together", all_lines, 100 * (all_lines - all_missed) / max(all_lines, 1)))
    sys.exit(0 if all_lines else 1)


if __name__ == "__main__":
    main()
