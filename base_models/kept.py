"""State that can be made again."""

from base_models.progress import say
from data.errors import RunError
from data.storage import read_json


def read_kept(path, right, remedy):
    """A JSON object that an earlier command has left.

    Args:
        path: Path.
        right: function of the object to whether it is what is left there.
        remedy: in words, what follows where it is not.

    Returns:
        dict; None where there is none. One that is damaged or wrong is named, with the remedy, and deleted; one that
        cannot be read is named and stays: None, too.
    """
    if not path.exists():
        return None
    try:
        value = read_json(path)
        if not right(value):
            raise RunError(f"{path}: expected what an earlier command left; received {', '.join(value) or 'nothing'}")
    except RunError as error:
        say(f"{error}; {remedy}")
        if not isinstance(error.__cause__, OSError):  # what could not be read may be whole
            path.unlink()
        return None
    return value
