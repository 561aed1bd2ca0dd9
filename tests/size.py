#!/usr/bin/env python3
"""Bounds what the server is made of: crates of others, and bytes of the release binary.

Both grow unseen, by a feature or a version at a time. Where a bound fails, see what came in:

    git diff main -- Cargo.toml Cargo.lock
    cargo tree -e normal,build -i CRATE        who needs it
    cargo tree -e features -i CRATE            which feature brings it

and turn the feature off, or take what is built already, or do without. If it is worth its weight, raise the bound in the
commit that adds it, and say there what it costs and what for.
"""

import os
import subprocess
import unittest

import parlor

# Of the server without the load generator, on Linux, with build scripts and macros: it had 97 before messages were kept on
# disk. SQLite and what reaches it (rusqlite, libsqlite3-sys and three small ones) are worth their weight. Two small ones talk
# to systemd (sd-notify, sendfd), and four write what one server tells the next (rmp-serde, rmp, num-traits, serde_bytes). Five
# read the protocol of Redis (redis-protocol, and nom, minimal-lexical, cookie-factory and crc16 for it). Six make requests to
# webhooks (ureq, and ureq-proto, http, bytes, base64 and utf8-zero for it). Three encrypt pushes (ece, and byteorder and hex for
# it).
MOST_CRATES = 128
# It had 7.54 million on x86-64 before messages were kept on disk. SQLite is 2 million, and full-text search and the online
# backup are part of it; it had 10.71 million with files and what copies a data directory. That every part of a server can be
# told to the next one, and be read again, is 2 million: code for each type. Rooms and people in Redis, and the doctor for it, are
# 1.1 million. Webhooks and the HTTP client for them, payloads of other services, values that are expected, and what a board asks
# for are 1.5 million together. Push, streams of several rooms, escalations and the keys of providers are 1.6 million. Bans, and
# files, push and patterns of rooms on many nodes are 0.6 million. Symbols would be 0.64 million more.
MOST_BYTES = 18_400_000


def crates():
    """Those that the server is built of, with their versions. Two versions of one are two."""
    tree = subprocess.run(["cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none",
                           "--format", "{p}"], cwd=parlor.ROOT, check=True, text=True, stdout=subprocess.PIPE)
    return {tuple(line.split()[:2]) for line in tree.stdout.splitlines()}


class Size(unittest.TestCase):
    def test_the_server_is_made_of_few_crates(self):
        found = crates()
        names = {name for name, _ in found}
        self.assertLessEqual({"parlor", "mio", "rustls"}, names)
        self.assertNotIn("plotters", names, "the load generator's")
        self.assertLessEqual(len(found) - 1, MOST_CRATES, sorted(found))

    def test_the_binary_is_small(self):
        self.assertLessEqual(os.path.getsize(parlor.BINARY), MOST_BYTES)


if __name__ == "__main__":
    parlor.run_tests("size")
