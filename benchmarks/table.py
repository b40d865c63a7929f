"""Puts the tables of results.json into docs/performance.md: python benchmarks/table.py

Between `<!-- NAME -->` and `<!-- /NAME -->` goes the table of the benchmark NAME; everything else is written by hand.
"""

import re
import sys

from measure import RESULTS, read_json

DOCUMENT = RESULTS.parent.parent / "docs" / "performance.md"


def table(found):
    """Lines of Markdown of one benchmark."""
    about = found["machine"]
    lines = [
        f"`{found['command']}` on {about['cores']} cores of {about['cpu']} ({', '.join(about['instructions'])}), "
        f"{about['memory_gb']} GB, load {about['load']:.1f}:",
        "",
        "| what | ours | alternative | times faster | CPU: ours | alternative | times less | target | pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return [*lines, *(_row(row) for row in found["rows"])]


def _row(row):
    ours, theirs = row["ours"], row["alternative"]
    target = f"{row['target']} times" if "target" in row else ""
    target = f"{row['target_seconds']} s" if "target_seconds" in row else target
    images = row.get("images")
    cells = (
        *(row["what"], _spread(ours, images), _spread(theirs, images), _ratio(row["ratio"])),
        *(_time(ours["cpu_seconds"]), _time(theirs["cpu_seconds"]), _ratio(row["cpu_ratio"]), target, row["pairs"]),
    )
    return f"| {' | '.join(map(str, cells))} |"


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
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, found in read_json(RESULTS).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = "\n".join(table(found))
        text, places = mark.subn(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
        if not places:
            sys.exit(f"{DOCUMENT}: expected <!-- {name} --> and <!-- /{name} --> around a table; received none")
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
