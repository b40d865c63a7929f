"""One factor at a time around the defaults: python -m tuning.sweep --vary learning_rate=1e-3,1e-4 [--seeds 3].

Or a named study: --study NAME, --all-studies, --list-studies. Every training is a folder of RUN/sweeps/trainings,
named by what determines it, so that studies share those they have in common. Results and page are in RUN/sweeps/NAME;
they are replaced after every training, and the same command goes on where it was stopped.
"""

from dataclasses import dataclass
from pathlib import Path

from base_models.options import add_jobs_options, jobs_of, parser, read_options
from data.errors import UsageError, command
from tuning.apart import TRAININGS
from tuning.memory import Grown, Watch, begin_anew
from tuning.plan import FIGURES
from tuning.words import resolved

RESULTS, PAGE = "sweep.json", "sweep.html"
DEFAULT = "default"
OWN = ("network.", "train.", "augment.")  # what a base may vary; a specialist also its fields without a dot


@dataclass(frozen=True)
class Sweep:
    """What to train.

    Args:
        name: of its folder.
        words: what it asks.
        goals: of `tuning.goals`; every factor is swept for each.
        factors: dict of name to dict of label to dict of dotted setting to value.
        seeds: ints, of the trainings.
        epochs: of each; None = as the settings have it.
    """

    name: str
    words: str
    goals: tuple
    factors: dict
    seeds: tuple
    epochs: int | None = None

    @property
    def fixed(self):
        """Values of every training."""
        return {} if self.epochs is None else {"train.epochs": self.epochs}

    def arms(self, goal, factor):
        """dict of label to values of a factor, without arms that are the default."""
        plain = goal.changed(self.fixed)
        arms = {label: self.fixed | values for label, values in self.factors[factor].items()}
        return {label: own for label, own in arms.items() if not same(goal.changed(own), plain, own)}

    def trainings(self):
        """(goal, factor, label, values, seed) of every training, the default of each goal first, seed by seed."""
        for seed in self.seeds:
            for goal in self.goals:
                yield goal, None, DEFAULT, self.fixed, goal.seed + seed
                for factor in self.factors:
                    for label, values in self.arms(goal, factor).items():
                        yield goal, factor, label, values, goal.seed + seed


def same(settings, other, names):
    """Whether the settings `names` have the same values, where one says nothing and has them of its own too."""
    from tuning.spaces import current

    return all(current(settings, name) == current(other, name) for name in names)


def run_sweep(sweep, run, bounded=False, where=None):
    """Train all of a sweep, or go on with it.

    Args:
        sweep: `Sweep`.
        run: folder of the run; the sweep is in its sweeps/NAME.
        bounded: raise `Grown` between trainings when the process has become large.
        where: `base_models.jobs.Where` to train, several at once; None = here, one after another.

    Returns:
        The results as in sweep.json.

    Raises:
        RunError: the folder is in use or damaged. UsageError: a value that a setting cannot have, or nothing that can
            be trained.
    """
    from base_models.progress import say
    from data.storage import locked
    from tuning.apart import known, train_apart

    folder, watch, outcomes = Path(run) / "sweeps" / sweep.name, Watch(bounded), {}
    plan = list(sweep.trainings())
    for goal, _, _, values, _ in plan:
        goal.changed(values)  # a value that no setting takes is found before hours of training
    with locked(folder):
        if where is not None:  # what follows then finds them done
            train_apart(plan, run, where, lambda: _write(folder, results_of(sweep, known(plan, run))))
        for place, (goal, factor, label, values, seed) in enumerate(plan):
            key = goal.name, factor, label, seed - goal.seed
            say(f"{sweep.name}: training {place + 1} of {len(plan)}: {goal.name}, {factor or ''} {label}, seed {seed}")
            outcomes[key], fresh = trained(goal, values, seed, Path(run) / TRAININGS)
            if fresh or place == len(plan) - 1:
                _write(folder, results_of(sweep, outcomes))
                watch.look()
    results = results_of(sweep, outcomes)
    failed = [found["why"] for found in outcomes.values() if "why" in found]
    if len(failed) == len(outcomes):
        raise UsageError(f"{sweep.name}: nothing could be trained: {failed[0]}")
    return results


