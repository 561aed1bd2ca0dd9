"""What a run of the matrix shows: tables and charts in target/bench, and in the pages that keep them."""

import shutil
import sys
from statistics import median

from cases import FLOOR, JSON_DOOR_GOAL, JSON_ROOMS_GOAL, LOADS, NOTHING, ROOMS, fan_out, in_rooms
from chart import bars
from servers import OUT, ROOT, SERVERS

GUIDE = ROOT / "assets/guide/performance.md"
RESULTS = ROOT / "tests/bench/results.md"
# The plots that results.md shows have to be in the repository, beside it.
PLOTS = ROOT / "tests/bench/plots"
# What is recorded of a run: sections in pages. Each goes between the marks of its name, and is in target/bench/NAME.md.
RECORDS = {"bench": {"figures": GUIDE, "goals": RESULTS}, "peers": {"peers": GUIDE}}

# Latency is measured in microseconds and read in milliseconds; a share of a core in per cent.
READABLE = {"µs": (1e-3, "ms"), "of a core": (100, "% of a core")}
LOAD_NAMES = {
    (1, 1): "1 sender, 1 in flight",
    (10, 1): "10 senders, 1 in flight",
    (1, 32): "1 sender, 32 in flight",
    (10, 32): "10 senders, 32 in flight",
}


class Results:
    """Figures by case and server: the median of the rounds, and the median of the ratios within each round."""

    def __init__(self, results):
        self.rounds = {}
        for result in results:
            self.rounds.setdefault((result["case"], result["server"]), []).append(result)

    def value(self, case, server):
        values = [one["value"] for one in self.rounds.get((case, server), []) if one["value"] is not None]
        return median(values) if values else None

    def ratio(self, case, server):
        """To the floor."""
        return self.quotient((case, server), (case, FLOOR))

    def against(self, case, server):
        """The figure that the goal is about, and its unit."""
        if case.against == NOTHING:
            return self.value(case.name, server), case.unit
        other = (case.name, FLOOR) if case.against == FLOOR else (case.against, server)
        return self.quotient((case.name, server), other), "×"

    def quotient(self, key, other):
        """The median of the quotients within each round."""
        others = {one["round"]: one["value"] for one in self.rounds.get(other, [])}
        quotients = [
            one["value"] / others[one["round"]]
            for one in self.rounds.get(key, [])
            if one["value"] is not None and others.get(one["round"])
        ]
        return median(quotients) if quotients else None

    def trouble(self, case, server):
        """What went wrong in some round, in a word."""
        words = []
        for one in self.rounds.get((case, server), []):
            report = one["report"]
            faults = report.get("faults") or {}
            if report.get("error"):
                words.append("fails")
            elif faults.get("disconnected"):
                words.append("loses clients")
            elif faults.get("strayed"):
                words.append("mixes rooms up")
            elif faults.get("lost") or faults.get("duplicated") or faults.get("reordered"):
                words.append("loses messages")
            elif not report.get("clean"):
                words.append("refuses clients")
        return words[0] if words else ""

    def generator_limited(self, case, server):
        return any(
            (one["report"].get("generator") or {}).get("was_limit") for one in self.rounds.get((case, server), [])
        )


def number(value):
    if value is None:
        return "–"
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.1 else f"{value:.3f}"


def cell(results, case, server, scale=1):
    value = results.value(case, server)
    text = number(None if value is None else value * scale)
    trouble = results.trouble(case, server)
    return f"{text}, {trouble}" if trouble else text


