"""Short names of settings."""

from difflib import get_close_matches

from data.errors import UsageError


def resolved(name, names, where):
    """The dotted setting that a name means: itself, or the only one that ends with it.

    Raises:
        UsageError: no setting, or several.
    """
    if name in names:
        return name
    found = [full for full in names if full.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{where}: expected one of {', '.join(found)}; received {name!r}")
    ends = {full.rpartition(".")[2]: full for full in names}
    near = get_close_matches(name.rpartition(".")[2], ends, 1)
    hint = f"; did you mean {ends[near[0]]!r}?" if near else f"; there are {', '.join(sorted(names))}"
    raise UsageError(f"{where}: expected a setting such as train.learning_rate; received {name!r}{hint}")