def trained(goal, values, seed, folder):
    """(outcome of a training, whether it was trained now): see `tuning.goals.reached`."""
    from data.storage import locked, write_json
    from tuning.apart import digest_of
    from tuning.goals import reached
    from tuning.trials import finite, outcome_in

    digest = digest_of(goal, values, seed)
    path = folder / digest / "outcome.json"
    if path.exists():
        return outcome_in(path), False
    with locked(folder / digest):
        outcome = finite(reached(goal, values, folder / digest, seed))
        write_json(path, outcome)
    return outcome, True


def results_of(sweep, outcomes):
    """Everything that is known so far, fit for JSON: what sweep.json holds and reports.sweep draws."""
    factors = []
    for goal in sweep.goals:
        for factor in sweep.factors:
            default = _arm(sweep, outcomes, (goal.name, None, DEFAULT), DEFAULT)
            default["shows"] = _shown_default(sweep, goal, factor)
            arms = [_arm(sweep, outcomes, (goal.name, factor, label), label) for label in sweep.arms(goal, factor)]
            factors.append({"goal": goal.name, "name": factor, "arms": [default, *arms]})
    known = [found for found in outcomes.values() if "why" not in found]
    about = {name: known[0][name] if known else 0 for name in ("rows", "validation_rows")}
    told = {"name": sweep.name, "words": sweep.words, "source": sweep.goals[0].faces.source, "factors": factors}
    return {**told, **about, "seeds": list(sweep.seeds)}


def _arm(sweep, outcomes, key, label):
    found = [outcomes.get((*key, seed)) for seed in sweep.seeds]
    return {"label": label, "trainings": [{"seed": s} | f for s, f in zip(sweep.seeds, found, strict=True) if f]}


def _shown_default(sweep, goal, factor):
    """What the default has where the arms of a factor differ in one setting; None else."""
    from tuning.spaces import current

    names = {name for values in sweep.factors[factor].values() for name in values}
    return str(current(goal.changed(sweep.fixed), names.pop())) if len(names) == 1 else None


def _write(folder, results):
    from data.storage import write_json
    from reports.sweep import build_sweep

    write_json(folder / RESULTS, results)
    build_sweep(results, folder / PAGE)


def summary(results, folder):
    """Lines of text: a table of every factor."""
    from base_models.progress import aligned
    from reports.sweep import arm_figures

    head = ("px*", "lowest", "highest", "- default", "lowest", "highest", "px", "seconds", "seeds")
    lines = [f"{results['name']}: {results['words']}"]
    for factor in results["factors"]:
        figures = [arm_figures(factor, arm) for arm in factor["arms"]]
        rows = [_line(f) for f in figures if f["trimmed"]]
        lines += aligned([(f"{factor['goal']}: {factor['name']}", *head), *rows]) if rows else []
        lines += [f"{f['label']}: {f['why']}" for f in figures if f["why"]]
    note = (
        f"{FIGURES['val_trimmed']} (px*) and plain (px): mean over the seeds; difference from the same seed's default"
    )
    return [*lines, note, f"page: {folder / PAGE}"]


def _line(figures):
    shown = [f"{value:.3f}" for value in figures["trimmed"]]
    shown += [f"{value:+.3f}" for value in figures["difference"]] if figures["difference"] else ["-"] * 3
    return figures["label"], *shown, f"{figures['rmse'][0]:.3f}", f"{figures['seconds']:.0f}", figures["count"]


def factors_of(texts, names):
    """Factors from `--vary KEY=V1,V2`.

    Args:
        texts: the options.
        names: of all settings that may be varied.

    Raises:
        UsageError: no such setting, or no values.
    """
    factors = {}
    for text in texts:
        key, equals, values = text.partition("=")
        labels = [value.strip() for value in values.split(",")]
        if not equals or not all(labels):
            raise UsageError(f"--vary: expected KEY=VALUE,VALUE; received {text!r}")
        name = resolved(key.strip(), names, "--vary")
        factors.setdefault(name, {}).update({label: {name: label} for label in labels})
    return factors


