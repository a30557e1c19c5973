"""The table: what each row's contestants took, relative to the best peer, and the goals."""

from __future__ import annotations

from typing import Any

WIDTH = 28


def time_text(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def best_peer(row: dict[str, Any]) -> str | None:
    """The fastest contestant that is not densecore."""
    peers = {k: v for k, v in row["times"].items() if not k.startswith("densecore")}
    return min(peers, key=peers.__getitem__) if peers else None


def heading(row: dict[str, Any]) -> str:
    """Such as ``mnist  784-512-512-10, batch 128, float32, 1 thread``."""
    threads = f"{row['threads']} thread" + "s" * (row["threads"] != 1)
    return f"{row['name']}  {row['shape']}, batch {row['batch']}, {row['dtype']}, {threads}"


def print_row(row: dict[str, Any]) -> None:
    """One contestant per line, then the goals."""
    print(f"\n{heading(row)}")
    best = best_peer(row)
    share = row["peak"] and row["multiply_adds"]
    title = f"  {'':<{WIDTH}}{'per ' + row['unit']:>10}{'× best peer':>13}"
    print(title + f"{'of peak':>9}" * bool(share) + f"{'error':>10}")
    for name, spent in sorted(row["times"].items(), key=lambda item: item[1]):
        ratio = f"{row['times'][best] / spent:.2f}" if best else "-"
        line = f"  {name:<{WIDTH}}{time_text(spent):>10}{ratio:>13}"
        if share:
            line += f"{row['multiply_adds'] / spent / row['peak']:>9.1%}"
        if name in row["errors"]:
            line += f"{row['errors'][name]:>10.0e}"
        if name in row["accuracy"]:
            line += f"   accuracy {row['accuracy'][name]:.1%}"
        print(line)
    if row["floor"] and any("floor" in goal["goal"] for goal in row["goals"]):
        print(f"  {'(memory floor)':<{WIDTH}}{time_text(row['floor']):>10}")
    for name, reason in row["wrong"].items():
        print(f"  {name}: WRONG, {reason}")
    for name, reason in row["left_out"].items():
        print(f"  {name}: left out, {reason.splitlines()[0][:120]}")
    for goal in row["goals"]:
        print(f"  goal: {goal['goal']}: found {found_text(goal)}, {verdict(goal)}")


def found_text(goal: dict[str, Any]) -> str:
    """The numbers that were found, one for each alternative."""
    return " / ".join("-" if number is None else f"{number:.3g}" for number in goal["found"])


def verdict(goal: dict[str, Any]) -> str:
    """In words."""
    words = {True: "reached", False: "NOT REACHED", None: "nothing to compare with"}
    return words[goal["reached"]]


def print_summary(report: dict[str, Any]) -> None:
    """Missing peers, and how many goals were reached."""
    print()
    for name, reason in report["missing"].items():
        print(f"{name}: left out, {reason}")
    verdicts = [goal["reached"] for row in report["rows"] for goal in row["goals"]]
    unknown = verdicts.count(None)
    known = f"{verdicts.count(True)} of {len(verdicts) - unknown}"
    print(f"goals reached: {known}" + f" ({unknown} with nothing to compare with)" * (unknown > 0))
    wrong = [(row["name"], name) for row in report["rows"] for name in row["wrong"]]
    for row, name in wrong:
        print(f"WRONG RESULT: {name} in {row}")
