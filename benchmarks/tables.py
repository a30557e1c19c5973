"""How well `densecore train` predicts tables, beside scikit-learn's models and gradient boosting.

    python benchmarks/tables.py FOLDER [--recipes quick,default,best] [--peers mlp,hgb,lightgbm,...]
                                [--only NAME,NAME] [--rows N] [--seeds N] [--out FILE.json]
    python benchmarks/tables.py FOLDER --ablate [--rows N] [--out FILE.json]

FOLDER holds ``tables.json``, a list of {"name", "target", "task"}, and ``NAME.csv.gz`` for each.
The first 80 % of a table's rows are to learn from and the rest to be judged on; rows must have been
shuffled. Every contestant sees the same rows; densecore is given the columns as they are, the
others an ordinary pipeline (missing values, categories, scaling for the network). Errors are the
share of wrong labels, and RMSE / deviation. Ratios are geometric means of (error + 0.01).

``--ablate`` leaves one part out of the default recipe at a time. It never sees the last 20 %: it
learns from the first 60 % and is judged on the next 20 %.
"""

import argparse
import json
import platform
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc
from densecore import tabular
from densecore.tabular.judge import judge

CLASSES, NUMBERS = "for_classes", "for_numbers"


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


def error_of(model: tabular.TableModel, frame: Any, target: str, spread: float) -> dict[str, float]:
    scores = judge(model, tabular.table_of(frame))[0][target]
    if "rmse" in scores:
        return {"error": scores["rmse"] / spread}
    return {"error": 1 - scores["accuracy"], "log_loss": scores["log_loss"]}


def ours(recipe: tabular.Recipe, entry: dict[str, str], train: Any, test: Any, seed: int) -> Any:
    classification = entry["task"] == "classification"
    start = time.perf_counter()
    problem = tabular.problem_of(
        tabular.table_of(train),
        [entry["target"]],
        task=entry["task"],
        bins=recipe.settings(classification).bins,
    )
    model = tabular.fit(problem, recipe, seed, linear=False).model
    seconds = time.perf_counter() - start
    spread = 1.0 if classification else float(train[entry["target"]].std())
    return {**error_of(model, test, entry["target"], spread), "seconds": seconds}


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
        rmse = float(np.sqrt(np.mean((both_steps.predict(rest) - test[target]) ** 2)))
        return {"error": rmse / float(y.std()), "seconds": seconds}
    p = np.clip(both_steps.predict_proba(rest), 1e-7, 1)
    truth = np.searchsorted(names, test[target])
    return {
        "error": float(np.mean(p.argmax(axis=1) != truth)),
        "log_loss": float(-np.mean(np.log(p[np.arange(len(truth)), truth] / p.sum(axis=1)))),
        "seconds": seconds,
    }


def ratio(first: list[Any], second: list[Any], key: str, shift: float) -> float:
    pairs = [
        (a[key] + shift, b[key] + shift) for a, b in zip(first, second, strict=True) if key in a
    ]
    return float(np.exp(np.mean([np.log(a / b) for a, b in pairs]))) if pairs else float("nan")


def show(results: dict[str, list[Any]], reference: str, names: list[str]) -> None:
    print(f"\n| | {' | '.join(names)} | error | log-loss | wins |")
    print("|" + "---|" * (len(names) + 4))
    for who, rows in results.items():
        errors = " | ".join(f"{row['error']:.4f}" for row in rows)
        wins = sum(a["error"] < b["error"] for a, b in zip(results[reference], rows, strict=True))
        print(
            f"| {who} | {errors} | {ratio(rows, results[reference], 'error', 0.01):.3f} "
            f"| {ratio(rows, results[reference], 'log_loss', 0):.3f} | {wins} of {len(rows)} |"
        )
    print(f"\nerror and log-loss: ratios to '{reference}'; wins: of '{reference}' against the row")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipes", default="quick,default,best")
    parser.add_argument("--peers", default="mlp,hgb")
    parser.add_argument("--only")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    entries = json.loads((options.folder / "tables.json").read_text())
    if options.only:
        entries = [e for e in entries if e["name"] in options.only.split(",")]
    if options.ablate:
        contestants: dict[str, Any] = ablations(tabular.recipe_named("default"))
        reference = "the recipe"
    else:
        contestants = {name: tabular.recipe_named(name) for name in options.recipes.split(",")}
        reference = "default" if "default" in contestants else next(iter(contestants))
        contestants.update((name, name) for name in options.peers.split(",") if name)
    results: dict[str, list[Any]] = {name: [] for name in contestants}
    for entry in entries:
        frame = cut(entry, options.folder, options.rows)
        learn, until = (0.6, 0.8) if options.ablate else (0.8, 1.0)
        train = frame.iloc[: int(learn * len(frame))]
        test = frame.iloc[int(learn * len(frame)) : int(until * len(frame))]
        for name, what in contestants.items():
            run = peer if isinstance(what, str) else ours
            found = [run(what, entry, train, test, seed) for seed in range(options.seeds)]
            row = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            results[name].append(row)
            shown = ", ".join(f"{key} {value:.4f}" for key, value in row.items())
            print(f"{entry['name']}: {name}: {shown}", flush=True)
    names = [entry["name"] for entry in entries]
    show(results, reference, names)
    if options.out:
        machine = {
            "processor": platform.processor() or platform.machine(),
            "system": platform.platform(),
            "threads": dc.get_num_threads(),
            "densecore": dc.__version__,
        }
        report = {"machine": machine, "tables": names, "rows": options.rows, "results": results}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
