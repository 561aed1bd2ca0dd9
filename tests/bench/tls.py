#!/usr/bin/env python3
"""What TLS costs, against the same server without it in the same run: handshakes, memory, deliveries.

The server is pinned to one core and the load generator to another. Each figure is the median of three runs, which take
turns. Needs the release binaries (`make build`).
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import parlor

GENERATOR = os.path.join(os.path.dirname(parlor.BINARY), "parlor-bench")
ROUNDS = 3
IDLE = 5_000
CASES = {
    "connect": ["-c", "2000", "--idle", "--seconds", "0.1"],
    "idle": ["-c", str(IDLE), "--idle", "--seconds", "1"],
    "one": ["-c", "1000", "--seconds", "3"],
    "ten": ["-c", "1000", "-s", "10", "--window", "32", "--seconds", "3"],
}


def authority(folder, name, kind):
    """The flags and the trust of a server with a key of that kind."""
    folder = os.path.join(folder, name)
    os.mkdir(folder)
    return parlor.authority(folder, kind)


def measure(case, security):
    """One run against a fresh server, within TLS if there is an authority for it."""
    flags, trusted = security or ([], None)
    with parlor.serving("--bind", "127.0.0.1", "--no-deflate", *flags) as server:
        os.sched_setaffinity(server.process.pid, {0})
        trust = ["--ca", trusted] if trusted else []
        scheme = "wss" if trusted else "ws"
        done = subprocess.run(["taskset", "-c", "1", GENERATOR, "%s://127.0.0.1:%d/ws" % (scheme, server.port), "--json",
                               "--pid", str(server.process.pid), *trust, *CASES[case]], stdout=subprocess.PIPE)
        report = json.loads(done.stdout)
        if done.returncode or not report["clean"]:
            raise SystemExit("%s: not clean: %s" % (case, report["faults"]))
        server.process.send_signal(signal.SIGKILL)
        return report


def main():
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            "plain": None,
            "TLS, ECDSA P-256": authority(folder, "ecdsa", parlor.ECDSA),
            "TLS, RSA 2048": authority(folder, "rsa", ("rsa:2048",)),
        }
        rows = [
            ("connects a second", "connect", lambda it: it["connect"]["per_second"], "%.0f", kinds),
            ("CPU of a connect, µs", "connect", lambda it: it["server"]["cpu_us_per_connect"], "%.0f", kinds),
            ("memory of an idle connection, bytes", "idle", lambda it: it["server"]["bytes_per_connection"], "%.0f",
             list(kinds)[:2]),
            ("CPU of a delivery, 1,000 receivers, 1 sender, 1 in flight, µs", "one",
             lambda it: it["server"]["cpu_us_per_delivery"], "%.2f", list(kinds)[:2]),
            ("CPU of a delivery, 1,000 receivers, 10 senders, 32 in flight, µs", "ten",
             lambda it: it["server"]["cpu_us_per_delivery"], "%.3f", list(kinds)[:2]),
        ]
        reports = {}
        for _ in range(ROUNDS):
            for case, kind in dict.fromkeys((case, kind) for _, case, _, _, of in rows for kind in of):
                reports.setdefault((case, kind), []).append(measure(case, kinds[kind]))
        print("| | %s |\n| --- |%s" % (" | ".join(kinds), " ---: |" * len(kinds)))
        for what, case, value, form, of in rows:
            cells = [form % statistics.median(map(value, reports[case, kind])) if kind in of else "–" for kind in kinds]
            print("| %s | %s |" % (what, " | ".join(cells)))


if __name__ == "__main__":
    main()
