"""CSV tables read strictly and in bounded memory; every refusal names its place as `file:line:column`.

A field that needs a line break is never right in the files read here, so a line is a row, and reading needs no more
memory than one line. Lines and columns count from 1; a column is a character of the line, not a field.
"""

import difflib
import re

from data.errors import DataError

LINE_LIMIT = 200_000  # bytes; the longest right line, 9,216 three-digit pixels and 30 labels, takes about 37,500
BOM = b"\xef\xbb\xbf"
NOT_TEXT = {b"\x1f\x8b": "gzip data", b"PK\x03\x04": "a zip archive", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
PRINTABLE = bytes([9, *range(32, 127)])
QUOTED = re.compile(rb'"([^"]*(?:""[^"]*)*)"|[^",]*')


def refuse(file, line, column, expected, received):
    """Raise the one kind of error this module has."""
    raise DataError(f"{file}:{line}:{column}: expected {expected}; received {received}")


def shown(text, limit=40):
    """Bytes of a file as they look inside an error message: quoted, and cut where long."""
    if not text:
        return "nothing"
    cut = text if len(text) <= limit else text[:limit] + b"..."
    return repr(cut.decode("utf-8", "backslashreplace"))


class Row:
    """One row: `row[i]` is the field of the i-th wanted column, as bytes, or b"" where an optional one is left out."""

    __slots__ = ("_fields", "_order", "_starts", "file", "line")

    def __init__(self, file, line, fields, starts, order):
        self.file, self.line, self._fields, self._starts, self._order = file, line, fields, starts, order

    def __getitem__(self, i):
        column = self._order[i]
        return self._fields[column] if column is not None and column < len(self._fields) else b""

    def refuse(self, i, expected, received=None, offset=0):
        """Raise a DataError at `offset` bytes into the field of wanted column `i`."""
        column = _start(self._fields, self._starts, self._order[i]) + offset + 1
        refuse(self.file, self.line, column, expected, shown(self[i]) if received is None else received)


def read_rows(stream, file, columns, optional=()):
    """Read a table whose header names its columns, in any order.

    Args:
        stream: binary file object.
        file: how errors call it.
        columns: names that must be there; `row[i]` is the field of `columns[i]`, then of `optional[i - len(columns)]`.
        optional: names that may be there; a row may end before them.

    Yields:
        A `Row` per line.

    Raises:
        DataError: not UTF-8 text, an unknown, repeated or missing column, fields too many or too few, quotes that do
            not close, a line over LINE_LIMIT, or no rows at all.
    """
    wanted = (*columns, *optional)
    lines = _lines(stream, file)
    number, header = next(lines, (0, b""))
    if not number:
        refuse(file, 1, 1, f"a header with {_listed(columns)}", "an empty file")
    names, starts = _fields(file, number, header)
    _check_header(file, names, starts, columns, wanted)
    names = [name.strip().decode() for name in names]
    order = [names.index(name) if name in names else None for name in wanted]
    most = len(names)
    least = most - _optional_tail(names, optional)
    for number, line in lines:
        fields, starts = _fields(file, number, line)
        if not least <= len(fields) <= most:
            _refuse_length(file, number, line, fields, starts, names)
        yield Row(file, number, fields, starts, order)
    if number == 1:
        refuse(file, 2, 1, "at least one row under the header", "the end of the file")


def _lines(stream, file):
    """Yield (number, line without its end); empty lines are left out, and allowed, at the end of the file only."""
    number, empty = 0, 0
    while line := stream.readline(LINE_LIMIT + 1):
        number += 1
        if number == 1:
            line = _text_start(file, line)
        if len(line) > LINE_LIMIT:
            refuse(file, number, LINE_LIMIT + 1, f"a line of at most {LINE_LIMIT} bytes", "a longer one")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if not line:
            empty = empty or number
            continue
        if empty:
            refuse(file, empty, 1, "a row", "an empty line")
        if line.translate(None, PRINTABLE):
            _check_text(file, number, line)
        yield number, line


def _text_start(file, line):
    for magic, kind in NOT_TEXT.items():
        if line.startswith(magic):
            refuse(file, 1, 1, "CSV text in UTF-8", kind)
    return line.removeprefix(BOM)


def _check_text(file, number, line):
    """Refuse what is not text in a line with bytes outside printable ASCII; letters of other scripts are text."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        refuse(file, number, column, "UTF-8 text", f"the byte 0x{line[error.start]:02x}")
    for column, character in enumerate(text, 1):
        if ord(character) in (*range(9), *range(10, 32), 127):
            refuse(file, number, column, "text", f"the control character 0x{ord(character):02x}")


def _fields(file, number, line):
    """(fields, starts): starts is None where no field is quoted, as `_start` can then count."""
    if b'"' not in line:
        return line.split(b","), None
    fields, starts, at = [], [], 0
    while True:
        match = QUOTED.match(line, at)
        quoted = match[1] is not None
        end = match.end()
        if end < len(line) and line[end : end + 1] != b",":
            _refuse_quotes(file, number, line, at, end, quoted)
        fields.append(match[1].replace(b'""', b'"') if quoted else match[0])
        starts.append(at + quoted)
        if end == len(line):
            return fields, starts
        at = end + 1


def _refuse_quotes(file, number, line, at, end, quoted):
    if quoted:
        refuse(file, number, end + 1, "a comma after a quoted field", shown(line[end:]))
    if end == at:
        refuse(file, number, at + 1, "a closing quote on the same line", shown(line[at:]))
    refuse(file, number, end + 1, "no quote inside an unquoted field", shown(line[at:]))


def _start(fields, starts, column):
    """Offset in the line of a field's first byte."""
    return starts[column] if starts else sum(len(field) + 1 for field in fields[:column])


def _check_header(file, names, starts, columns, wanted):
    seen = set()
    for column, name in enumerate(names):
        text = name.strip().decode("utf-8")
        if text not in wanted:
            near = difflib.get_close_matches(text, wanted, 1, 0.6)
            guess = f" (did you mean {near[0]}?)" if near else f" (known: {_listed(wanted)})"
            refuse(file, 1, _start(names, starts, column) + 1, "a known column", f"{shown(name)}{guess}")
        if text in seen:
            refuse(file, 1, _start(names, starts, column) + 1, "each column once", f"a second {text}")
        seen.add(text)
    missing = [name for name in columns if name not in seen]
    if missing:
        end = _start(names, starts, len(names) - 1) + len(names[-1]) + 1
        refuse(file, 1, end, _listed(missing), "a header without " + ("it" if len(missing) == 1 else "them"))


def _optional_tail(names, optional):
    """How many of the last columns are optional."""
    tail = 0
    while tail < len(names) and names[-1 - tail] in optional:
        tail += 1
    return tail


def _refuse_length(file, number, line, fields, starts, names):
    if len(fields) > len(names):
        column = _start(fields, starts, len(names)) + 1
        refuse(file, number, column, f"{len(names)} fields, as in the header", f"{len(fields)}")
    refuse(file, number, len(line) + 1, f"{len(names)} fields, as in the header", f"{len(fields)}")


def _listed(names, limit=4):
    """The first few of some names, for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    noun = "column " if len(names) == 1 else "columns "
    return noun + ", ".join(names[:limit]) + more
