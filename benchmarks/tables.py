"""How well `densecore train` predicts tables, beside scikit-learn's models and gradient boosting.

    python benchmarks/tables.py FOLDER [--recipes quick,default,best] [--peers mlp,hgb,lightgbm,...]
                                [--only NAME,NAME] [--rows N] [--seeds N] [--cache FILE.json]
                                [--out FILE.json]
    python benchmarks/tables.py FOLDER --ablate [--rows N] [--cache FILE.json] [--out FILE.json]

FOLDER holds ``tables.json``, a list of {"name", "target", "task"}, and ``NAME.csv.gz`` for each.
The first 80 % of a table's rows are to learn from and the rest to be judged on; rows must have been
shuffled. Every contestant sees the same rows; densecore is given them as a CSV file and nothing but
the target named, the others an ordinary pipeline (missing values, categories, scaling for the
network): mlp, hgb, lightgbm, xgboost, catboost, realmlp. Errors are the share of wrong labels, and
RMSE / deviation. Ratios are geometric means of (error + 0.01).

``--cache`` keeps each result as soon as it is there, and what it has is not run again:
``{"TABLE/ROWS/CONTESTANT/SEED": {"error": …, "logloss": …, "train_s": …}}``. Take out what another
version of densecore has made. Seconds of peers that another machine measured say nothing.

``--ablate`` leaves one part out of the default recipe at a time. It never sees the last 20 %: it
learns from the first 60 % and is judged on the next 20 %.
"""

import argparse
import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc
import description
from densecore import tabular
from densecore.tabular.judge import judge

Results = dict[str, list[dict[str, float]]]  # of each contestant: one for each table

# The smallest tables tell what a recipe costs.
FEW_ROWS = 5000


def both(recipe: tabular.Recipe, **changes: Any) -> tabular.Recipe:
    """The recipe with settings that both tasks have."""
    return replace(
        recipe,
        for_classes=replace(recipe.for_classes, **changes),
        for_numbers=replace(recipe.for_numbers, **changes),
    )


def ablations(base: tabular.Recipe) -> dict[str, tabular.Recipe]:
    """The recipe without one of its parts each time."""
    return {
        "the recipe": base,
        "two networks instead of sixteen": replace(base, folds=1),
        "bins in all networks": replace(base, members=2, periodic=0),
        "no bins": both(base, bins=0),
        "no factors of the inputs": replace(base, scale_rate=0.0),
        "factors at the rate of the weights": replace(base, scale_rate=1.0),
        "8 bins": both(base, bins=8),
        "no dropout": both(base, dropout=0.0),
        "constant learning rate": replace(base, schedule="constant"),
        "four cosine cycles": replace(base, schedule="coslog4"),
        "learning rates / 3": replace(
            base,
            for_classes=replace(base.for_classes, learning_rate=1e-3),
            for_numbers=replace(base.for_numbers, learning_rate=3e-3),
        ),
        "beta_2 0.999": replace(base, beta_2=0.999),
        "no weight decay": replace(base, optimizer="adam"),
        "no label smoothing": replace(base, label_smoothing=0.0),
        "relu": replace(base, activation="relu"),
        "two layers of 256": replace(base, hidden=(256, 256)),
    }


def cut(entry: dict[str, str], folder: Path, rows: int) -> Any:
    import pandas

    frame = pandas.read_csv(folder / f"{entry['name']}.csv.gz", skipinitialspace=True).head(rows)
    if entry["task"] == "classification":
        frame[entry["target"]] = frame[entry["target"]].astype(str)
    return frame


def ours(recipe: tabular.Recipe, entry: dict[str, str], train: Any, test: Any, seed: int) -> Any:
    classification, target = entry["task"] == "classification", entry["target"]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "train.csv", Path(folder) / "test.csv"]
        for frame, file in zip((train, test), files, strict=True):
            frame.to_csv(file, index=False)
        start = time.perf_counter()
        try:
            problem = tabular.problem_of(
                tabular.read_table(files[0]),
                [target],
                task=entry["task"],
                bins=recipe.settings(classification).bins,
            )
        except tabular.TableError as error:
            return {"error": float("nan"), "refused": str(error)}
        model = tabular.fit(problem, recipe, seed, linear=False).model
        seconds = time.perf_counter() - start
        scores = judge(model, tabular.read_table(files[1]))[0][target]
    if not classification:
        return {"error": scores["rmse"] / float(train[target].std()), "train_s": seconds}
    return {
        "error": 1 - scores["accuracy"], "logloss": scores["log_loss"], "train_s": seconds
    }  # fmt: skip


