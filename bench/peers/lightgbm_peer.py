"""Trains LightGBM on the features of the logit on counts, which ../trials/lightgbm.ts writes.

    lightgbm_peer.py                         checks the versions
    lightgbm_peer.py FEATURES OBJECTIVE OUT  trains; OUT gets validation.scores and test.scores (float64)

The folder FEATURES has these files for NAME = train, validation and test:
NAME.features (float32): columns of each row. NAME.rows (int32): first row of each choice, and the number of
rows. NAME.chosen (int32): clicked row of each choice, or -1. NAME.page (int32): 1 for the first choice on a
page (among all items and no click), 0 for an additional click (among the items not clicked yet).
"""

import json
import os
import sys

VERSIONS = {"lightgbm": "4.7.0", "numpy": "2.4.6"}
try:
    import lightgbm as lgb
    import numpy as np

    found = {"lightgbm": lgb.__version__, "numpy": np.__version__}
except ImportError as error:
    found = str(error)
if found != VERSIONS:
    pins = " ".join(f"{package}=={version}" for package, version in VERSIONS.items())
    sys.exit(f"error: Expected {pins}, found {found}. Install them: {sys.executable} -m pip install {pins}")

# The same settings for all logs.
SETTINGS = {
    **{"learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 50, "lambda_l2": 1.0},
    **{"seed": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1},
}
# Training stops after PATIENCE rounds without a better value on the validation users.
MOST_ROUNDS, PATIENCE = 2000, 100
PARENT = os.getppid()


class Choices:
    """Choices of a split's users."""

    def __init__(self, folder, name):
        rows, self.chosen, page = (np.fromfile(f"{folder}/{name}.{what}", "<i4") for what in ("rows", "chosen", "page"))
        self.features = np.fromfile(f"{folder}/{name}.features", "<f4").reshape(rows[-1], -1)
        self.first, self.lengths, self.page = rows[:-1], np.diff(rows), page == 1
        self.labels = np.zeros(len(self.features))
        self.labels[self.chosen[self.chosen >= 0]] = 1

    def dataset(self, start, **more):
        """Shuffles each choice's rows: LightGBM breaks ties by order, and clicked rows may be last."""
        choice = np.repeat(np.arange(len(self.lengths)), self.lengths)
        order = np.lexsort((np.random.default_rng(1).random(len(choice)), choice))
        self.features, self.labels = self.features[order], self.labels[order]
        init_score = np.full(len(choice), start)
        return lgb.Dataset(self.features, self.labels, group=self.lengths, init_score=init_score, params=SETTINGS, **more)

    def log_sums(self, scores, has_none):
        """Returns the log of the sum of exp(score) over the options of each choice."""
        none = np.where(self.page & has_none, 0, -np.inf)
        top = np.maximum(np.maximum.reduceat(scores, self.first), none)
        return top + np.log(np.add.reduceat(np.exp(scores - np.repeat(top, self.lengths)), self.first) + np.exp(none - top))

    def loss(self, scores, has_none):
        """Returns the mean of -log P(clicks) over pages."""
        return (self.log_sums(scores, has_none).sum() - scores[self.labels == 1].sum()) / self.page.sum()

    def gradients(self, scores, has_none):
        p = np.exp(scores - np.repeat(self.log_sums(scores, has_none), self.lengths))
        return p - self.labels, np.maximum(p * (1 - p), 1e-6)


def report(state):
    (_, metric, value, _), done = state.evaluation_result_list[0], state.iteration + 1
    if done % 50 == 0:
        print(f"round {done} of at most {MOST_ROUNDS}: validation {metric} {value:.4f}", file=sys.stderr, flush=True)
    if os.getppid() != PARENT:
        sys.exit("error: the program that started this training has ended")


def main(folder, objective, out):
    train, validation, test = (Choices(folder, name) for name in ("train", "validation", "test"))
    scored = {"validation": validation.features, "test": test.features}
    start, feval = 0.0, None
    params = {"objective": objective, "metric": "ndcg", "eval_at": [10]}
    if objective == "conditional logit":
        passed = np.count_nonzero(train.chosen < 0)
        has_none = bool(passed) or bool(np.count_nonzero(validation.chosen < 0))
        # Log-odds of a click on an average item, compared with no click.
        start = np.log((train.page.sum() - passed + 1) / (passed + 1) / train.lengths.mean()) if has_none else 0.0
        params = {"objective": lambda scores, _: train.gradients(scores, has_none), "metric": "none"}
        feval = lambda scores, _: ("loss", validation.loss(scores, has_none), False)
    data = train.dataset(start)
    model = lgb.train(
        *({**SETTINGS, **params}, data, MOST_ROUNDS, [validation.dataset(start, reference=data)]),
        feval=feval,
        callbacks=[report, lgb.early_stopping(PATIENCE, verbose=False)],
    )
    for name, features in scored.items():
        (start + model.predict(features)).astype("<f8").tofile(f"{out}/{name}.scores")
    print(f"{model.best_iteration} trees", file=sys.stderr)


if len(sys.argv) > 1:
    main(*sys.argv[1:])
else:
    print(json.dumps(found))
