"""Redis, the network and nodes fail while people talk at all doors: one order, no hole, nothing acknowledged is lost."""

import signal
import time

from crowd import crowd_at
from nodes import Case
from wire import Json

# A reply that is later than this ends a connection to Redis.
REPLY_SECONDS = 5
# How often positions are compared when nothing else tells of a lost message.
COMPARED_SECONDS = 30
COUNT = 60


class Outages(Case):
    def begin(self, *settings, proxies=False):
        """Three nodes, each with its own way to Redis."""
        self.redis = self.start_redis(*(settings or ("--appendonly", "yes")))
        self.proxies = [self.start_proxy(self.redis) for _ in range(3)] if proxies else []
        ports = [proxy.port for proxy in self.proxies] or 3 * [self.redis.port]
        self.flags = self.secret_flags()
        return [self.start_node("redis://127.0.0.1:%d" % port, flags=self.flags) for port in ports]

    def under_load(self, nodes, fault, may_lose=False, has_all_stayed=True):
        with crowd_at(nodes) as crowd:
            crowd.wait_for(COUNT)
            fault(crowd)
            # Whoever has lost their node does not come back to it.
            for place in range(len(nodes)) if has_all_stayed else ():
                crowd.wait_for(COUNT // 3, at=place)
            history = crowd.finish()
        self.assert_right(history, may_lose)
        if has_all_stayed:
            self.assert_stayed(history, len(nodes))
        self.assert_same_at_all(nodes, crowd.rooms, history, may_lose)
        return history

    def assert_same_at_all(self, nodes, rooms, history, may_lose):
        """Whoever asks now is told the same at each node, and it is what readers were told."""
        for room in rooms:
            pages = [self.messages(node, room, name="ivy") for node in nodes]
            self.assertEqual(len({page["epoch"] for page in pages}), 1, pages)
            told = [[(it["offset"], it["data"]) for it in page["messages"]] for page in pages]
            self.assertTrue(all(it == told[0] for it in told), room)
            self.assertEqual(told[0][-1][1], "fence-1 " + room)
            if not may_lose:
                self.assertEqual(history.epochs[room], [pages[0]["epoch"]])

    # Redis

    def test_redis_ends_and_starts_again(self):
        nodes = self.begin("--appendonly", "yes", "--appendfsync", "always")

        def fault(crowd):
            for end in (self.redis.terminate, self.redis.kill):
                end()
                crowd.wait_for_refusals(6, "unavailable", 503)
                self.redis.start()
                crowd.wait_for(COUNT)
        history = self.under_load(nodes, fault)
        self.assertGreater(history.refusals["unavailable"] + history.refusals[503], 0)

    def test_redis_comes_back_empty(self):
        nodes = self.begin("--appendonly", "no")

        def fault(crowd):
            self.redis.lose_everything()
            crowd.wait_for(COUNT)
        history = self.under_load(nodes, fault, may_lose=True)
        for room, epochs in history.epochs.items():
            self.assertGreater(len(epochs), 1, room)

    def test_redis_loses_everything_at_once(self):
        nodes = self.begin()
        history = self.under_load(nodes, lambda crowd: self.redis.ask("FLUSHALL"), may_lose=True)
        self.assertGreater(max(map(len, history.epochs.values())), 1)

    def test_redis_stops_for_three_seconds(self):
        nodes = self.begin()

        def fault(crowd):
            self.redis.stop()
            time.sleep(3)
            self.redis.go_on()
        history = self.under_load(nodes, fault)
        self.assertGreater(history.longest_pause, 2.5)

    def test_redis_stops_for_twelve_seconds(self):
        nodes = self.begin()

        def fault(crowd):
            self.redis.stop()
            stopped = time.monotonic()
            # Nobody waits for long: who is not answered in time is told so.
            crowd.wait_for_refusals(6, "unavailable", 503)
            time.sleep(max(0, stopped + 12 - time.monotonic()))
            self.redis.go_on()
        self.under_load(nodes, fault)

    def test_redis_forgets_scripts(self):
        nodes = self.begin()

        def fault(crowd):
            for _ in range(3):
                self.redis.ask("SCRIPT", "FLUSH")
                crowd.wait_for(COUNT // 3)
        # They are loaded on a new connection: what is on its way meanwhile is refused.
        self.under_load(nodes, fault)

    def test_redis_closes_all_connections(self):
        nodes = self.begin()

        def fault(crowd):
            for kind in ("normal", "pubsub", "normal", "pubsub"):
                self.assertGreater(self.redis.ask("CLIENT", "KILL", "TYPE", kind), 0)
                crowd.wait_for(COUNT // 2)
        self.under_load(nodes, fault)

    def test_redis_pauses_clients(self):
        nodes = self.begin()

        def fault(crowd):
            self.redis.ask("CLIENT", "PAUSE", 2000, "ALL")
            crowd.wait_for(COUNT)
            self.redis.ask("CLIENT", "PAUSE", 2000, "WRITE")
            crowd.wait_for(COUNT)
        history = self.under_load(nodes, fault)
        self.assertEqual(history.refusals, {})

    def test_redis_has_no_memory_left(self):
        nodes = self.begin("--appendonly", "yes", "--maxmemory-policy", "noeviction")

        def fault(crowd):
            self.redis.ask("CONFIG", "SET", "maxmemory", 1)
            crowd.wait_for_refusals(10, "unavailable", 503)
            nodes[0].wait_for_log("maxmemory")
            self.redis.ask("CONFIG", "SET", "maxmemory", 0)
        self.under_load(nodes, fault)

    # The network

    def test_connections_are_cut(self):
        nodes = self.begin(proxies=True)

        def fault(crowd):
            for is_reset in (True, False):
                for proxy in self.proxies:
                    proxy.cut(is_reset)
                    crowd.wait_for(COUNT // 3)
        self.under_load(nodes, fault)

    def test_connections_are_cut_in_a_message(self):
        nodes = self.begin(proxies=True)

        def fault(crowd):
            for count in (1, 333, 3333, 7):
                for proxy in self.proxies:
                    before = proxy.accepted
                    proxy.cut_after(count, is_reset=count % 2 == 0)
                    proxy.wait_until(lambda it: it.accepted > before)
                    crowd.wait_for(COUNT // 6)
        self.under_load(nodes, fault)

    def test_messages_of_a_subscription_are_lost(self):
        nodes = self.begin(proxies=True)

        def fault(crowd):
            for count in (1, 5):
                for proxy in self.proxies:
                    before = proxy.dropped
                    proxy.drop_messages(count, b" tea\n")
                    proxy.wait_until(lambda it: it.dropped == before + count)
        self.under_load(nodes, fault)

    def test_the_last_message_of_a_subscription_is_lost(self):
        first, second, _ = self.begin(proxies=True)
        reader = self.keep(Json(second.port, token=self.token_of("ann")))
        reader.ask("join", "joined", room="tea")
        self.post(first, "tea", b"one", name="bob")
        self.assertEqual(reader.hear(), "one")
        self.proxies[1].drop_messages(1, b" tea\n")
        began = time.monotonic()
        self.post(first, "tea", b"two", name="bob")
        self.proxies[1].wait_until(lambda it: it.dropped == 1)
        reader.raw.settimeout(COMPARED_SECONDS + REPLY_SECONDS)
        self.assertEqual(reader.hear(), "two")
        self.assertLess(time.monotonic() - began, COMPARED_SECONDS + REPLY_SECONDS)
        self.post(second, "tea", b"three", name="bob")
        self.assertEqual(reader.hear(), "three")

    def test_one_node_does_not_reach_redis(self):
        nodes = self.begin(proxies=True)

        def fault(crowd):
            for _ in range(2):
                self.proxies[2].stall()
                # Those at that node are told so, and the others go on.
                crowd.wait_for_refusals(3, "unavailable", 503)
                for place in (0, 1):
                    crowd.wait_for(COUNT // 2, at=place)
                self.proxies[2].go_on()
                crowd.wait_for(COUNT // 3, at=2)
        self.under_load(nodes, fault)

    def test_one_node_has_a_slow_way_to_redis(self):
        nodes = self.begin(proxies=True)

        def fault(crowd):
            self.proxies[1].slow_down(40_000)
            crowd.wait_for(3 * COUNT)
            self.proxies[1].slow_down(None)
        self.under_load(nodes, fault)

    # Nodes

    def test_a_node_is_killed(self):
        nodes = self.begin()

        def fault(crowd):
            for place in (1, 2):
                nodes[place].process.kill()
                crowd.wait_for(COUNT)
                nodes[place] = self.start_node(self.redis.url, flags=self.flags)
                crowd.wait_for(COUNT)
        self.under_load(nodes, fault, has_all_stayed=False)

    def test_a_node_stops_for_a_while(self):
        nodes = self.begin()

        def fault(crowd):
            for _ in range(2):
                nodes[1].signal(signal.SIGSTOP)
                for place in (0, 2):
                    crowd.wait_for(COUNT // 2, at=place)
                time.sleep(REPLY_SECONDS + 1)
                nodes[1].signal(signal.SIGCONT)
                crowd.wait_for(COUNT // 3, at=1)
        self.under_load(nodes, fault)

    def test_a_node_is_upgraded(self):
        nodes = self.begin()

        def fault(crowd):
            for node in nodes:
                node.upgrade()
                crowd.wait_for(COUNT // 2)
        history = self.under_load(nodes, fault)
        self.assertEqual(history.refusals, {})

    def test_a_node_is_upgraded_without_redis(self):
        nodes = self.begin()

        def fault(crowd):
            self.redis.kill()
            crowd.wait_for_refusals(3, "unavailable", 503)
            nodes[0].upgrade()
            crowd.wait_for_refusals(3, "unavailable", 503)
            self.redis.start()
        self.under_load(nodes, fault)