def _parser():
    made = parser("tuning.sweep", __doc__.partition("\n")[0])
    add = made.add_argument
    add("--vary", action="append", default=[], metavar="KEY=V1,V2", help="a setting and its values; may be repeated")
    add("--study", action="append", default=[], metavar="NAME", help="a named study; may be repeated")
    add("--all-studies", action="store_true", help="every named study")
    add("--list-studies", action="store_true", help="say which studies there are")
    add("--keypoint", metavar="NAME", help="vary a specialist's settings, on the base of --run (default: the base's)")
    add("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: %(default)s)")
    add("--faces", type=int, metavar="N", help="use about so many faces (default: all)")
    add("--epochs", type=int, metavar="N", help="of each training (default: as settings or study have it)")
    add_jobs_options(made)
    return made


def check(a):
    """Raises UsageError where the options do not go together."""
    from tuning.studies import STUDIES

    a.study = list(STUDIES) if a.all_studies else a.study
    for name in a.study:
        if name not in STUDIES:
            raise UsageError(f"--study: expected one of {', '.join(STUDIES)}; received {name!r}")
    if bool(a.study) == bool(a.vary):
        raise UsageError("expected --vary, or --study, --all-studies or --list-studies; received both or none")
    if a.study and a.keypoint:
        raise UsageError("--keypoint: a study names its points itself")
    for name in ("seeds", "faces", "epochs"):
        if getattr(a, name) is not None and getattr(a, name) <= 0:
            raise UsageError(f"--{name}: expected more than 0; received {getattr(a, name)}")


def sweeps_of(a):
    """The `Sweep`s that the options ask for. A base that specialists need is trained where it is missing."""
    from tuning.studies import STUDIES

    seeds, sets = tuple(range(a.seeds)), a.set
    for name in a.study:
        study = STUDIES[name]
        a.set = [*(f"{key}={value}" for key, value in study.fixed.items()), *sets]
        goals = _goals(a, study.points)
        epochs = a.epochs or (study.epochs if study.points else None)
        yield Sweep(name, study.words, goals, study.factors, seeds, epochs)
    if a.vary:
        goals = _goals(a, (a.keypoint,) if a.keypoint else ())
        factors = factors_of(a.vary, settings_names(goals[0]))
        name = "-".join([*([a.keypoint] if a.keypoint else []), *factors])
        yield Sweep(name, f"One factor at a time: {', '.join(factors)}.", goals, factors, seeds, a.epochs)


def settings_names(goal):
    """Dotted names that a goal's values may have."""
    from dataclasses import asdict

    from base_models.settings import flatten

    names = flatten(asdict(goal.own))
    point = hasattr(goal, "point")
    return [name for name in names if name.startswith(OWN) or (point and "." not in name)]


def _goals(a, points):
    settings, overrides, faces = read_options(a, points)
    from base_models.base import train_base
    from data.runs import Part
    from tuning.goals import BaseGoal, PointGoal, as_trained, check_point, some_faces

    if not points:
        return (BaseGoal(some_faces(faces, a.faces, a.seed) if a.faces else faces, settings, a.seed),)
    for point in points:
        check_point(faces, point)
    part = Part(Path(a.run) / "base")
    if not part.finished:
        train_base(faces, settings, a.run, a.seed)
    settings = as_trained(part.settings(), settings)
    rest = settings, a.faces or 0
    return tuple(PointGoal(point, faces, Path(a.run), rest[0], overrides.get(point, {}), rest[1]) for point in points)


def main(argv=None):
    a = _parser().parse_args(argv)
    if a.list_studies:
        from tuning.studies import STUDIES

        return print("\n".join(f"{name}: {study.words}" for name, study in STUDIES.items()))
    check(a)
    lines, where = [], jobs_of(a)
    try:
        for sweep in sweeps_of(a):
            results = run_sweep(sweep, a.run, argv is None, where)
            lines += summary(results, Path(a.run) / "sweeps" / sweep.name)
    except Grown:
        begin_anew("tuning.sweep")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    command(main)
