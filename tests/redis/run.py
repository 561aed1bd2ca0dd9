#!/usr/bin/env python3
"""Several nodes on real Redis, as hostile networks and machines treat them. With parts of names of tests, only those.

With other versions of Redis, and with Valkey, a few of the tests run again.
"""

import concurrent.futures
import os
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
import absence  # noqa: E402
import bans  # noqa: E402
import checks  # noqa: E402
import clusters  # noqa: E402
import failovers  # noqa: E402
import faults  # noqa: E402
import files  # noqa: E402
import links  # noqa: E402
import members  # noqa: E402
import order  # noqa: E402
import outages  # noqa: E402
import patterns  # noqa: E402
import stores  # noqa: E402

# Most tests wait: those that wait longest begin first.
AT_ONCE = 6
LONGEST_FIRST = ("leaves_no_ghosts", "rooms_of_all_nodes", "last_message_of_a_subscription", "Failovers", "Clusters", "end_in_time",
                 "twelve", "stops_for", "upgraded")
WITH_OTHERS = ("order.Order", "a_password", "a_user", "rooms_of_all_nodes", "by_every_door", "starts_again",
               "Failovers", "Clusters")


def tests(suite):
    for test in suite:
        yield from tests(test) if isinstance(test, unittest.TestSuite) else [test]


def run(test):
    result, began = unittest.TestResult(), time.monotonic()
    test.run(result)
    wrong = result.failures + result.errors
    seconds = time.monotonic() - began
    print("%s %s (%.1f s)" % ("FAILED" if wrong else "ok    ", test.id(), seconds), flush=True)
    return [text for _, text in wrong]


def rank(test):
    return next((place for place, part in enumerate(LONGEST_FIRST) if part in test.id()), len(LONGEST_FIRST))


def main(parts):
    modules = (checks, files, links, order, outages, absence, members, bans, patterns, clusters, failovers, faults)
    suites = [unittest.defaultTestLoader.loadTestsFromModule(module) for module in modules]
    chosen = [test for test in tests(suites) if not parts or any(part in test.id() for part in parts)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, sorted(chosen, key=rank)))
    failed = [wrong for wrong in outcomes if wrong]
    for wrong in failed:
        print("\n" + "\n".join(wrong))
    print("redis: %d passed, %d failed" % (len(outcomes) - len(failed), len(failed)))
    is_wrong = bool(failed) or not outcomes
    for server in stores.others() if not parts else ():
        print("with %s:" % os.path.basename(server), flush=True)
        environment = {**os.environ, "TESTED_REDIS": server}
        is_wrong |= subprocess.run([sys.executable, __file__, *WITH_OTHERS], env=environment).returncode != 0
    sys.exit(is_wrong)


if __name__ == "__main__":
    main(sys.argv[1:])
