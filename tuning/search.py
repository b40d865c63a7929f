"""Search better settings of a network, or of one point's specialist: python -m tuning.search --keypoint nose_tip.

Everything is in RUN/tuning/NAME. The same command goes on where it was stopped, with every trial that was finished;
with more --trials, it goes on beyond. best.json there is what --settings of the training commands takes.
"""

import sys
from pathlib import Path

from base_models.options import parser, read_options
from data.errors import command
from tuning.memory import Grown, begin_anew
from tuning.plan import FIGURES, TUNERS, claim, epochs_of, identity_of, plan_of, rows_of, space_of
from tuning.results import (
    BEST,
    own_values,
    results_of,
    settings_file,
    summary,
    tell_progress,
    write_results,
    write_winners,
)


def search(goal, run, plan, bounded=False):
    """Search, or go on with a search; then try the best settings on a fresh fold.

    Args:
        goal: of `tuning.goals`.
        run: folder of the run; the search is in its tuning/NAME.
        plan: `Plan`.
        bounded: raise `tuning.memory.Grown` between trials when the process has become large.

    Returns:
        The results as in search.json.

    Raises:
        RunError: the folder is in use, damaged, or was made with another space, tuner, seed or data.
    """
    from data.storage import locked
    from tuning.oracles import make_oracle
    from tuning.trials import TrialTuner

    folder = Path(run) / "tuning" / goal.name
    rows, defaults = rows_of(goal, plan)
    with locked(folder):
        space = space_of(rows, defaults)
        claim(folder, identity_of(goal, plan, space))
        oracle = make_oracle(plan.tuner, rows, defaults, plan.objective, plan.seed, plan.trials, epochs_of(goal, plan))
        oracle.open(folder, plan.budget, lambda number: tell_progress(goal, folder, plan, space, number))
        _run(TrialTuner(oracle, goal, folder, plan.epochs, bounded))
        results = results_of(goal, folder, plan, space)
        return _finish(goal, run, folder, plan, results)


def work(goal, run, plan, bounded=False):
    """Train trials for the chief until it has no more."""
    from tuning.oracles import make_oracle
    from tuning.trials import TrialTuner

    rows, defaults = rows_of(goal, plan)
    oracle = make_oracle(plan.tuner, rows, defaults, plan.objective, plan.seed, plan.trials, epochs_of(goal, plan))
    _run(TrialTuner(oracle, goal, Path(run) / "tuning" / goal.name, plan.epochs, bounded))


def _run(tuner):
    import keras_tuner as kt

    try:
        tuner.search()
    except kt.errors.FatalError as error:
        raise error.__cause__ or error from None


def _finish(goal, run, folder, plan, results):
    """Importance, the best settings, and what they are worth on a fresh fold."""
    from data.storage import write_json
    from tuning.importance import importance
    from tuning.trials import best_row

    results["importance"] = importance(results["trials"], results["space"], plan.objective, plan.seed)
    write_results(folder, results)
    best = best_row(results["trials"], plan.objective)
    if best is not None:
        write_json(folder / BEST, settings_file(goal, best))
        if plan.seeds and best["trial"] > 0:
            results["confirmed"] = _confirmed(goal, run, folder, plan, best)
        write_results(folder, results)
    write_winners(Path(run) / "tuning")
    return results


def _confirmed(goal, run, folder, plan, best):
    from tuning.confirm import confirm, fresh_fold, wins

    split = goal.split if hasattr(goal, "point") else goal.settings.split
    other = goal.on_fold(fresh_fold(split), plan.fresh or Path(run) / "tuning" / "fresh")
    made = confirm(other, own_values(best), folder / "confirmed" / f"trial{best['trial']:04d}", plan.seeds)
    return made | {"trial": best["trial"], "wins": wins(made, plan.objective)}


def _parser():
    made = parser("tuning.search", __doc__.partition("\n")[0])
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--backbone", metavar="NAME", help="a network in base_models/backbones.py: search the base")
    which.add_argument("--keypoint", metavar="NAME", help="a point: search its specialist, on the base of --run")
    add = made.add_argument
    add("--tuner", choices=TUNERS, default="bayesian", help="(default: %(default)s)")
    add(
        "--trials",
        type=int,
        metavar="N",
        help="most trials in all (default: 30; hyperband and grid: as many as it has)",
    )
    add("--budget", type=float, metavar="MINUTES", help="of training; no trial begins after it")
    add("--objective", choices=tuple(FIGURES), default="val_trimmed", help="(default: %(default)s)")
    add("--epochs", type=int, metavar="N", help="of each trial (default: as the settings have it)")
    add("--only", metavar="KEY,KEY", help="settings to search (default: all of the space: tuning/spaces.py)")
    add("--faces", type=int, metavar="N", help="train on about so many faces (default: all)")
    add("--fresh", metavar="DIR", help="run whose base holds out the next fold (default: RUN/tuning/fresh)")
    add("--confirm", type=int, default=1, metavar="N", help="trainings of each side on the next fold (default: 1)")
    add("--workers", type=int, default=1, metavar="N", help="processes that train at once (default: 1)")
    return made


def goal_of(a):
    """What the arguments ask to train; a base that is missing is trained. Raises ProjectErrors."""
    if a.backbone:
        a.set = [*a.set, f"network.backbone={a.backbone}"]
    settings, overrides, faces = read_options(a, [a.keypoint] if a.keypoint else [])
    from base_models.base import train_base
    from data.runs import Part
    from tuning.goals import BaseGoal, PointGoal, as_trained, check_point, some_faces

    if a.backbone:
        return BaseGoal(some_faces(faces, a.faces, a.seed) if a.faces else faces, settings, a.seed)
    check_point(faces, a.keypoint)
    part = Part(Path(a.run) / "base")
    if not part.finished:
        train_base(faces, settings, a.run, a.seed)
    settings = as_trained(part.settings(), settings)
    return PointGoal(a.keypoint, faces, Path(a.run), settings, overrides.get(a.keypoint, {}), a.faces or 0)


def main(argv=None):
    from tuning.workers import role, run_workers, wait_for_chief

    a = _parser().parse_args(argv)
    plan, own = plan_of(a), role()
    if a.workers > 1 and own is None:
        return run_workers(sys.argv[1:] if argv is None else argv, a.workers)
    if own == "worker":
        wait_for_chief()
    bounded = argv is None and own != "chief"
    try:
        goal = goal_of(a)
        if own == "worker":
            return work(goal, a.run, plan, bounded)
        results = search(goal, a.run, plan, bounded)
    except Grown:
        begin_anew("tuning.search")
    print("\n".join(summary(results, Path(a.run) / "tuning" / goal.name)))
    return 0


if __name__ == "__main__":
    command(main)
