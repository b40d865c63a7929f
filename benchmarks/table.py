"""Puts the tables of results.json into docs/performance.md: python benchmarks/table.py

Between `<!-- NAME -->` and `<!-- /NAME -->` go the tables of the benchmark NAME, one per processor, between those of
`targets` what is wanted of all of them; everything else is written by hand.
"""

import re
import sys
import textwrap

from measure import RESULTS, read_json

WIDTH = 120  # characters
DOCUMENT = RESULTS.parent.parent / "docs" / "performance.md"


def tables(every):
    """Lines of Markdown of one benchmark, on every processor that it ran on, the last one first."""
    lines = [line for found in reversed(every) for line in [*table(found), ""]]
    return lines[:-1]


def table(found):
    """Lines of Markdown of one benchmark on one machine."""
    about, code = found["machine"], f", code of {found['commit']}" if found.get("commit") else ""
    where = (
        f"`{found['command']}` on {about['cores']} cores of {about['cpu']} ({', '.join(about['instructions'])}), "
        f"{about['memory_gb']} GB, load {about['load']:.1f}{code}:"
    )
    lines = [
        *textwrap.wrap(where, WIDTH, break_long_words=False, break_on_hyphens=False),
        "",
        "| what | ours | alternative | times faster | CPU: ours | alternative | times less | target | pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return [*lines, *(_row(row) for row in found["rows"])]


def _row(row):
    ours, theirs = row["ours"], row["alternative"]
    target = "; ".join(wanted for wanted, *_ in _targets(row))
    images = row.get("images")
    cells = (
        *(row["what"], _spread(ours, images), _spread(theirs, images), _ratio(row["ratio"])),
        *(_time(ours["cpu_seconds"]), _time(theirs["cpu_seconds"]), _ratio(row["cpu_ratio"]), target, row["pairs"]),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _targets(row):
    """(what is wanted, what was reached, whether that is enough) of each of a row's targets."""
    if "target" in row:
        ratio = row["ratio"]
        yield f"{row['target']} times or more", _ratio(ratio) or "never", ratio is not None and ratio >= row["target"]
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
    """Lines of Markdown: every target of all benchmarks."""
    lines = ["| benchmark | what | on | wanted | reached | |", "|---|---|---|---|---|---|"]
    for name, found in ((name, found) for name, every in results.items() for found in reversed(every)):
        cpu = f"{found['machine']['cpu'].split('(')[0]}, {(found['machine']['instructions'] or ['scalar'])[-1]}"
        where = ", ".join(found.get("gpu", [cpu]))
        for row in found["rows"]:
            for wanted, reached, enough in _targets(row):
                told = "met" if enough else "**missed**"
                lines.append(f"| {name} | {row['what']} | {where} | {wanted} | {reached} | {told} |")
    return lines


def _ratio(value):
    """With two digits after the point where one would hide which side is ahead."""
    if value is None:
        return ""
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def _spread(side, images):
    if side["seconds"] is None:
        return "never"
    low, high = side["quartiles"]
    rate = f"{images / side['seconds']:.0f} images/s, " if images else ""
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
    for name, lines in [("targets", summary(results)), *((name, tables(every)) for name, every in results.items())]:
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = "\n".join(lines)
        text, places = mark.subn(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
        if not places:
            sys.exit(f"{DOCUMENT}: expected <!-- {name} --> and <!-- /{name} --> around a table; received none")
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