def peer(name: str, entry: dict[str, str], train: Any, test: Any, seed: int) -> Any:
    from sklearn import compose, ensemble, impute, neural_network, pipeline, preprocessing

    classification, target = entry["task"] == "classification", entry["target"]
    x, y = train.drop(columns=target), train[target]
    numbers = list(x.select_dtypes("number"))
    texts = [c for c in x if c not in numbers]
    if name == "mlp":
        scale = pipeline.make_pipeline(
            impute.SimpleImputer(add_indicator=True, keep_empty_features=True),
            preprocessing.StandardScaler(),
        )
        indicators = preprocessing.OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=100, sparse_output=False
        )
        prepare = compose.ColumnTransformer([("n", scale, numbers), ("c", indicators, texts)])
        kind = neural_network.MLPClassifier if classification else neural_network.MLPRegressor
        model = kind((128, 64), early_stopping=True, random_state=seed)
    else:
        codes = preprocessing.OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
        )
        prepare = compose.ColumnTransformer([("n", "passthrough", numbers), ("c", codes, texts)])
        if name == "hgb":
            kind = ensemble.HistGradientBoostingClassifier if classification else (
                ensemble.HistGradientBoostingRegressor
            )  # fmt: skip
            model = kind(random_state=seed)
        elif name == "lightgbm":
            import lightgbm

            kind = lightgbm.LGBMClassifier if classification else lightgbm.LGBMRegressor
            model = kind(random_state=seed, verbose=-1)
        elif name == "xgboost":
            import xgboost

            kind = xgboost.XGBClassifier if classification else xgboost.XGBRegressor
            model = kind(random_state=seed)
        elif name == "realmlp":
            import pytabkit

            kind = pytabkit.RealMLP_TD_Classifier if classification else (
                pytabkit.RealMLP_TD_Regressor
            )  # fmt: skip
            model = kind(device="cpu", random_state=seed, n_cv=1, n_refit=0, verbosity=0)
            known = impute.SimpleImputer(keep_empty_features=True)
            prepare = compose.ColumnTransformer([("n", known, numbers), ("c", codes, texts)])
        elif name == "catboost":
            import catboost

            kind = catboost.CatBoostClassifier if classification else catboost.CatBoostRegressor
            model = kind(random_seed=seed, verbose=0, allow_writing_files=False)
        else:
            raise SystemExit(f"unknown peer {name}")
    if name == "mlp" and not classification:
        model = compose.TransformedTargetRegressor(
            model, transformer=preprocessing.StandardScaler()
        )
    both_steps = pipeline.make_pipeline(prepare, model)
    names = np.unique(y)
    learnt = np.searchsorted(names, y) if classification else y
    start = time.perf_counter()
    both_steps.fit(x, learnt)
    seconds = time.perf_counter() - start
    rest = test.drop(columns=target)
    if not classification:
        answers = np.asarray(both_steps.predict(rest), float).ravel()
        rmse = float(np.sqrt(np.mean((answers - test[target].to_numpy(float)) ** 2)))
        return {"error": rmse / float(y.std()), "train_s": seconds}
    p = np.clip(both_steps.predict_proba(rest), 1e-7, 1)
    truth = np.searchsorted(names, test[target])
    return {
        "error": float(np.mean(p.argmax(axis=1) != truth)),
        "logloss": float(-np.mean(np.log(p[np.arange(len(truth)), truth] / p.sum(axis=1)))),
        "train_s": seconds,
    }


def ratio(first: list[Any], second: list[Any], key: str, shift: float = 0.0) -> float:
    """The geometric mean of the ratios where both have the number."""
    pairs = [
        (a[key] + shift, b[key] + shift)
        for a, b in zip(first, second, strict=True)
        if np.isfinite(a.get(key, np.nan)) and np.isfinite(b.get(key, np.nan))
    ]
    return float(np.exp(np.mean([np.log(a / b) for a, b in pairs]))) if pairs else float("nan")


