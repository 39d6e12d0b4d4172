"""Prints Open Bandit Pipeline's estimates for the arrays in its JSON argument; exits with 3 without obp."""

import json
import sys

try:
    import numpy as np
    from obp.ope import (
        DirectMethod,
        DoublyRobust,
        InverseProbabilityWeighting,
        SelfNormalizedInverseProbabilityWeighting,
        SlateCascadeDoublyRobust,
        SlateIndependentIPS,
        SlateRewardInteractionIPS,
        SlateStandardIPS,
    )
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)

given = json.loads(sys.argv[1])
a = {name: np.array(value) for name, value in given.items()}
n, k, items = given["n"], given["k"], given["items"]
# A page is one of two actions (the shown slate, or any other), so that pi and r_hat keep their values.
one = {
    "reward": a["reward"],
    "action": np.zeros(n, dtype=int),
    "pscore": a["mu"],
    "action_dist": np.stack([a["pi"], 1 - a["pi"]], axis=1)[:, :, None],
}
r_hat = np.stack([a["q"], (a["v"] - a["pi"] * a["q"]) / (1 - a["pi"])], axis=1)[:, :, None]
rows = {
    "slate_id": np.repeat(np.arange(n), k),
    "reward": a["slot_reward"],
    "position": np.tile(np.arange(k), n),
}
print(json.dumps({
    "ips": InverseProbabilityWeighting().estimate_policy_value(**one),
    "snips": SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**one),
    "model": DirectMethod().estimate_policy_value(
        action_dist=one["action_dist"], estimated_rewards_by_reg_model=r_hat),
    "dr": DoublyRobust().estimate_policy_value(**one, estimated_rewards_by_reg_model=r_hat),
    "sips": SlateStandardIPS(len_list=k).estimate_policy_value(
        **rows, pscore=np.repeat(a["mu"], k), evaluation_policy_pscore=np.repeat(a["pi"], k)),
    "iips": SlateIndependentIPS(len_list=k).estimate_policy_value(
        **rows, pscore_item_position=a["mu_own"], evaluation_policy_pscore_item_position=a["pi_own"]),
    "rips": SlateRewardInteractionIPS(len_list=k).estimate_policy_value(
        **rows, pscore_cascade=a["mu_prefix"], evaluation_policy_pscore_cascade=a["pi_prefix"]),
    "cascadeDr": SlateCascadeDoublyRobust(len_list=k, n_unique_action=items).estimate_policy_value(
        **rows, action=a["action"], pscore_cascade=a["mu_prefix"],
        evaluation_policy_pscore_cascade=a["pi_prefix"], q_hat=a["q_hat"],
        evaluation_policy_action_dist=a["dist"]),
}))
