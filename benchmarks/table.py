"""Puts the tables of results.json into docs/performance.md: python benchmarks/table.py

Between `<!-- NAME -->` and `<!-- /NAME -->` goes the table of the benchmark NAME; everything else is written by hand.
"""

import re

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
    cells = (
        *(row["what"], _spread(ours), _spread(theirs), f"{row['ratio']:.1f}"),
        *(_time(ours["cpu_seconds"]), _time(theirs["cpu_seconds"]), f"{row['cpu_ratio']:.1f}", target, row["pairs"]),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _spread(side):
    low, high = side["quartiles"]
    return f"{_time(side['seconds'])} ({_time(low)}-{_time(high)})"


def _time(seconds):
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1000 * seconds:.1f} ms"


def main():
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, found in read_json(RESULTS).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        body = "\n".join(table(found))
        text = mark.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
