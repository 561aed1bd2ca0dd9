"""A replica takes the place of its master while people talk, by the word of Sentinels."""

from crowd import told_through
from nodes import Case
from stores import Sentinels

COUNT = 60


class Failovers(Case):
    def setUp(self):
        super().setUp()
        self.flags = self.secret_flags()

    def sentinels(self, are_asked=True):
        sentinels = Sentinels(self.make_folder("sentinels"))
        self.addCleanup(sentinels.close)
        urls = sentinels.urls if are_asked else [sentinels.replica.url, sentinels.master.url]
        return sentinels, self.start_nodes(3, *urls, flags=self.flags)

    def under_load(self, nodes, fault):
        """What the old master took last may be lost: it does not wait for its replica."""
        history = told_through(fault, nodes, COUNT)
        self.assert_right(history, may_lose=True)
        self.assert_stayed(history, len(nodes))

    def change_master(self, are_asked):
        sentinels, nodes = self.sentinels(are_asked)

        def fault(crowd):
            before = sentinels.master
            sentinels.fail_over()
            self.assertIsNot(sentinels.master, before)
            crowd.wait_for(COUNT)
        self.under_load(nodes, fault)
        self.assertTrue(sentinels.master.has_keys())

    def kill_master(self, are_asked):
        sentinels, nodes = self.sentinels(are_asked)

        def fault(crowd):
            sentinels.kill_master()
            crowd.wait_for(COUNT)
        self.under_load(nodes, fault)

    def test_sentinels_change_the_master(self):
        self.change_master(are_asked=True)

    def test_sentinels_find_the_master_dead(self):
        self.kill_master(are_asked=True)

    def test_a_replica_whose_address_is_known_becomes_the_master(self):
        self.change_master(are_asked=False)

    def test_a_replica_whose_address_is_known_takes_over_from_a_dead_master(self):
        self.kill_master(are_asked=False)

    def test_a_sentinel_that_does_not_know_the_master_says_so(self):
        sentinels = Sentinels(self.make_folder("sentinels"))
        self.addCleanup(sentinels.close)
        node = self.start_node(sentinels.urls[0] + "-not", is_met=False)
        node.wait_for_log("knows no master with the name parlor-not")

    def test_the_doctor_asks_sentinels(self):
        sentinels = Sentinels(self.make_folder("sentinels"))
        self.addCleanup(sentinels.close)
        done = self.parlor("doctor", "--redis", sentinels.urls[0])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(sentinels.master.url, done.stdout)
