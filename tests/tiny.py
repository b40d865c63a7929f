"""The smallest runs that still go through everything: settings, faces and a finished part of a run for tests."""

from base_models.settings import Settings, with_overrides

OVERRIDES = {
    **{"network.backbone": "alexnet", "network.head": "dense", "network.filters": 4, "network.dense_units": 8},
    **{"train.epochs": 3, "train.patience": 0, "train.batch_size": 16, "train.optimizer": "adam"},
    **{"train.schedule": "constant", "network.dropout_start": 0.1, "network.dropout_ceiling": 0.3},
}
SPECIALIST = {f"specialist.{key}": value for key, value in OVERRIDES.items()} | {"specialist.size": 16}
COMMAND = [f"--set={key}={value}" for key, value in (OVERRIDES | SPECIALIST).items()]


def settings(**more):
    """Tiny `Settings`; `more` with __ for the dots: train__epochs=2."""
    return with_overrides(Settings(), OVERRIDES | SPECIALIST | {k.replace("__", "."): v for k, v in more.items()})


def files(folder):
    """dict of path below `folder` to bytes, without the locks that every held part keeps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
