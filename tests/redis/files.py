"""Files that nodes share: what one has taken the others have at once, and nothing is left of what was not answered."""

import concurrent.futures
import json
import os
import signal
import time

from nodes import Case, until
from stores import Cluster

SLICE = 64 << 10
# Older than what a node takes for an upload that goes on.
OLD_SECONDS = 3700
# Longer than a node waits between two looks at what is too old.
SWEPT_SECONDS = 75
HREF_ID = 2


def noise(length, seed=0):
    return bytes((seed + 7 * place + place // 251) % 256 for place in range(length))


class Files(Case):
    def begin(self, count=3, flags=(), settings=("--appendonly", "yes")):
        self.redis = self.start_redis(*settings)
        # It is made by whichever node comes first.
        self.shared = os.path.join(self.make_folder("shared"), "files")
        self.flags = ["--files", self.shared, *flags]
        self.nodes = self.start_nodes(count, self.redis.url, flags=self.flags)
        return self.nodes

    def put(self, node, body, room="tea", name="a.bin", query=""):
        path = "/rooms/%s/files/%s%s" % (room, name, query)
        return self.keep(node.http()).ask("PUT", path, body)

    def upload(self, node, body, **options):
        """The path of a file that has to be taken."""
        status, fields, answer = self.put(node, body, **options)
        self.assertEqual(status, 201, answer)
        href = json.loads(answer)["data"]["file"]["href"]
        self.assertEqual(fields["location"], href)
        return href

    def begin_upload(self, node, body, length):
        """Sends a part of a file of this length."""
        http = self.keep(node.http())
        http.send(b"PUT /rooms/tea/files/a.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length)
        return http.send(body)

    def get(self, node, href, *fields):
        status, _, body = self.keep(node.http()).ask("GET", href, fields=fields)
        return status, body

    def statuses(self, href):
        return [self.get(node, href)[0] for node in self.nodes]

    def names(self):
        return sorted(os.listdir(self.shared))

    def parts(self):
        return [name for name in self.names() if name.endswith(".part")]

    def links(self):
        return self.redis.ask("HLEN", "parlor:{files}:links")

    def assert_nothing_left(self):
        until(lambda: self.names() == [] and self.links() == 0, "nothing is left")
        self.assertEqual(self.redis.ask("KEYS", "parlor:{files}*"), [])

    def make_old(self, name):
        before = time.time() - OLD_SECONDS
        os.utime(os.path.join(self.shared, name), (before, before))

    def test_a_file_is_at_all_nodes_at_once(self):
        self.begin()
        for place, node in enumerate(self.nodes):
            body = noise(300_000, place)
            href = self.upload(node, body, name="my%20cat.bin")
            for reader in self.nodes:
                self.assertEqual(self.get(reader, href), (200, body))
                self.assertEqual(self.get(reader, href, "Range: bytes=1000-1999"), (206, body[1000:2000]))
                self.assertEqual(self.get(reader, href, "Range: bytes=-10"), (206, body[-10:]))
                self.assertEqual(self.get(reader, href, "Range: bytes=300000-")[0], 416)
                tag = 'If-None-Match: "%s"' % href.split("/")[HREF_ID]
                self.assertEqual(self.get(reader, href, tag), (304, b""))
        self.assertEqual(self.statuses("/files/%s/a" % ("0" * 32)), [404] * 3)
        self.assertEqual((len(self.names()), self.parts()), (3, []))
        # Everyone is told of the same.
        told = [self.messages(node, "tea")["messages"] for node in self.nodes]
        self.assertEqual([len(it) for it in told], [3] * 3)
        self.assertEqual(told[0], told[2])

    def test_rights_are_those_of_the_room(self):
        self.begin(flags=self.secret_flags())
        ana, bob = self.bearer("ana"), self.bearer("bob", subscribe=["bar"])
        http = self.keep(self.nodes[0].http())
        href = http.json("PUT", "/rooms/tea/files/a.txt", b"hello", [ana])["data"]["file"]["href"]
        for node in self.nodes:
            self.assertEqual(self.get(node, href, ana), (200, b"hello"))
            self.assertEqual(self.get(node, href, bob)[0], 403)
            self.assertEqual(self.get(node, href)[0], 401)

    def test_what_is_removed_is_removed_everywhere(self):
        self.begin()
        hrefs = [self.upload(node, b"hello") for node in self.nodes]
        other = self.upload(self.nodes[0], b"other", room="bar")
        self.assertEqual(self.keep(self.nodes[1].http()).ask("DELETE", "/rooms/tea")[0], 204)
        until(lambda: [self.statuses(href) for href in hrefs] == [[404] * 3] * 3, "all are gone")
        until(lambda: len(self.names()) == 1, "their bytes are gone")
        self.assertEqual(self.statuses(other), [200] * 3)
        # By an admin, with all that somebody has sent.
        self.assertEqual(self.keep(self.nodes[2].http()).ask("DELETE", "/usage?address=127.0.0.1")[0], 204)
        until(lambda: self.statuses(other) == [404] * 3, "it is gone")
        self.assert_nothing_left()
        href = self.upload(self.nodes[1], b"hello again")
        self.assertEqual(self.statuses(href), [200] * 3)

    def test_files_end_in_time(self):
        self.begin(flags=["--file-time", "1"])
        href = self.upload(self.nodes[0], b"hello")
        until(lambda: self.statuses(href) == [404] * 3, "its time is over", SWEPT_SECONDS)
        self.assert_nothing_left()

    def test_limits_hold_for_all_nodes_together(self):
        self.begin(flags=["--room-file-space", "100000", "--file-quota", "150000", "--max-files", "4"])
        first, second, third = self.nodes
        self.upload(first, noise(70_000))
        status, _, answer = self.put(second, noise(70_000))
        self.assertEqual((status, b"--room-file-space" in answer), (507, True), answer)
        self.upload(second, noise(70_000), room="bar")
        status, _, answer = self.put(third, noise(70_000), room="pub")
        self.assertEqual((status, b"--file-quota" in answer), (507, True), answer)
        self.upload(third, b"")
        self.upload(third, b"")
        status, _, answer = self.put(first, b"")
        self.assertEqual((status, b"--max-files" in answer), (507, True), answer)
        # What was refused goes in a moment.
        until(lambda: len(self.names()) == self.links() == 4, "four are there")
        usage = self.keep(first.http()).json("GET", "/usage")["usage"]
        self.assertEqual([it["file_bytes"] for it in usage], [140_000], usage)

    def test_ten_uploads_at_once_at_all_nodes(self):
        self.begin()

        def send(place):
            body = noise(500_000 + place, place)
            return body, self.upload(self.nodes[place % 3], body, name="%d.bin" % place)
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            sent = list(pool.map(send, range(30)))
            checks = [(node, body, href) for body, href in sent for node in self.nodes]
            read = list(pool.map(lambda check: self.get(check[0], check[2]) == (200, check[1]), checks))
        self.assertEqual(read, [True] * 90)
        self.assertEqual((len(self.names()), self.parts(), self.links()), (30, [], 30))
        self.assertEqual(len(self.messages(self.nodes[0], "tea")["messages"]), 30)

    def test_an_upload_without_redis_is_unavailable_and_leaves_nothing(self):
        for wait in ([], ["--redis-wait", "2"]):
            with self.subTest(wait=wait):
                self.begin(flags=wait)
                href = self.upload(self.nodes[1], b"hello")
                body = noise(300_000)
                http = self.begin_upload(self.nodes[0], body[:200_000], len(body))
                until(self.parts, "some of it has come")
                self.redis.kill()
                http.send(body[200_000:])
                status, fields, answer = http.answer()
                self.assertEqual((status, "retry-after" in fields), (503, True), answer)
                self.assertEqual(self.get(self.nodes[2], href)[0], 503)
                until(lambda: len(self.names()) == 1, "its bytes are gone")
                self.redis.start()
                until(lambda: self.statuses(href) == [200] * 3, "what was answered is there")
                until(lambda: self.put(self.nodes[0], body)[0] == 201, "files are taken again")
                until(lambda: self.links() == len(self.names()) == 2, "nothing else is there")

    def test_a_redis_that_stands_still_leaves_nothing(self):
        self.begin()
        body = noise(100_000)
        http = self.begin_upload(self.nodes[0], body[:80_000], len(body))
        until(self.parts, "some of it has come")
        self.redis.stop()
        http.send(body[80_000:])
        self.assertEqual(http.answer()[0], 503)
        # It does what it was asked for before it stood still: the link is kept, and then forgotten.
        self.redis.go_on()
        self.assert_nothing_left_but_for_the_message()

    def assert_nothing_left_but_for_the_message(self):
        until(lambda: self.names() == [], "its bytes are gone")
        href = until(lambda: self.put(self.nodes[1], b"hello")[0] == 201, "files are taken again")
        self.assertTrue(href)
        until(lambda: self.links() == len(self.names()) == 1, "its link is gone")

    def test_what_a_killed_node_leaves_is_removed_and_nothing_else(self):
        self.begin()
        href = self.upload(self.nodes[0], noise(1000))
        victim = self.begin_upload(self.nodes[1], noise(2 * SLICE), 3 * SLICE)
        until(lambda: len(self.parts()) == 1, "some of it has come")
        left = self.parts()
        slow = self.begin_upload(self.nodes[2], noise(2 * SLICE), 2 * SLICE + 100)
        until(lambda: len(self.parts()) == 2, "some of both has come")
        self.nodes[1].signal(signal.SIGKILL)
        self.nodes[1].process.wait()
        victim.close()
        # One whose link was never kept, as if a node had died in that moment, and one that is not old.
        for name in ("1" * 32, "2" * 32):
            with open(os.path.join(self.shared, name), "wb") as file:
                file.write(b"hello")
        for name in left + ["1" * 32, href.split("/")[HREF_ID]]:
            self.make_old(name)
        self.nodes[1] = self.start_node(self.redis.url, flags=self.flags)
        until(lambda: not set(left + ["1" * 32]) & set(self.names()), "what is nobody's is gone")
        # By whichever node has found it first.
        self.assertIn("removes 1 files that have no link", "".join(node.log() for node in self.nodes))
        self.assertEqual(len(self.parts()), 1)
        self.assertIn("2" * 32, self.names())
        self.assertEqual(self.statuses(href), [200] * 3)
        slow.send(noise(100))
        self.assertEqual(slow.answer()[0], 201)

    def test_an_upgrade_keeps_uploads(self):
        self.begin(count=2)
        body = noise(300_000)
        http = self.begin_upload(self.nodes[0], body[:200_000], len(body))
        until(self.parts, "some of it has come")
        self.nodes[0].upgrade()
        http.send(body[200_000:])
        status, _, answer = http.answer()
        self.assertEqual(status, 201, answer)
        href = json.loads(answer)["data"]["file"]["href"]
        for node in self.nodes:
            self.assertEqual(self.get(node, href), (200, body))

    def test_a_folder_that_takes_nothing_is_said_to(self):
        redis = self.start_redis()
        path = self.write("no-folder", "")
        done = self.parlor("--port", "0", "--redis", redis.url, "--files", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--files", done.stderr)
        doctor = self.parlor("doctor", "--redis", redis.url, "--files", path)
        self.assertEqual(doctor.returncode, 1)
        self.assertIn("it is no directory", doctor.stdout)
        folder = self.make_folder("files")
        doctor = self.parlor("doctor", "--redis", redis.url, "--files", folder)
        self.assertEqual(doctor.returncode, 0, doctor.stderr)
        self.assertIn("a file can be written, renamed and removed", doctor.stdout)
        self.assertEqual(os.listdir(folder), [])


class InACluster(Case):
    def test_files_have_one_master(self):
        cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(cluster.close)
        folder = self.make_folder("files")
        nodes = self.start_nodes(2, *cluster.urls, flags=["--files", folder])
        for room in ("tea", "plant", "pub"):
            answer = self.keep(nodes[0].http()).json("PUT", "/rooms/%s/files/a.txt" % room, room.encode())
            href = answer["data"]["file"]["href"]
            status, _, body = self.keep(nodes[1].http()).ask("GET", href)
            self.assertEqual((status, body), (200, room.encode()))
