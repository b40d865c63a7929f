"""The merged ensemble in one file against fifteen `predict` calls of Keras, of one face, of 64 and of 1,783.

    python benchmarks/merged.py --run RUN FILE [FILE ...]

FILEs are what `python -m specialists.export --run RUN` wrote: the first one with all specialists; others, with less to
do, have only the fifteen calls beside them. Beside each side's name stands its RMSE on the run's held-out faces of the
file's convention, without the worst 2 %. Both sides may use the same cores, one, then two. The alternative is what a
tutorial does with fifteen networks: `model.predict` of each, on views that are cut out already, without base, mirror
images, merge or radii, all of which ours does. `whole` is the alternative that gives the same answer as ours: base and
specialists with their views, `model.predict` of each, on the faces and, where the file looks at them, on their mirror
images.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from measure import pairs, record

COUNTS = {1: 15, 64: 5, 1783: 3}  # faces: pairs
TARGETS = {1: 100, 1783: 20}  # times faster than fifteen `predict` calls
SECONDS = 0.005  # of one face on one thread
THREADS = (1, 2)


def rows_of(run, files, threads, counts):
    """Rows of the benchmark, in a process that may use `threads` cores."""
    # Keras takes as many threads as it may use cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    from base_models.options import load_keras

    load_keras()
    import numpy as np

    from specialists.ensemble import load_ensemble
    from specialists.exported import load_exported
    from specialists.predictor import held_faces

    ensemble = load_ensemble(run)
    held = held_faces(run, ensemble)
    images = held.images
    naive, rows = Naive(ensemble), []
    for path in files:
        exported = load_exported(path, threads)
        first, scored = path == files[0], rmse_of(exported, held)
        calls = f"fifteen calls ({rmse_of(naive, held, exported.convention):.3f} px)"
        for n, repeats in counts.items():
            faces = np.resize(images, (n, *images.shape[1:]))
            asked = np.full(n, exported.convention)
            views = naive.views(faces)
            for what, alternative in ((calls, naive.fifteen), ("whole", naive.whole))[: 1 + first]:
                row = pairs(
                    lambda faces=faces, asked=asked, exported=exported: exported.predict(faces, asked),
                    lambda views=views, alternative=alternative: alternative(views),
                    repeats,
                    warm=n < max(COUNTS),  # it comes last, and minutes of warming up would warm nothing
                )
                told = f"{Path(path).name} ({scored:.3f} px), {n} face{'s' * (n > 1)}"
                told += f", {threads} thread{'s' * (threads > 1)}, {what}"
                goal = {"goal": f"{n}, {threads}"} if target(n, threads, what) else {}
                rows.append({"what": told, **goal, **target(n, threads, what), **row})
    return rows


def rmse_of(side, held, convention=None):
    """px: RMSE of a file, or of `Naive`, on the held-out `Predictions` of a convention, by default the file's own,
    without the worst."""
    from base_models.predict import WORST, score

    own = held.convention == (side.convention if convention is None else convention)
    points, _ = side.predict(held.images[own], held.convention[own])
    return score(points["ensemble"], held.truth[own], WORST)


def target(n, threads, what):
    """What is wanted of a row."""
    if not what.startswith("fifteen calls") or n not in TARGETS:
        return {}
    return {"target": TARGETS[n]} | ({"target_seconds": SECONDS} if (n, threads) == (1, 1) else {})


class Naive:
    """An ensemble's networks as a tutorial has them: fifteen models, each asked by `predict`."""

    def __init__(self, ensemble):
        from base_models.network import build_network
        from base_models.weights import set_weights

        self.base, self.specialists = ensemble.base, []
        self.flip = ensemble.flip
        for specialist in ensemble.teams[0].specialists.values():
            network, train, slots, shape, _, _ = specialist.network
            model = build_network(network, slots, shape, train.precision, 0, train.loss)
            set_weights(model, specialist.weights, specialist.point)
            self.specialists.append((specialist.view, model))

    def views(self, faces):
        """(faces, what each specialist sees of them)."""
        import numpy as np

        shapes = np.mean(self.base.look(faces, flip=False), 0)
        return faces, [view.look(faces, shapes)[0].astype(np.float32) for view, _ in self.specialists]

    def fifteen(self, views):
        """`predict` of each specialist."""
        return [model.predict(seen, verbose=0) for (_, model), seen in zip(self.specialists, views[1], strict=True)]

    def predict(self, faces, convention):
        """({"ensemble": points [n, k, 2] px}, nothing else): what the fifteen say, as of `Exported.predict`; the base
        where a slot has no specialist."""
        import numpy as np

        slots = np.mean(self.base.look(faces, flip=False), 0)
        shapes = slots.copy()
        for view, model in self.specialists:
            seen, matrices = view.look(faces, shapes)
            found = model.predict(seen.astype(np.float32), verbose=0)[..., :2]
            slots[:, view.slots] = view.back(found, matrices)
        return {"ensemble": self.base.schema.from_slots(slots, convention)}, None

    def whole(self, views):
        """Base, views and specialists, on the faces and on their mirror images."""
        import numpy as np

        faces, said = views[0], []
        for shown in (faces, np.ascontiguousarray(faces[:, :, ::-1]))[: 1 + self.flip]:
            shapes = self.base.model.predict(shown.astype(np.float32), verbose=0)[..., :2]
            for view, model in self.specialists:
                seen, matrices = view.look(shown, shapes)
                said.append(view.back(model.predict(seen.astype(np.float32), verbose=0)[..., :2], matrices))
        return said


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--run", required=True, metavar="RUN")
    parser.add_argument("--most", type=int, default=1783, metavar="N", help="leave out larger numbers of faces")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    a = parser.parse_args()
    counts = {n: repeats for n, repeats in COUNTS.items() if n <= a.most}
    if a.child:
        print(json.dumps(rows_of(a.run, a.files, a.child, counts)))
        return
    rows = []
    for threads in THREADS:
        command = [sys.executable, __file__, *a.files, "--run", a.run, "--most", str(a.most), "--child", str(threads)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows += json.loads(said.stdout.splitlines()[-1])
    record("merged", "python benchmarks/merged.py --run RUN FILES", rows)


if __name__ == "__main__":
    main()
