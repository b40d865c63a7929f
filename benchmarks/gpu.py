"""The project's own commands on a GPU: base, fifteen specialists and ensemble, and what suits that GPU.

    KERAS_BACKEND=jax python benchmarks/gpu.py --data FOLDER                  # pip install 'jax[cuda12]'
    KERAS_BACKEND=tensorflow python benchmarks/gpu.py --data FOLDER           # pip install 'tensorflow[and-cuda]'
    KERAS_BACKEND=jax python benchmarks/gpu.py --data FOLDER --cpu --epochs 1 --faces 300 --precision float32 --batch 64
        --at-once 1 --point nose_tip                                          # does the script itself run?

Every --precision with every --batch trains a base for a few epochs; the pair with most images/s trains the whole:
`base_models.train`, then from that base `specialists.train --all` once for every --at-once, so many specialists side
by side. Then all of it once more as the commands choose it themselves (`--precision auto --batch-size auto --jobs
auto`). Seconds are those of the commands from start to end, pages and imports too; `epochs` is the sum of the epochs
alone. The rows of FOLDER/training.csv are repeated up to --faces. Prints one JSON object; scores are in it, since a
large batch is worth nothing where it learns less. On a GPU all of it goes into results.json, too (`gpu_BACKEND`).
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, record, single
from reading import ROWS, grown

from data.storage import read_json

ROOT = Path(__file__).parent.parent
INSTALL = {"jax": "jax[cuda12]", "tensorflow": "tensorflow[and-cuda]"}
EPOCHS, SECONDS = 50, 60  # of each network; wanted for all of it
PROBED = 3  # epochs; the first one traces and does not count
FOUND = {
    "jax": "import jax; print(*[d.device_kind for d in jax.devices() if d.platform == 'gpu'], sep='|')",
    "tensorflow": "import tensorflow as tf; found = tf.config.list_physical_devices('GPU');"
    "print(*[tf.config.experimental.get_device_details(d)['device_name'] for d in found], sep='|')",
}


def gpus(backend):
    """Names of the GPUs that a backend sees. Ends the program where it is not installed."""
    if backend not in FOUND:
        sys.exit(f"KERAS_BACKEND: expected one of {', '.join(FOUND)}; received {backend!r}")
    said = subprocess.run([sys.executable, "-c", FOUND[backend]], capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"{backend} does not run: pip install '{INSTALL[backend]}'")
    return [name for name in said.stdout.strip().split("|") if name]


def run(a, module, folder, settings, *options):
    """Seconds of a command of the project on `a.folder`. Settings: dict of names to values, for --set."""
    told = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", module, "--data", str(a.folder), "--run", str(folder), *told, *options]
    started = time.perf_counter()
    environment = {**os.environ, "KERAS_BACKEND": a.backend, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
    return round(time.perf_counter() - started, 2)


def settings_of(epochs):
    """Settings of a whole run: every epoch is trained."""
    own = {"epochs": epochs, "patience": 0}
    named = {f"{part}.{key}": value for part in ("train", "specialist.train") for key, value in own.items()}
    return {"teachers.count": 0, **named}


def options_of(precision, batch):
    """Options of a command; learning rates follow the size of batches."""
    return "--precision", precision, "--batch-size", str(batch)


def history(part):
    return read_json(Path(part) / "history.json")


def probed(a, out):
    """Images/s of the base in every precision with every batch size."""
    found = []
    for precision in a.precision:
        for batch in a.batch:
            folder = out / f"probe_{precision}_{batch}"
            run(a, "base_models.train", folder, settings_of(PROBED), *options_of(precision, batch))
            told = history(folder / "base")
            fastest = min(epoch["seconds"] for epoch in told["epochs"][1:])
            rate = round(told["summary"]["rows"] / fastest, 1)
            found.append({"precision": precision, "batch": batch, "images_per_second": rate})
            print(f"{precision}, batches of {batch}: {rate} images/s", file=sys.stderr)
    return found


def whole(a, out, options, at_once):
    """Seconds and scores of a base, and of specialists and ensemble for every number, or auto, of `at_once`."""
    settings = settings_of(a.epochs)
    seconds = run(a, "base_models.train", out / "base", settings, *options)
    base = {"seconds": seconds, **_trained(out / "base" / "base")}
    which = [part for point in a.point for part in ("--keypoint", point)] or ["--all"]
    found = []
    for count in at_once:
        folder = out / f"at_once_{count}"
        shutil.copytree(out / "base" / "base", folder / "base")
        jobs = [] if count == 1 else ["--jobs", str(count)]
        seconds = run(a, "specialists.train", folder, settings, *which, *options, *jobs)
        parts = [_trained(part) for part in sorted((folder / "specialists").iterdir())]
        told = {"at_once": count, "seconds": seconds, "epochs": round(sum(part["epochs"] for part in parts), 2)}
        found.append({**told, "with_base": round(base["seconds"] + seconds, 2), "val_rmse": _merged(folder)})
    return {"base": base, "specialists": found}


def _trained(part):
    told = history(part)
    seconds = sum(epoch["seconds"] for epoch in told["epochs"])
    return {"epochs": round(seconds, 2), "val_rmse": round(told["summary"]["val_rmse"], 4)}


def _merged(folder):
    """RMSE px of the ensemble on the held-out faces."""
    from reports.bootstrap import rmse
    from reports.predictions import Predictions

    predictions = Predictions.load(folder / "ensemble" / "predictions.npz")
    return round(float(rmse(predictions.errors())), 4)


def rows_of(found, about):
    """Rows: base and specialists together, for every number of specialists at once, and as the commands choose; against
    the first of them."""
    sides, gpu = found["specialists"] + found["auto"]["specialists"], ", ".join(about["gpu"])
    which = ", ".join(about["points"]) or "all specialists"
    what = f"base and {which}, {about['faces']:,} faces, {about['epochs']} epochs each, {gpu} ({about['backend']})"
    whole = (about["points"], about["faces"], about["epochs"]) == ([], ROWS, EPOCHS)
    names = [f"{side['at_once']} at once" if side["at_once"] != "auto" else "everything auto" for side in sides]
    return [
        {
            "what": f"{what}: {name} against {names[0]}",
            **({"target_seconds": SECONDS} if whole else {}),
            **single(side["with_base"], sides[0]["with_base"]),
        }
        for name, side in zip(names, sides, strict=True)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", required=True, metavar="FOLDER")
    add("--precision", nargs="+", default=["float32", "mixed_bfloat16"])
    add("--batch", nargs="+", type=int, default=[32, 128, 512], metavar="N")
    add("--at-once", nargs="+", type=int, default=[1, 4, 15], metavar="N", help="specialists side by side")
    add("--epochs", type=int, default=EPOCHS, metavar="N", help="of each network (default: %(default)s)")
    add("--faces", type=int, default=ROWS, metavar="N", help="(default: %(default)s)")
    add("--point", action="append", default=[], metavar="NAME", help="only these specialists")
    add("--cpu", action="store_true", help="go on without a GPU, to try the script itself")
    a = parser.parse_args()
    a.backend = os.environ.get("KERAS_BACKEND", "jax")
    names = gpus(a.backend)
    if not names and not a.cpu:
        sys.exit(f"no GPU: {a.backend} sees none on this machine")
    with tempfile.TemporaryDirectory() as name:
        a.folder, out = Path(name) / "data", Path(name)
        a.folder.mkdir()
        grown(a.data, a.folder, a.faces)
        rates = probed(a, out)
        best = max(rates, key=lambda found: found["images_per_second"])
        found = whole(a, out, options_of(best["precision"], best["batch"]), a.at_once)
        (out / "auto").mkdir()
        chosen = whole(a, out / "auto", options_of("auto", "auto"), ["auto"])
    about = {"gpu": names, "backend": a.backend, "faces": a.faces, "epochs": a.epochs, "points": a.point}
    found = {"probed": rates, "chosen": best, **found, "auto": chosen}
    if names:
        command = f"KERAS_BACKEND={a.backend} python benchmarks/gpu.py --data REPLICA"
        with contextlib.redirect_stdout(sys.stderr):
            record(f"gpu_{a.backend}", command, rows_of(found, about), **about, measured=found)
    print(json.dumps({**about, "machine": machine(), **found}, indent=1))


if __name__ == "__main__":
    main()
