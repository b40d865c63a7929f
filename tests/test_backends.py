"""What one backend of Keras trained, another one answers from alike."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from data.storage import read_json

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: pip install -e '.[jax]'"),
]
OPTIONS = ["--data=synthetic:60", *tiny.COMMAND, "--set=train.epochs=2", "--set=specialist.train.epochs=1"]
ASK = """
import sys
import numpy as np
from base_models.options import load_keras
load_keras()
import keras
from data.sources import read_training
from specialists.ensemble import load_ensemble, main
run, out, *options = sys.argv[1:]
if options:
    main(["--run", run, *options])
faces = read_training("synthetic:60")[:20]
points, radii = load_ensemble(run).predict(faces.images, faces.convention)
np.savez(out, **points, radii=radii)
print(keras.backend.backend())
"""


def run(backend, *arguments):
    """What Python prints under a backend."""
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_what_jax_trained_answers_alike_under_tensorflow(tmp_path):
    folder = tmp_path / "run"
    run("jax", "-m", "specialists.train", "--keypoint=nose_tip", "--run", folder, *OPTIONS)
    for part in ("base", "specialists/nose_tip"):
        assert all(np.isfinite(epoch["val_rmse"]) for epoch in read_json(folder / part / "history.json")["epochs"])
    found = {}
    for backend, options in (("jax", OPTIONS), ("tensorflow", [])):
        said = run(backend, "-c", ASK, folder, tmp_path / f"{backend}.npz", *options)
        assert said.split()[-1] == backend
        found[backend] = dict(np.load(tmp_path / f"{backend}.npz"))
    assert found["jax"].keys() == found["tensorflow"].keys() >= {"base", "ensemble", "radii"}
    for name, answer in found["jax"].items():
        np.testing.assert_allclose(answer, found["tensorflow"][name], atol=0.01, err_msg=name)
