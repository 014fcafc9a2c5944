"""Published results as Markdown."""
from __future__ import annotations

import math

TITLES = {
    "throughput": "Files", "kafka": "Kafka", "small": "Small things", "spark": "Beside PySpark and Delta Lake",
    "latency": "Latency", "keys": "Keys",
    "nexmark": "Nexmark",
}
PEERS = ("flink", "spark")  # of Nexmark
RUNNERS = (("bourn", "bourn_per_core"), ("Flink", "flink_per_core"), ("Spark", "spark_per_core"))
AIMS = {
    "bourn, one core": "2 M, then 4 M",
    "bourn, one core, keys shuffled and escapes": "half of the plain events",
    "bourn, two workers on two cores": "1.7 x one core",
    "bourn from Kafka, two workers, both cores": "1 M, then 1.8 M",
    "resident memory of a quiet stream": "64 MB",
    "start to the first published row": "50 ms",
    "a durable epoch of 1,000 rows, one after the other": "5 ms, then 3 ms",
    "Kafka to a pipe at 100,000 events a second": "median 10 ms, p99 50 ms",
    "PySpark + Delta, one core": "20 x", "PySpark + Delta, two cores": "20 x",
}


def speed(value: float) -> str:
    return f"{value / 1e6:.2f} M/s" if value >= 1e6 else f"{value / 1e3:.0f} K/s"


def notes(line: dict) -> list[str]:
    """What is said of a result besides its speed."""
    said = []
    if "median_ms" in line:
        said.append(f"median {line['median_ms']:.1f} ms, p99 {line['p99_ms']:.1f} ms")
    if "mb" in line:
        said.append(f"{line['mb']:.0f} MB, {line['of_a_core']:.1%} of a core")
    if "us_per_event" in line:
        said.append(f"{line['us_per_event']:.2f} us of processor time an event, "
                    f"the broker {line['broker_us_per_event']:.2f}")
    if line.get("of_bourn_on_one_core", 1) != 1:
        said.append(f"{line['of_bourn_on_one_core']:.2f} x bourn on one core")
    if "bourn_is_times_as_fast" in line:
        said.append(f"**bourn is {line['bourn_is_times_as_fast']:.1f} x as fast**")
    if "ns_a_row_and_result" in line:
        said.append(f"{line['results'] / 1e6:.1f} M results, {line['ns_a_row_and_result']:.0f} ns a row and result")
    if "tables" in line:
        said.append(f"tables {line['tables']}")
    if "memory_mb" in line and line["what"].startswith("bourn"):
        said.append(f"at most {line['memory_mb']:.0f} MB")
    return said


def row(line: dict) -> str:
    figure = [speed(line["events_per_s"])] if "events_per_s" in line else []
    aim = AIMS.get(line["what"], "") if line["bench"] != "spark" or "PySpark" in line["what"] else ""
    return f"| {line['what']} | {'; '.join(figure + notes(line))} | {aim} |\n"


def nexmark_row(line: dict) -> str:
    """A query: speeds per core, how many times faster, what it needed."""
    cells = [speed(line["bourn_per_core"]) if "bourn_per_core" in line else line.get("bourn_error", ""),
             speed(line["thrown_per_core"]) if "thrown_per_core" in line else "",
             speed(line["one_core_per_s"]) if "one_core_per_s" in line else ""]
    for peer in PEERS:
        cells += beside(line, peer)
    cells += [f"{line['memory_mb']:.0f} MB" if "memory_mb" in line else "",
              f"{line['state_bytes_per_key']:.0f} B" if "state_bytes_per_key" in line else ""]
    return f"| {line['what']} | {' | '.join(cells)} |\n"


def kafka_row(line: dict) -> str:
    """The same from Kafka."""
    if "kafka_per_core" not in line:
        return ""
    return f"| {line['what']} | {' | '.join([speed(line['kafka_per_core']), *beside(line, 'flink_kafka')])} |\n"


def beside(line: dict, peer: str) -> list[str]:
    key, times = f"{peer}_per_core", line.get(f"times_{peer}")
    return [speed(line[key]) if key in line else refusal(line.get(f"{peer}_error", "")),
            f"{times:.1f} x" if times else ""]


def refusal(text: str) -> str:
    """A peer's own words, as much of them as says why."""
    words = text.replace("|", "/").split(". ")[0]
    return f"refused: {words[:140]}" if words else ""


