"""From results to tables in Markdown. A result is a dict with row, subject, round and either cost or void."""
import math
import statistics

from peers import OURS
from rows import GIB

DRAW = 1.07  # medians that differ by less are a draw: --pairs settles it


def table(lines):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(row, value):
    return f"{value:.3f}" if row.unit == GIB else f"{value:.2f}"


def results_of(results, row):
    """{subject: its results} of a row, and {subject: why it is void}: one bad round voids the subject's line."""
    good, void = {}, {}
    for result in results:
        if result["row"] != row.name:
            continue
        if "void" in result:
            void.setdefault(result["subject"], result["void"])
        else:
            good.setdefault(result["subject"], []).append(result)
    return {name: found for name, found in good.items() if name not in void}, void


def median(found, key="cost"):
    return statistics.median(result[key] for result in found)


def best(found):
    return min(result["cost"] for result in found)


def latency(found, key):
    """A dash where no request began and ended within the time: bulk over a slow machine."""
    return f"{median(found, key):.0f}" if median(found, key) else "-"


def verdict(ratio, promised):
    if promised is None:
        return "-"
    return "kept" if ratio <= promised else "close" if ratio <= promised * DRAW else "missed"


def line_of(row, results):
    good, void = results_of(results, row)
    promised = "-" if row.promised is None else f"≤ {row.promised:.2f}"
    ours, peers = good.get(OURS), {name: found for name, found in good.items() if name != OURS}
    name = min(peers, key=lambda peer: median(peers[peer]), default=None)
    peer = f"{name} {number(row, median(peers[name]))} ({number(row, best(peers[name]))})" if name else "-"
    if not ours:
        return [row.name, row.unit, peer, void.get(OURS, "-"), "-", "-", promised, "void" if OURS in void else "-"]
    mine = f"{number(row, median(ours))} ({number(row, best(ours))})"
    if not name or not median(peers[name]):
        return [row.name, row.unit, peer, mine, "-", "-", promised, "no peer"]
    ratio = median(ours) / median(peers[name])
    best_peer = best(peers[name])
    return [row.name, row.unit, peer, mine, f"{ratio:.2f}", f"{best(ours) / best_peer:.2f}" if best_peer else "-", promised,
            verdict(ratio, row.promised)]


def promises(rows, results):
    """The promise table: the best peer is the one with the lowest median."""
    head = ["row", "unit", "best peer", "ours", "ratio of medians", "ratio of best runs", "promised", "verdict"]
    return table([head, ["---"] * len(head), *(line_of(row, results) for row in rows)])


def details(rows, results):
    """Every subject of every row, the cheapest first."""
    head = ["row", "subject", "rounds", "median", "best", "of it user", "per second", "p50 µs", "p99 µs", "errors"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        good, void = results_of(results, row)
        for name, found in sorted(good.items(), key=lambda item: median(item[1])):
            rate = median(found, "rate")
            lines.append([row.name, name, str(len(found)), number(row, median(found)), number(row, best(found)),
                          number(row, median(found, "user")), f"{rate:.2f}" if row.unit == GIB else f"{rate:.0f}",
                          latency(found, "p50_us"), latency(found, "p99_us"),
                          str(sum(result["errors"] for result in found))])
        lines += [[row.name, name, "-", why, "-", "-", "-", "-", "-", "void"] for name, why in sorted(void.items())]
    return table(lines)


# ---- pairs -----------------------------------------------------------------
def interval(ratios):
    """A 95 % interval of the median, from the order of the ratios alone: noise need not be normal, and one spoilt pair
    moves nothing. None for fewer than six."""
    ordered, n = sorted(ratios), len(ratios)
    tail, skipped = 0.0, 0
    while skipped < n and tail + math.comb(n, skipped) / 2**n <= 0.025:
        tail += math.comb(n, skipped) / 2**n
        skipped += 1
    return (ordered[skipped - 1], ordered[n - skipped]) if skipped else None


def judged(bounds, limit):
    """What the interval says about `first costs at most limit times second`."""
    if bounds is None:
        return "too few pairs"
    return "yes" if bounds[1] <= limit else "no" if bounds[0] > limit else "open"


def pair_line(row, names, pairs, limit):
    """pairs: [(cost of the first, cost of the second)]"""
    if not pairs:
        return [row.name, *names, "0", "-", "-", "-", "-", f"{limit:.2f}", "void"]
    ratios = [a / b for a, b in pairs if b]
    bounds = interval(ratios)
    medians = [number(row, statistics.median(costs)) for costs in zip(*pairs)]
    between = f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "-"
    return [row.name, *names, str(len(pairs)), *medians, f"{statistics.median(ratios):.3f}" if ratios else "-", between,
            f"{limit:.2f}", judged(bounds, limit)]


def pair_table(lines):
    head = ["row", "first", "second", "pairs", "median of first", "of second", "median ratio", "95 % of it", "at most",
            "holds"]
    return table([head, ["---"] * len(head), *lines])


# ---- absolute promises -----------------------------------------------------
def memory_table(lines):
    """lines: [(limit, subject name, result)]"""
    head = ["row", "subject", "bytes per connection", "promised", "idle worker, private KiB", "held"]
    rows = [head, ["---"] * len(head)]
    for limit, name, result in lines:
        promised = f"≤ {limit.promised}" if name == OURS else "-"
        if "void" in result:
            rows.append([limit.name, name, result["void"], promised, "-", "void"])
        else:
            rows.append([limit.name, name, f"{result['bytes']:.0f}", promised, f"{result['private'] / 1024:.0f}",
                         str(result["held"])])
    return table(rows)


def call_table(lines):
    head = ["row", "subject", "system calls per unit", "promised", "most frequent"]
    rows = [head, ["---"] * len(head)]
    for limit, name, result in lines:
        promised = f"≤ {limit.promised}" if name == OURS else "-"
        if "void" in result:
            rows.append([limit.name, name, result["void"], promised, "void"])
        else:
            most = ", ".join(f"{call} {share}" for call, share in result["most"].items())
            rows.append([limit.name, name, f"{result['calls']:.2f}", promised, most])
    return table(rows)
