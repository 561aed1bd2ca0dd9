"""The loads of the matrix: the generator's arguments, what is read from its report, and what it is to be."""

from dataclasses import dataclass, field

# What one thread needs at the least, sending what waits at once.
FLOOR = "floor-tick"
NOTHING = "nothing"
FILL_SECONDS = 30
# Of ten messages a second: for a hundred of them, or p99 would be the slowest one.
SPARSE_SECONDS = 10

LOADS = [(1, 1), (10, 1), (1, 32), (10, 32)]
SIZES = [64, 1024]
RECEIVERS = [100, 1_000, 10_000, 19_000]

# CPU per delivery at the JSON door, as a multiple of the plain door's: more bytes for the same message; and in
# rooms of ten, where nothing is joined.
JSON_DOOR_GOAL = 1.3
JSON_ROOMS_GOAL = 1.1
# Rooms, and members of each: 1,000 connections, of which one in each room sends, with one in flight.
ROOMS = [(100, 10), (500, 2)]
# Servers that have rooms.
WITH_ROOMS = ("parlor", "parlor-json", "nats", "socketio")
# Coming and going at once must cost each the same, however many they are.
STORMS = [1_250, 2_500, 5_000, 10_000]

# Who is measured beyond 1,000 receivers; the other peers are for the comparison at that number.
WHOLE_MATRIX = ["floor-each", "floor-tick", "parlor", "uwebsockets"]


@dataclass(frozen=True)
class Case:
    """One load. Its figure is the one that is compared with the floor's."""

    name: str
    arguments: list = field(hash=False)
    figure: tuple
    unit: str
    servers: tuple = ()
    goal: float = None
    # The figure is to be at most the goal times the floor's, or at least it; or times that of another case; or it
    # is the goal itself.
    at_least: bool = False
    against: str = FLOOR
    # It must be measured for that long, unless the run is quick.
    seconds: float = 0
    # Server and generator go before whatever else the machine does, where that is allowed: a few messages a second
    # show each time that either has to wait.
    real_time: bool = False
    # A second load on another room at the same time, whose figure is meant.
    beside: list = field(default=None, hash=False)


def fan_out(size, receivers, senders, window):
    return f"fan-out/{size}/{receivers}/{senders}x{window}"


def fan_out_cases(sizes, receivers):
    cases = []
    for size in sizes:
        for count in receivers:
            for senders, window in LOADS:
                arguments = ["-c", count, "-s", senders, "-w", window, "--size", size]
                # Going by what the kernel demands: alone in flight, nothing can be joined.
                goal = 1.10 if window == 1 and senders == 1 else 1.25
                servers = () if count == 1_000 else tuple(WHOLE_MATRIX)
                name = fan_out(size, count, senders, window)
                cases.append(Case(name, arguments, ("server", "cpu_us_per_delivery"), "µs", servers, goal))
    return cases


def in_rooms(size, rooms, members):
    return f"rooms/{size}/{rooms}x{members}"


def rooms_cases(sizes):
    return [
        Case(
            in_rooms(size, rooms, members),
            ["--rooms", rooms, "--members", members, "--size", size],
            ("server", "cpu_us_per_delivery"),
            "µs",
            WITH_ROOMS,
            against=NOTHING,
        )
        for size in sizes
        for rooms, members in ROOMS
    ]


def other_cases(many, most):
    """`many` receivers for the open loop, `most` for idle connections."""
    latency = ("latency_us", "p99")
    open_loop = ["-c", many, "--rate", 10]
    # To each 330 kB/s: those that stall have filled the kernel's buffers, some MB, before it ends.
    steady = ["-c", 1_000, "--rate", 20, "--size", 16_384]
    stalled = [*steady, "--stall", 100]
    accept = ["-c", 1_000, "--rate", 10, "--churn", 100_000, "--churn-hold", 0]
    # At 1,000 a second the generator would never sleep, and the kernel stops real-time processes that never do.
    churn = ["-c", 1_000, "--rate", 10, "--churn", 500, "--churn-hold", 1]
    connect = ["-c", many, "--idle"]
    idle = ["-c", most, "--idle"]
    own = tuple(WHOLE_MATRIX)
    return [
        Case("open-loop", open_loop, latency, "µs", own, 1.15, seconds=SPARSE_SECONDS, real_time=True),
        Case("connect", connect, ("connect", "per_second"), "/s", (), 0.8, True),
        # Where the generator is the slower one, this is what tells the servers apart.
        Case("connect-cpu", connect, ("server", "cpu_us_per_connect"), "µs each", (), 1.25),
        Case("accept-while-broadcasting", accept, ("churn", "per_second"), "/s", own, 0.8, True),
        Case("churn", churn, latency, "µs", own, seconds=SPARSE_SECONDS, real_time=True),
        Case("steady", steady, latency, "µs", own, seconds=FILL_SECONDS),
        Case("stalled", stalled, latency, "µs", own, 1.1, against="steady", seconds=FILL_SECONDS),
        Case("stalled-cut-off", stalled, ("stalled_cut_off",), "of 100", own, seconds=FILL_SECONDS),
        Case("stalled-memory", stalled, ("server", "resident_bytes", "end"), "B", own, seconds=FILL_SECONDS),
        Case("idle-memory", idle, ("server", "bytes_per_connection"), "B", (), 300, against=NOTHING),
        Case("idle-cpu", idle, ("server", "cpu"), "of a core", own, 0.002, against=NOTHING),
        *storm_cases([count for count in STORMS if count <= many]),
        *recovery_cases(),
        Case(
            "room-next-door",
            ["-c", 2, "--rate", 50],
            latency,
            "µs",
            ("parlor",),
            goal=10_000,
            against=NOTHING,
            beside=["-c", many, "-s", 10, "-w", 32, "--size", 1_024],
        ),
    ]


def storm_cases(counts):
    """Everyone into one room at once, and out of it at once."""
    doors = ("parlor", "parlor-json")
    cases = []
    for count in counts:
        storm = ["-c", count, "--idle", "--connect-concurrency", 2_000]
        for way, figure in [("join", "cpu_us_per_connect"), ("leave", "cpu_us_per_leave")]:
            cases.append(Case(f"storm-{way}/{count}", storm, ("server", figure), "µs each", doors))
    return cases


def recovery_cases():
    """Visitors that are cut off and come back, a thousand a second."""
    churn = ["-c", 100, "--rate", 100, "--churn", 1_000, "--churn-hold", 0.3]
    goals = [("recovered", None), ("holes", 0), ("repeats", 0)]
    return [
        Case(f"recovery-{name}", churn, ("recovery", name), "in all", ("parlor-json",), goal, against=NOTHING)
        for name, goal in goals
    ]


def all_cases(is_quick):
    if is_quick:
        return fan_out_cases([64], [1_000]) + rooms_cases([64]) + other_cases(2_000, 2_000)
    return fan_out_cases(SIZES, RECEIVERS) + rooms_cases(SIZES) + other_cases(10_000, 19_000)
