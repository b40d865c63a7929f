"""What a search has found: results and page after every trial, a settings file, and a summary in words."""

import dataclasses

from tuning.plan import FIGURES, epochs_of

RESULTS, PAGE, BEST = "search.json", "search.html", "best.json"
WINNERS = "winners.json"  # of all searches of a run
SHOWN = 5  # trials in the table


def tell_progress(goal, folder, plan, space, number):
    """After every trial: a line, results and page."""
    from base_models.progress import say
    from tuning.trials import best_row

    results = results_of(goal, folder, plan, space)
    row = next(row for row in results["trials"] if row["trial"] == number)
    best = best_row(results["trials"], plan.objective)
    told = f"{row[plan.objective]:.3f} px" if plan.objective in row else f"failed: {row.get('why', '')}"
    found = f"; best {best[plan.objective]:.3f} px, trial {best['trial']}" if best else ""
    say(f"{goal.name}: trial {number} of {plan.trials or 'all'}: {told}{found}")
    write_results(folder, results)


def results_of(goal, folder, plan, space):
    """Everything that is known, fit for JSON: what search.json holds and reports.search draws."""
    from tuning.trials import trial_rows

    return {
        "name": goal.name,
        "kind": "specialist" if hasattr(goal, "point") else "base network",
        "tuner": plan.tuner,
        "objective": plan.objective,
        "source": goal.faces.source,
        "epochs": epochs_of(goal, plan),
        "space": space,
        "trials": trial_rows(folder),
        "importance": None,
        "confirmed": None,
    }


def write_results(folder, results):
    """Replace search.json and the page."""
    from data.storage import write_json
    from reports.search import build_search

    write_json(folder / RESULTS, results)
    build_search(results, folder / PAGE)


def own_values(row):
    """The settings of a trial, without what Hyperband keeps its books in."""
    return {name: value for name, value in row["values"].items() if not name.startswith("tuner/")}


def settings_file(goal, best):
    """Everything by which the best trial differs from the defaults of the project, as --settings takes it."""
    from base_models.settings import Settings, flatten
    from tuning.goals import nested

    mine, plain = flatten(dataclasses.asdict(goal.settings)), flatten(dataclasses.asdict(Settings()))
    return merged(nested({k: v for k, v in mine.items() if v != plain[k]}), goal.as_settings(own_values(best)))


def merged(tree, other):
    """Two trees of settings; the second wins."""
    made = dict(tree)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = merged(made[key], value) if both else value
    return made


def write_winners(tuning):
    """The settings of all searches of a run that won."""
    from data.storage import read_json, write_json

    tree = {}
    for path in sorted(tuning.glob(f"*/{RESULTS}")):
        found = read_json(path)
        if found["confirmed"] and found["confirmed"]["wins"]:
            tree = merged(tree, read_json(path.with_name(BEST)))
    write_json(tuning / WINNERS, tree)


def summary(results, folder):
    """Lines of text that tell what a search found."""
    from base_models.progress import aligned

    objective, rows = results["objective"], results["trials"]
    known = sorted((r for r in rows if r["status"] == "COMPLETED"), key=lambda r: (r[objective], r["trial"]))
    failed = [r for r in rows if r["status"] == "FAILED"]
    minutes = sum(r.get("seconds", 0) for r in rows) / 60
    lines = [f"{results['name']}: {len(rows)} trials, {len(failed)} failed, {minutes:.1f} min; {FIGURES[objective]}"]
    if known:
        lines += aligned([("trial", "px*", "px", "epochs", "seconds"), *map(_line, known[:SHOWN])])
        lines.append(f"defaults are trial 0; best: trial {known[0]['trial']}, {_changed(known[0], results['space'])}")
    lines += [f"trial {r['trial']} failed: {r.get('why', 'unknown')}" for r in failed[:SHOWN]]
    return [*lines, *verdict(results), f"settings: {folder / BEST}", f"page: {folder / PAGE}"]


def _line(row):
    return row["trial"], f"{row['val_trimmed']:.3f}", f"{row['val_rmse']:.3f}", row["epochs"], f"{row['seconds']:.0f}"


def _changed(row, space):
    """What a trial has other than the defaults, in words."""
    plain = {setting["name"]: setting["default"] for setting in space}
    own = {k: v for k, v in own_values(row).items() if plain.get(k) != v}
    return ", ".join(f"{k}={v}" for k, v in own.items()) or "the defaults"


def verdict(results):
    """Lines on what the best settings are worth."""
    found = results["confirmed"]
    if not found:
        return ["no trial was better than the defaults"] if _defaults_best(results) else []
    lines = [
        f"on fold {found['fold']}, which no choice was made by: {found['faces']} faces of {found['persons']} persons"
    ]
    for name in ("val_trimmed", "val_rmse"):
        sides = "; ".join(f"{side} {_span(found[name][side])}" for side in ("default", "best", "difference"))
        lines.append(f"{FIGURES[name]}: {sides}")
    won = "they win: the next --all takes them with --settings" if found["wins"] else WORTHLESS
    return [*lines, f"the best settings there: {won}"]


WORTHLESS = "they do not win by more than chance; a searched figure is the lowest of many, and too good"


def _defaults_best(results):
    from tuning.trials import best_row

    best = best_row(results["trials"], results["objective"])
    return best is not None and best["trial"] == 0


def _span(interval):
    return f"{interval[0]:.3f} ({interval[1]:.3f} to {interval[2]:.3f})"
