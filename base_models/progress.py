"""Progress as lines, without Keras."""

import sys


def say(text):
    """One line of progress on stderr; what a command results in goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def aligned(rows):
    """Lines of a table of texts: the first column to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            str(v).ljust(w) if i == 0 else str(v).rjust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def trained(name, summary):
    """A line on a finished training, from the summary of its part."""
    return (
        f"{name}: validation RMSE {summary['val_rmse']:.3f} px after epoch {summary['best_epoch']} of "
        f"{summary['epochs']}, {summary['rows']} rows, {summary['seconds']:.0f} s"
    )
