"""Puts the tables of results.json into docs/performance.md: python benchmarks/table.py

Between `<!-- NAME -->` and `<!-- /NAME -->` go the tables of the benchmark NAME, one per processor, between those of
`targets` what is wanted of all of them, and between those of `machines` what the processors are; everything else is
written by hand.
"""

import re
import sys
import textwrap

from measure import RESULTS, read_json

WIDTH = 120  # characters
DOCUMENT = RESULTS.parent.parent / "docs" / "performance.md"


def named(found):
    """A few words for the processor that a result was measured on."""
    about = found["machine"]
    return f"{about['cpu'].split('(')[0].strip()}, {(about['instructions'] or ['scalar'])[-1]}"


def machines(results):
    """Lines of Markdown: what these words stand for."""
    told = {}
    for found in (found for every in results.values() for found in every):
        about = found["machine"]
        own = f"{about['cores']} cores of {about['cpu']} ({', '.join(about['instructions'])}), {about['memory_gb']} GB"
        told[named(found)] = f"* **{named(found)}**: {own}."
    return [line for name in sorted(told) for line in _wrapped(told[name], "  ")]


def tables(every):
    """Lines of Markdown of one benchmark: the first processor's table, and those of others folded away."""
    first, *others = sorted(every, key=named)
    lines = table(first)
    for found in others:
        lines += ["", f"<details><summary>The same on {named(found)}</summary>", "", *table(found), "", "</details>"]
    return lines


def table(found):
    """Lines of Markdown of one benchmark on one machine."""
    code = f", code of {found['commit']}" if found.get("commit") else ""
    where = f"`{found['command']}` on {named(found)}, load {found['machine']['load']:.1f}{code}:"
    lines = [
        *_wrapped(where),
        "",
        "| what | ours | alternative | times faster | times less CPU | pairs |",
        "|---|---|---|---|---|---|",
    ]
    return [*lines, *(_row(row) for row in found["rows"])]


def _wrapped(text, indent=""):
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent)


def _row(row):
    ours, theirs = row["ours"], row["alternative"]
    sides = (_spread(side, row.get("images"), row.get("each")) for side in (ours, theirs))
    cells = (row["what"], *sides, _ratio(row["ratio"]), _ratio(row["cpu_ratio"]), row["pairs"])
    return f"| {' | '.join(map(str, cells))} |"


def _targets(row):
    """(what is wanted, what was reached, whether that is enough) of each of a row's targets."""
    if "target" in row:
        ratio = row["ratio"]
        wanted = "as fast" if row["target"] == 1 else f"{row['target']} times as fast"
        yield wanted, _ratio(ratio) or "never", ratio is not None and ratio >= row["target"]
    if "target_seconds" in row:
        seconds, wanted = row["ours"]["seconds"], row["target_seconds"]
        enough = seconds is not None and seconds <= wanted
        told = "never" if seconds is None else _time(seconds)
        if not enough and told == _time(wanted):
            told = f"{1000 * seconds:.3f} ms"  # what rounding would hide
        yield f"{_time(wanted)} or less", told, enough
    if "wanted" in row:
        yield tuple(row["wanted"])


def summary(results):
    """Lines of Markdown: every target of all benchmarks. Rows with one "goal" are several ways to it: the first one
    stands there and, where that one misses it, the first one that does not."""
    lines = ["| benchmark | what | on | wanted | reached | |", "|---|---|---|---|---|---|"]
    for name, found in ((name, found) for name, every in results.items() for found in sorted(every, key=named)):
        where, kept = ", ".join(found.get("gpu", [named(found)])), {}
        for i, row in enumerate(found["rows"]):
            for wanted, reached, enough in _targets(row):
                ways = kept.setdefault((row.get("goal", i), wanted), [])
                if not ways or (enough and not any(met for _, met in ways)):
                    told = "met" if enough else "**missed**"
                    ways.append((f"| {name} | {row['what']} | {where} | {wanted} | {reached} | {told} |", enough))
        lines += [line for ways in kept.values() for line, _ in ways]
    return lines


def _ratio(value):
    """With two digits after the point where one would hide which side is ahead."""
    if value is None:
        return ""
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def _spread(side, images, each=False):
    if side["seconds"] is None:
        return "never"
    low, high = side["quartiles"]
    rate = f"{images / side['seconds']:.0f} images/s, " if images else ""
    rate += f"{1e6 * side['seconds'] / images:.0f} µs an image, " if each else ""
    return f"{rate}{_time(side['seconds'])}" + (f" ({_time(low)}-{_time(high)})" if low < high else "")


def _time(seconds):
    if seconds is None:
        return ""
    if seconds >= 300:
        return f"{seconds / 60:.1f} min"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1000 * seconds:.1f} ms"


def main():
    text, results = DOCUMENT.read_text(encoding="utf-8"), read_json(RESULTS)
    whole = {"targets": summary(results), "machines": machines(results)}
    for name, lines in (whole | {name: tables(every) for name, every in results.items()}).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = "\n".join(lines)
        text, places = mark.subn(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
        if not places:
            sys.exit(f"{DOCUMENT}: expected <!-- {name} --> and <!-- /{name} --> around a table; received none")
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