def mean_of(lines: list[dict], peer: str) -> tuple[int, float]:
    """Of how many queries; how many times faster in the geometric mean."""
    ratios = [line[f"times_{peer}"] for line in lines if f"times_{peer}" in line]
    return len(ratios), math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0


def mean_cells(lines: list[dict], *peers: str) -> str:
    means = [mean_of(lines, peer) for peer in peers]
    return " | ".join(f"{count} queries | {mean:.1f} x" if count else " | " for count, mean in means)


def table(lines: list[dict]) -> str:
    return "| what | figure | aim |\n|---|---|---|\n" + "".join(map(row, lines))


def nexmark_tables(lines: list[dict]) -> str:
    out = ("| query | bourn, a core | result thrown away | one core, files in memory | Flink, a core | bourn is "
           "| Spark, a core | bourn is | its memory | state a key |\n|---|---|---|---|---|---|---|---|---|---|\n")
    out += "".join(map(nexmark_row, lines))
    out += f"| geometric mean | | | | {mean_cells(lines, *PEERS)} | | |\n"
    if any("kafka_per_core" in line for line in lines):
        out += ("\nFrom Kafka, its broker on the same two cores:\n\n"
                "| query | bourn, a core | Flink, a core | bourn is |\n|---|---|---|---|\n"
                f"{''.join(map(kafka_row, lines))}"
                f"| geometric mean | | {mean_cells(lines, 'flink_kafka')} |\n")
    return out


def tables(lines: list[dict]) -> str:
    out = ""
    for bench, title in TITLES.items():
        of_bench = [line for line in lines if line["bench"] == bench]
        if not of_bench:
            continue
        first = of_bench[0]
        events = f", {first['events'] / 1e6:g} M events" if "events" in first else ""
        commits = list(dict.fromkeys(line["commit"] for line in of_bench))
        out += (f"\n### {title}\n\nCommit {' and '.join(commits)}, {first['at'][:10]}, {first['machine']}{events}: "
                f"`bench/run {bench}`\n\n")
        out += nexmark_tables(of_bench) if bench == "nexmark" else table(of_bench)
        out += f"\n![{title}](plots/{bench}.svg)\n" if bars_of(of_bench) else ""
    return out + "\n"


def bars_of(lines: list[dict]) -> list[tuple[str, float, bool]]:
    """What of one benchmark can be drawn: (label, events a second, is it bourn)."""
    rows = [(line["what"], line["events_per_s"], line["what"].startswith("bourn"))
            for line in lines if "events_per_s" in line]
    for line in lines:
        rows += [(f"{line['what']}, {name}, a core", line[key], name == "bourn")
                 for name, key in RUNNERS if key in line]
    return rows


SUMMARY = [
    ("throughput", "bourn, one core", "payments, file to four Delta tables, one core"),
    ("throughput", "bourn, two workers on two cores", "the same on two cores"),
    ("kafka", "bourn from Kafka, two workers, both cores", "from Kafka, its broker on the same two cores"),
    ("spark", "PySpark + Delta, one core", "PySpark + Delta, the same job and tables, one core"),
    ("small", "a durable epoch of 1,000 rows, one after the other", "a durable epoch of 1,000 rows"),
    ("small", "start to the first published row", "start to the first published row"),
    ("small", "resident memory of a quiet stream", "a quiet stream"),
]


def summary(lines: list[dict]) -> str:
    found = {(line["bench"], line["what"]): line for line in lines}
    out = "\n| what | measured |\n|---|---|\n"
    for bench, what, said in SUMMARY:
        if line := found.get((bench, what)):
            figure = speed(line["events_per_s"]) if "events_per_s" in line else notes(line)[0]
            if "bourn_is_times_as_fast" in line:
                figure += f"; bourn is {line['bourn_is_times_as_fast']:.0f} x as fast"
            out += f"| {said} | {figure} |\n"
    of_nexmark = [line for line in lines if line["bench"] == "nexmark"]
    for peer, name in (("flink", "Flink SQL"), ("spark", "Spark Structured Streaming")):
        count, mean = mean_of(of_nexmark, peer)
        if count:
            out += (f"| Nexmark, {count} queries, beside {name} "
                    f"| bourn is {mean:.1f} x as fast in the geometric mean |\n")
    first = next(iter(found.values()))
    return out + f"\n{first['machine']}, {first['at'][:10]}, `make bench`.\n\n"