def table(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def server_table(results, size):
    """Every server at 1,000 receivers."""
    columns = {fan_out(size, 1_000, *load): LOAD_NAMES[load] for load in LOADS}
    return table_of_servers(results, f"{size} bytes, 1,000 receivers", columns)


def rooms_table(results, size):
    """Every server that has rooms."""
    columns = {in_rooms(size, *shape): "{:,} rooms of {}".format(*shape) for shape in ROOMS}
    return table_of_servers(results, f"{size} bytes, 1 sender in each room, 1 in flight", columns)


def table_of_servers(results, title, columns):
    """The figures of cases, side by side."""
    names = [name for name in SERVERS if any(results.value(case, name) for case in columns)]
    rows = [[SERVERS[name][0], *[cell(results, case, name) for case in columns]] for name in names]
    return table([title, *columns.values()], rows) if rows else ""


def ratio_table(results, plan, server):
    """A server's CPU time per delivery as a multiple of the floor's."""
    names = [case.name for case, _ in plan if case.name.startswith("fan-out/")]
    shapes = sorted({tuple(map(int, name.split("/")[1:3])) for name in names})
    rows = []
    for size, receivers in shapes:
        ratios = [results.ratio(fan_out(size, receivers, *load), server) for load in LOADS]
        if any(ratios):
            cells = ["–" if ratio is None else f"{ratio:.2f} ×" for ratio in ratios]
            rows.append([f"{size} bytes, {receivers:,} receivers", *cells])
    name = SERVERS[server][0].strip("*")
    return table([f"{name} ÷ floor", *[LOAD_NAMES[load] for load in LOADS]], rows) if rows else ""


def other_table(results, plan):
    cases = [case for case, _ in plan if not case.name.startswith(("fan-out/", "rooms/"))]
    names = [name for name in SERVERS if any(results.value(case.name, name) is not None for case in cases)]
    header = ["case", *[SERVERS[name][0] for name in names]]
    rows = []
    for case in cases:
        scale, unit = READABLE.get(case.unit, (1, case.unit))
        rows.append([f"{case.name}, {unit}", *[cell(results, case.name, name, scale) for name in names]])
    return table(header, rows) if rows else ""


def goal_table(results, plan):
    rows = []
    for case, names in plan:
        measured = next((name for name in ("parlor", "parlor-json") if name in names), None)
        if case.goal is None or measured is None:
            continue
        figure, unit = results.against(case, measured)
        if figure is None:
            continue
        met = figure >= case.goal if case.at_least else figure <= case.goal
        sign = "≥" if case.at_least else "≤"
        scale, unit = READABLE.get(unit, (1, unit))
        limited = "generator" if results.generator_limited(case.name, measured) else ""
        against = "" if case.against == NOTHING else f" ÷ {'floor' if case.against == FLOOR else case.against}"
        values = [f"{number(value * scale)} {unit}" for value in (figure, case.goal)]
        rows.append([case.name + against, values[0], f"{sign} {values[1]}", "yes" if met else "**no**", limited])
    rows += door_goals(results)
    return table(["case", "measured", "goal", "met", "limit"], rows) if rows else ""


def door_goals(results):
    """What the JSON door costs more than the plain one."""
    goals = {fan_out(64, 1_000, *load): JSON_DOOR_GOAL for load in LOADS}
    goals[in_rooms(64, *ROOMS[0])] = JSON_ROOMS_GOAL
    rows = []
    for case, goal in goals.items():
        ratio = results.quotient((case, "parlor-json"), (case, "parlor"))
        if ratio is not None:
            met = "yes" if ratio <= goal else "**no**"
            limited = "generator" if results.generator_limited(case, "parlor-json") else ""
            rows.append([f"{case}, JSON door ÷ plain door", f"{number(ratio)} ×", f"≤ {goal} ×", met, limited])
    return rows


def write_charts(results):
    for size in (64, 1_024):
        names = [name for name in SERVERS if results.value(fan_out(size, 1_000, 1, 1), name)]
        if not names:
            continue
        groups = [LOAD_NAMES[load] for load in LOADS]
        values = {
            SERVERS[name][0].strip("*"): [results.value(fan_out(size, 1_000, *load), name) for load in LOADS]
            for name in names
        }
        title = f"CPU of the server per delivery, µs (log scale): {size} bytes, 1,000 receivers"
        (OUT / f"fan-out-{size}.svg").write_text(bars(title, groups, values))


def write_report(machine, plan, results):
    results = Results(results)
    measured_on = (
        f"{machine['cpu']}, Linux {machine['kernel']}, {machine['date']}. Server on one core, generator on the other."
    )
    compared = [
        measured_on,
        "CPU of the server per delivery, µs:",
        *[server_table(results, size) for size in (64, 1_024)],
        *[rooms_table(results, size) for size in (64, 1_024)],
    ]
    others = [
        ratio_table(results, plan, "parlor"),
        ratio_table(results, plan, "uwebsockets"),
        other_table(results, plan),
    ]
    goals = goal_table(results, plan)
    write_charts(results)
    sections = {
        "table": [*compared, *others, goals],
        "figures": [*compared, *others],
        "goals": [measured_on, goals, *plots()],
        "peers": compared,
    }
    for name, parts in sections.items():
        (OUT / f"{name}.md").write_text("\n\n".join(part for part in parts if part) + "\n")


def record(name):
    """Puts a run into the pages that keep it, and its plots beside them."""
    for section, page in RECORDS[name].items():
        begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
        text = page.read_text()
        if begin not in text or end not in text:
            sys.exit(f"{page} has no {begin} and {end}")
        content = (OUT / f"{section}.md").read_text().strip()
        page.write_text(text[: text.index(begin)] + f"{begin}\n\n{content}\n\n" + text[text.index(end) :])
    if name == "bench":
        PLOTS.mkdir(exist_ok=True)
        for plot in shown_plots():
            shutil.copy(plot, PLOTS)


def shown_plots():
    return [plot for plot in sorted(OUT.glob("*.svg")) if plot.stem.startswith("fan-out") or plot.stem.endswith("parlor")]


def plots():
    """Markdown that shows them, in results.md."""
    return [f"![{plot.stem}]({PLOTS.name}/{plot.name})" for plot in shown_plots()]
