#!/usr/bin/env python3
"""Upgrades without a close, as a hostile user sees them. With parts of names of tests, only those."""

import concurrent.futures
import sys
import time
import unittest

sys.dont_write_bytecode = True
import doors  # noqa: E402
import failures  # noqa: E402
import load  # noqa: E402
import slow  # noqa: E402
import splits  # noqa: E402
import state  # noqa: E402
import tls  # noqa: E402

# Most tests wait, some of them for a limit of half a minute: those begin first.
AT_ONCE = 8


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


def main(parts):
    loader = unittest.defaultTestLoader
    suites = [loader.loadTestsFromModule(module) for module in (failures, tls, slow, splits, state, doors)]
    chosen = [test for test in tests(suites) if not parts or any(part in test.id() for part in parts)]
    # Alone: they measure.
    alone = [test for test in tests([loader.loadTestsFromModule(load)])
             if not parts or any(part in test.id() for part in parts)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, chosen))
    outcomes += map(run, alone)
    failed = [wrong for wrong in outcomes if wrong]
    for wrong in failed:
        print("\n" + "\n".join(wrong))
    print("upgrade: %d passed, %d failed" % (len(outcomes) - len(failed), len(failed)))
    sys.exit(bool(failed) or not outcomes)


if __name__ == "__main__":
    main(sys.argv[1:])
