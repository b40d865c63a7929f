"""The smallest runs that still go through everything: settings, faces and a finished part of a run for tests."""

from base_models.settings import Settings, with_overrides

OVERRIDES = {
    **{"network.backbone": "alexnet", "network.head": "dense", "network.filters": 4, "network.dense_units": 8},
    **{"train.epochs": 3, "train.patience": 0, "train.batch_size": 16, "train.optimizer": "adam"},
    "teachers.count": 0,
    **{"train.schedule": "constant", "network.dropout_start": 0.1, "network.dropout_ceiling": 0.3},
}
OWN = {key: value for key, value in OVERRIDES.items() if not key.startswith("teachers")}
SPECIALIST = {f"specialist.{key}": value for key, value in OWN.items()} | {"specialist.size": 16}
STUDENT = {f"student.{key}": value for key, value in OWN.items()}
ALL = OVERRIDES | SPECIALIST | STUDENT
COMMAND = [f"--set={key}={value}" for key, value in ALL.items()]


def settings(**more):
    """Tiny `Settings`; `more` with __ for the dots: train__epochs=2."""
    return with_overrides(Settings(), ALL | {k.replace("__", "."): v for k, v in more.items()})


def files(folder):
    """dict of path below `folder` to bytes, without the locks that every held part keeps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def merged_run(folder):
    """The smallest run with a merged ensemble: a base that learnt next to nothing, and no specialists. Its folder."""
    from base_models.base import train_base
    from data.synthetic import make_faces
    from specialists.ensemble import build_ensemble

    own, faces = settings(train__epochs=1), make_faces(40, seed=2, size=32)
    train_base(faces, own, folder, 0)
    build_ensemble(folder, faces, own, 0)
    return folder
