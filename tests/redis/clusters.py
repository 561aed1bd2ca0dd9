"""Redis as a cluster: slots move and masters fail over while people talk."""

from crowd import told_through
from members import Company
from nodes import Case, until
from stores import Cluster
from wire import Json

COUNT = 60


class Clusters(Case):
    def setUp(self):
        super().setUp()
        self.flags = self.secret_flags()

    def cluster(self):
        cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(cluster.close)
        return cluster, self.start_nodes(3, *cluster.urls, flags=self.flags)

    def under_load(self, nodes, fault, may_lose=False):
        history = told_through(fault, nodes, COUNT)
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

    def test_the_doctor_looks_at_all_masters(self):
        cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(cluster.close)
        done = self.parlor("doctor", "--redis", cluster.urls[0])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for master in cluster.masters():
            self.assertIn(master.url, done.stdout)


class PeopleOfClusters(Company):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self.make_folder("cluster"))
        self.addCleanup(self.cluster.close)
        self.start_nodes_at(*self.cluster.urls)

    def check_all_is_known(self, step):
        """Of people who are there and of others who come now."""
        new = "new %d" % step
        self.person(self.nodes[2], new, "tea")
        self.assertEqual(self.presence(self.ann, joined=[new]), 3 + step)
        for name in ("bob", new):
            error = self.keep(Json(self.nodes[step % 3].port)).ask("login", "welcome", name=name)
            self.assertEqual(error.get("code"), "name_taken")
        # It may be answered with `unavailable` while the master of people changes, and be sent twice then.
        until(lambda: self.ann.ask("direct", "direct", to="bob", data=step)["type"] == "direct", "bob is found")
        until(lambda: self.bob.next("direct")["data"] == step, "bob is told")

    def test_people_stay_known_where_their_slots_move(self):
        self.ann, self.bob = self.person(self.nodes[0], "ann", "tea"), self.person(self.nodes[1], "bob", "tea")
        self.presence(self.ann, joined=["bob"])
        node = self.cluster.nodes[0]
        room = self.cluster.slot_of_room("here:tea")
        people = node.ask("CLUSTER", "KEYSLOT", "{people}")
        for step, change in enumerate((lambda: None, lambda: self.cluster.move(people), lambda: self.cluster.move(room),
                                       lambda: self.cluster.fail_over(self.cluster.owner(people)),
                                       lambda: self.cluster.fail_over(self.cluster.owner(room)))):
            change()
            self.check_all_is_known(step)
        self.wait_for_members("tea", ["ann", "bob", *("new %d" % step for step in range(5))])