def show(results: Results, names: list[str]) -> None:
    """The errors of all contestants."""
    print(f"\n| error | {' | '.join(names)} |")
    print("|" + "---|" * (len(names) + 1))
    for who, rows in results.items():
        errors = " | ".join(f"{row['error']:.4f}" for row in rows)
        print(f"| {who} | {errors} |")


def compared(results: Results, with_: list[str], rows: list[int]) -> list[tuple[str, list[str]]]:
    """What is said of each contestant beside those named: a line and its cells."""
    lines: list[tuple[str, list[str]]] = []
    for other in with_:
        cells = []
        for found in results.values():
            pairs = list(zip(found, results[other], strict=True))
            judged = [(a["error"], b["error"]) for a, b in pairs if np.isfinite(b["error"])]
            won = sum(a < b for a, b in judged)
            cells.append(
                f"{ratio(found, results[other], 'error', 0.01):.3f} "
                f"({ratio(found, results[other], 'logloss'):.3f}), {won} of {len(judged)}"
            )
        lines.append((f"{other}: error (log-loss), won", cells))
    few = [i for i, count in enumerate(rows) if count < FEW_ROWS]
    seconds = [
        np.mean([found[i].get("train_s", np.nan) / rows[i] * 1000 for i in few]) if few else np.nan
        for found in results.values()
    ]
    what = f"seconds per 1000 rows (tables under {FEW_ROWS})"
    lines.append((what, [f"{each:.2f}" for each in seconds]))
    refused = [sum("refused" in row for row in found) for found in results.values()]
    lines.append(("tables refused", [str(count) for count in refused]))
    return lines


def averaged(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds; a refusal is one for all of them."""
    for one in found:
        if "refused" in one:
            return one
    keys = [key for key in ("error", "logloss", "train_s") if key in found[0]]
    return {key: float(np.mean([one[key] for one in found])) for key in keys}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipes", default="quick,default,best")
    parser.add_argument("--peers", default="mlp,hgb")
    parser.add_argument("--only")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    entries = json.loads((options.folder / "tables.json").read_text())
    if options.only:
        entries = [e for e in entries if e["name"] in options.only.split(",")]
    if options.ablate:
        contestants: dict[str, Any] = ablations(tabular.recipe_named("default"))
        with_ = ["the recipe"]
    else:
        with_ = [name for name in options.peers.split(",") if name]
        recipes = [name for name in options.recipes.split(",") if name]
        contestants = {name: tabular.recipe_named(name) for name in recipes}
        contestants.update((name, name) for name in with_)
        with_ = with_ or recipes[:1]
    known = options.cache is not None and options.cache.exists()
    cache: dict[str, Any] = json.loads(options.cache.read_text()) if known else {}
    results: Results = {name: [] for name in contestants}
    learnt_from = []
    for entry in entries:
        frame = cut(entry, options.folder, options.rows)
        learn, until = (0.6, 0.8) if options.ablate else (0.8, 1.0)
        train = frame.iloc[: int(learn * len(frame))]
        test = frame.iloc[int(learn * len(frame)) : int(until * len(frame))]
        learnt_from.append(len(train))
        for name, what in contestants.items():
            run = peer if isinstance(what, str) else ours
            found = []
            for seed in range(options.seeds):
                key = f"{entry['name']}/{len(frame)}/{name}/{seed}"
                if key not in cache:
                    cache[key] = run(what, entry, train, test, seed)
                    if options.cache is not None:
                        options.cache.write_text(json.dumps(cache, indent=1) + "\n")
                found.append(cache[key])
            row = averaged(found)
            results[name].append(row)
            shown = [f"{k} {v:.4f}" if k != "refused" else f"refused: {v}" for k, v in row.items()]
            print(f"{entry['name']}: {name}: {', '.join(shown)}", flush=True)
    names = [entry["name"] for entry in entries]
    show(results, names)
    lines = compared(results, with_, learnt_from)
    print(f"\n| | {' | '.join(results)} |")
    print("|" + "---|" * (len(results) + 1))
    for what, cells in lines:
        print(f"| {what} | {' | '.join(cells)} |")
    if options.out:
        report = {
            "machine": description.describe(),
            "densecore": dc.__version__,
            "rows": options.rows,
            "seeds": options.seeds,
            "tables": dict(zip(names, learnt_from, strict=True)),
            "results": results,
            "compared": {what: dict(zip(results, cells, strict=True)) for what, cells in lines},
        }
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
