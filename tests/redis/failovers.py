"""A replica takes the place of its master while people talk, by the word of Sentinels."""

from crowd import crowd_at
from nodes import Case
from stores import Cluster, Sentinels

COUNT = 60


class Failovers(Case):
    def setUp(self):
        super().setUp()
        self.flags = self.secret_flags()

    def sentinels(self):
        sentinels = Sentinels(self.make_folder("sentinels"))
        self.addCleanup(sentinels.close)
        urls = [sentinels.replica.url, sentinels.master.url]
        return sentinels, self.start_nodes(3, *urls, flags=self.flags)

    def under_load(self, nodes, fault):
        """What the old master took last may be lost: it does not wait for its replica."""
        with crowd_at(nodes) as crowd:
            crowd.wait_for(COUNT)
            fault(crowd)
            for place in range(len(nodes)):
                crowd.wait_for(COUNT // 3, at=place)
            history = crowd.finish()
        self.assert_right(history, may_lose=True)
        self.assert_stayed(history, len(nodes))

    def test_sentinels_change_the_master(self):
        sentinels, nodes = self.sentinels()

        def fault(crowd):
            before = sentinels.master
            sentinels.fail_over()
            self.assertIsNot(sentinels.master, before)
            crowd.wait_for(COUNT)
        self.under_load(nodes, fault)
        self.assertTrue(sentinels.master.has_keys())

    def test_sentinels_find_the_master_dead(self):
        sentinels, nodes = self.sentinels()

        def fault(crowd):
            sentinels.kill_master()
            crowd.wait_for(COUNT)
        self.under_load(nodes, fault)

    def test_a_cluster_is_refused_in_words(self):
        cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(cluster.close)
        node = self.start_node(*cluster.urls, is_met=False)
        node.wait_for_log("cluster, which parlor cannot use yet")
