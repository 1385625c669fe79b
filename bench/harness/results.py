"""From single measurements to the figures that are shown: medians over the rounds, and ratios within a round."""

import dataclasses
import statistics

from harness.systems import BASELINE, BY_KEY

CALLS = (("send", "send"), ("receive", "receive"), ("delete", "delete"), ("end_to_end", "end to end"))
PARTS = ("client", "server", "postgres")
# Above this, in cores, rates say more about what else ran than about the systems.
BUSY_CORES = 0.3


@dataclasses.dataclass(frozen=True)
class Measurement:
    key: str        # of the system
    round: int
    result: dict    # what the workload printed


@dataclasses.dataclass(frozen=True)
class Row:
    """One system at one batch size."""
    key: str
    batch: int
    name: str
    rates: list       # cycles/s of each round
    ratios: list      # to the baseline of the same round; empty without one
    cpu_ratios: list  # the baseline's CPU a cycle to this one's
    latency: dict     # call -> {"p50", "p99"}, those that the workload has and that are answered
    cpu: dict         # part -> us a cycle
    others: float     # cores that others used, the most of the rounds

    @property
    def rate(self):
        return statistics.median(self.rates)

    @property
    def median_ratio(self):
        return statistics.median(self.ratios)


def cpu_of(result):
    return sum(result["cpu"].get(part + "_us_per_cycle", 0) for part in PARTS)


def median_of(results, *path):
    def value(result):
        for step in path:
            result = result[step]
        return result
    return statistics.median(value(result) for result in results)


def summarise(measurements, batch, connections):
    """Rows in the order of the systems' first measurement. `measurements` are of one batch size."""
    of = {}
    for measurement in measurements:
        of.setdefault(measurement.key, {})[measurement.round] = measurement.result
    baseline = of.get(BASELINE, {})
    rows = []
    for key, by_round in of.items():
        results = list(by_round.values())
        common = [(result, baseline[number]) for number, result in by_round.items() if number in baseline]
        rows.append(Row(
            key=key, batch=batch, name=BY_KEY[key].name(batch, connections),
            rates=[result["cycles_per_s"] for result in results],
            ratios=[result["cycles_per_s"] / base["cycles_per_s"] for result, base in common],
            cpu_ratios=[cpu_of(base) / cpu_of(result) for result, base in common if cpu_of(result) > 0],
            latency={call: {point: median_of(results, "latency_ms", call, point) for point in ("p50", "p99")}
                     for call, _ in CALLS if call not in BY_KEY[key].unanswered and all(call in result["latency_ms"] for result in results)},
            cpu={part: median_of(results, "cpu", part + "_us_per_cycle") for part in PARTS
                 if all(part + "_us_per_cycle" in result["cpu"] for result in results)},
            others=max(result["cpu"]["cores_used_by_others"] for result in results)))
    return rows


def number(value):
    """7,210, and 41.3 where the digits before the point do not say enough."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values):
    if not values:
        return ""
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def pair(latency):
    return f"{number(latency['p50'])} / {number(latency['p99'])}" if latency else "–"


def markdown(rows):
    """The table of one batch size."""
    head = ["system", "cycles/s", "× table", *(f"{label}, ms" for _, label in CALLS), "CPU a cycle, µs", "what an answer promises"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cpu = ", ".join(f"{part} {number(value)}" for part, value in row.cpu.items())
        lines.append("| " + " | ".join([
            row.name, number(row.rate), spread(row.ratios), *(pair(row.latency.get(call)) for call, _ in CALLS), cpu,
            BY_KEY[row.key].durability]) + " |")
    return "\n".join(lines) + "\n"


def text(rows):
    """The same for a terminal."""
    lines = ["%-56s %10s %-22s %15s %15s %15s %17s   %s" % (
        "medians", "cycles/s", "ratio (of rounds)", "send p50/p99", "receive", "delete", "end to end, ms", "CPU us a cycle")]
    for row in rows:
        cpu = ", ".join(f"{part} {number(value)}" for part, value in row.cpu.items())
        if row.cpu_ratios and row.key != BASELINE:
            cpu += f"; table's by it: {statistics.median(row.cpu_ratios):.2f}"
        lines.append("%-56s %10s %-22s %15s %15s %15s %17s   %s" % (
            row.name, number(row.rate), spread(row.ratios), *(pair(row.latency.get(call)) for call, _ in CALLS), cpu))
    return "\n".join(lines) + "\n"
