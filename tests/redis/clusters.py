"""Redis as a cluster, and with Sentinels: slots move and masters fail over while people talk."""

from crowd import crowd_at
from nodes import Case
from stores import Cluster, Sentinels

COUNT = 60


class Clusters(Case):
    def setUp(self):
        super().setUp()
        self.flags = self.secret_flags()

    def cluster(self):
        cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(cluster.close)
        return cluster, self.start_nodes(3, *cluster.urls, flags=self.flags)

    def sentinels(self):
        sentinels = Sentinels(self.make_folder("sentinels"))
        self.addCleanup(sentinels.close)
        return sentinels, self.start_nodes(3, *sentinels.urls, flags=self.flags)

    def under_load(self, nodes, fault, may_lose=False):
        with crowd_at(nodes) as crowd:
            crowd.wait_for(COUNT)
            fault(crowd)
            for place in range(len(nodes)):
                crowd.wait_for(COUNT // 3, at=place)
            history = crowd.finish()
        self.assert_right(history, may_lose)
        self.assert_stayed(history, len(nodes))
        return history

    def test_slots_move(self):
        cluster, nodes = self.cluster()

        def fault(crowd):
            for room in crowd.rooms * 2:
                slot = cluster.slot_of_room(room)
                source, target = cluster.move(slot)
                self.assertIsNot(source, target)
                self.assertIs(cluster.owner(slot), target)
                crowd.wait_for(COUNT)
        self.under_load(nodes, fault)
        # Rooms are kept on more than one master.
        self.assertGreater(sum(node.ask("DBSIZE") > 0 for node in cluster.masters()), 1)

    def test_masters_hand_over(self):
        cluster, nodes = self.cluster()

        def fault(crowd):
            for room in crowd.rooms:
                cluster.fail_over(cluster.owner(cluster.slot_of_room(room)))
                crowd.wait_for(COUNT)
        self.under_load(nodes, fault)

    def test_a_master_is_killed(self):
        cluster, nodes = self.cluster()

        def fault(crowd):
            cluster.kill(cluster.owner(cluster.slot_of_room(crowd.rooms[0])))
            crowd.wait_for(COUNT)
        # The replica may not have had the last messages yet.
        self.under_load(nodes, fault, may_lose=True)

    def test_sentinels_change_the_master(self):
        sentinels, nodes = self.sentinels()

        def fault(crowd):
            before = sentinels.master
            sentinels.fail_over()
            self.assertIsNot(sentinels.master, before)
            crowd.wait_for(COUNT)
        # What was written to the old master until it was told is lost.
        self.under_load(nodes, fault, may_lose=True)
        self.assertTrue(sentinels.master.has_keys())

    def test_sentinels_find_the_master_dead(self):
        sentinels, nodes = self.sentinels()

        def fault(crowd):
            sentinels.kill_master()
            crowd.wait_for(COUNT)
        self.under_load(nodes, fault, may_lose=True)
