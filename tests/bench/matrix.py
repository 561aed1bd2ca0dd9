#!/usr/bin/env python3
"""Runs the servers against each other and the floor, and writes target/bench: JSON, a Markdown table, SVG plots.

Server on core 0, generator on core 1. In each round a load is run on every server in turn, so that all ratios are
between figures of the same minute.
"""

import argparse
import json
import platform
import subprocess
import sys
import time

# No __pycache__ among the sources.
sys.dont_write_bytecode = True

from cases import all_cases
from report import RECORDS, record, write_report
from servers import DOORS, FLOORS, GENERATOR, OUT, PLAIN, REAL_TIME, SERVERS, Server, build_own

# Those whose latency over time is drawn.
PLOTTED = ["open-loop", "churn", "stalled"]
BESIDE_WARMUP = 4


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes: 1,000 receivers, one round, 1 s each")
    parser.add_argument("--only", help=f"servers, by comma, besides the floor: {', '.join(SERVERS)}")
    parser.add_argument("--cases", help="cases whose name begins with one of these, by comma")
    parser.add_argument("--seconds", type=float, help="to measure each at the least (3, or 1 when quick)")
    parser.add_argument("--rounds", type=int, help="of each case; ratios are the median (3, or 1 when quick)")
    parser.add_argument("--record", choices=list(RECORDS), nargs="?", const="bench", help="also put the tables and plots "
                        "into tests/bench/results.md and the guide; peers: only what compares the servers, into a section "
                        "of its own")
    parser.add_argument("--list", action="store_true", help="say what would be run")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (1 if arguments.quick else 3)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    names = arguments.only.split(",") if arguments.only else list(SERVERS)
    unknown = set(names) - set(SERVERS)
    if unknown:
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}")
    arguments.servers = [name for name in SERVERS if name in names or name in FLOORS]
    return arguments


def generate(server, name, arguments, seconds, room="bench", plot=None, real_time=False):
    """Starts the generator, pinned to core 1."""
    url, door = DOORS.get(name, PLAIN)
    url = url.format(port=server.port, room=room)
    command = ["taskset", "-c", 1, GENERATOR, url, *door, "--pid", server.process.pid, "--json", "-q"]
    command += ["--seconds", seconds, *arguments]
    if plot:
        command += ["--plot", plot]
    if real_time:
        command = [*REAL_TIME, *command]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, timeout):
    """The report, or the error, of a generator."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"error": "did not end"}
    return json.loads(output) if output else {"error": errors.strip()}


def measure(case, name, command, seconds, round_number):
    plot = OUT / f"{case.name}-{name}.svg" if case.name in PLOTTED and round_number == 0 else None
    timeout = seconds + 180
    with Server(command, case.real_time) as server:
        if not case.beside:
            watched = generate(server, name, case.arguments, seconds, plot=plot, real_time=case.real_time)
            return finish(watched, timeout)
        noise = generate(server, name, case.beside, seconds + 2 * BESIDE_WARMUP, room="next-door")
        # It warms up while the other connects, and must not wait for the other's turn on their core to end.
        watched = [*case.arguments, "--warmup", BESIDE_WARMUP]
        report = finish(generate(server, name, watched, seconds, real_time=True), timeout)
        report["beside"] = finish(noise, timeout)
        return report


def figure_of(report, case):
    for key in case.figure:
        report = (report or {}).get(key)
    return report


def describe_machine():
    with open("/proc/cpuinfo") as cpuinfo:
        models = {line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")}
    return {"cpu": ", ".join(sorted(models)), "kernel": platform.release(), "date": time.strftime("%Y-%m-%d")}


def main():
    arguments = parse_arguments()
    prefixes = arguments.cases.split(",") if arguments.cases else [""]
    cases = [case for case in all_cases(arguments.quick) if case.name.startswith(tuple(prefixes))]
    plan = [(case, [name for name in arguments.servers if name in (case.servers or SERVERS)]) for case in cases]
    if arguments.list:
        for case, names in plan:
            print(case.name, *names)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    for plot in OUT.glob("*.svg"):
        plot.unlink()
    build_own()
    commands = {name: SERVERS[name][1]() for name in arguments.servers}
    results, reports = [], {}
    for case, names in plan:
        seconds = arguments.seconds if arguments.quick else max(arguments.seconds, case.seconds)
        for round_number in range(arguments.rounds):
            for name in names:
                # Two cases may ask for different figures of the same load.
                key = (str(case.arguments), str(case.beside), name, round_number)
                if key not in reports:
                    reports[key] = measure(case, name, commands[name], seconds, round_number)
                report = reports[key]
                value = figure_of(report, case)
                result = {"case": case.name, "server": name, "round": round_number}
                results.append({**result, "value": value, "report": report})
                clean = "" if report.get("clean") else f"  NOT CLEAN {report.get('error') or report.get('faults')}"
                shown = "-" if value is None else f"{value:.4g} {case.unit}"
                print(f"{case.name:28} {name:12} {shown}{clean}", file=sys.stderr, flush=True)
    (OUT / "results.json").write_text(json.dumps({"machine": describe_machine(), "results": results}, indent=1))
    write_report(describe_machine(), plan, results)
    if arguments.record:
        record(arguments.record)
    print(f"{OUT}/table.md")


if __name__ == "__main__":
    main()
