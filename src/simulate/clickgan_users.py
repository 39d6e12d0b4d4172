"""Gymnasium environments of a trained model's users, simulated by `deno task serve --model runs/a`.

Copy or import this file, which needs Python 3.9, numpy and gymnasium 1.1 or later.

    env = SimulatedUser(slate=1, pages=20)            # one user, for agent libraries
    envs = SimulatedUsers(64, slate=3, pages=20)      # a vector environment

An action is an item number per position of the slate. Every action is legal: an item that is already on the
slate, or was clicked before (unless `repeats` is set), is replaced by the next allowed item number (the last
is followed by 0).
`info` has
    action_mask   int8 [items], 1 for items that may be shown on the next page
    page          pages shown to the user in this episode
    slate         after a step: displayed items
    choice        after a step: position of the clicked item; the length of the slate for no click
"""

import json
import urllib.error
import urllib.request

import gymnasium as gym
import numpy as np


class SimulatedUsers(gym.vector.VectorEnv):
    """Vector environment. `reset(options={"reset_mask": mask})` starts a new episode for some users."""

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.DISABLED}

    def __init__(
        self, num_envs=64, *, url="http://127.0.0.1:8750", slate=3, pages=20, repeats=False, **options
    ):
        """`options`: other fields of POST /reset: seed, patience, leave (a probability)."""
        self.url, self.num_envs, self.slate, self.repeats = url, num_envs, slate, repeats
        self._options = {**options, "slate": slate, "pages": pages, "repeats": repeats}
        self._groups = []
        self._state = None
        self._begin(np.arange(num_envs), episode=0)
        items, width = self._items, self._state.shape[1]
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float32)
        several = gym.spaces.MultiDiscrete([items] * slate)
        self.single_action_space = several if slate > 1 else gym.spaces.Discrete(items)
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        """Starts an episode of all users or those in `options["reset_mask"]`; `seed` fixes all later ones."""
        super().reset(seed=seed)
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(f"expected {self.num_envs} bools as reset_mask, at least one true, got {mask}")
        self._begin(np.flatnonzero(mask), episode=int(self.np_random.integers(2**32)))
        return self._state.copy(), self._info()

    def step(self, actions):
        actions = np.asarray(actions, np.int64).reshape(self.num_envs, self.slate)
        if actions.min() < 0 or actions.max() >= self._items:
            raise ValueError(f"expected items of 0..{self._items - 1}, got {actions.min()}..{actions.max()}")
        users, place = self.num_envs, np.arange(self.slate)
        reward, choice = np.zeros(users), np.zeros(users, np.int64)
        terminated, truncated = np.zeros(users, bool), np.zeros(users, bool)
        slates = np.zeros_like(actions)
        for group in self._groups:
            here = group.member >= 0  # other users are in another group
            if not here.any():
                continue
            member = group.member[here]
            wanted = np.zeros((len(here), self.slate), np.int64)
            wanted[here] = actions[member]
            shown = legal_slates(wanted, group.allowed)
            page = self._ask("/step", {"environment": group.name, "slates": shown.tolist()})
            group.page += 1
            clicked = np.array(page["choice"])[:, None] == place
            if not self.repeats:
                group.allowed[np.nonzero(clicked)[0], shown[clicked]] = False
            slates[member], self._state[member] = shown[here], np.array(page["state"], np.float32)[here]
            reward[member], choice[member] = np.array(page["reward"])[here], np.array(page["choice"])[here]
            terminated[member], truncated[member] = np.array(page["terminated"])[here], page["truncated"]
        info = {**self._info(), "slate": slates, "choice": choice}
        return self._state.copy(), reward, terminated, truncated, info

    def close_extras(self, **kwargs):
        for group in self._groups:
            self._ask("/close", {"environment": group.name})
        self._groups = []

    def _begin(self, users, episode):
        """Starts an episode of these users as one environment of the service."""
        for group in self._groups:
            group.member[np.isin(group.member, users)] = -1
        count = len(users)
        # Creating an environment takes as long as many pages, so environments without users are reused.
        idle = [group for group in self._groups if (group.member < 0).all() and len(group.member) >= count]
        group = min(idle, key=lambda group: len(group.member), default=None)
        room = min(self.num_envs, 2 ** (count - 1).bit_length())
        settings = {"environment": group.name} if group else {**self._options, "users": room}
        begun = self._ask("/reset", {**settings, "episode": episode})
        self._items, state = begun["items"], np.array(begun["state"], np.float32)
        if group:
            self._groups.remove(group)
        self._groups.append(_Group(begun["environment"], users, (begun["users"], self._items)))
        if self._state is None:
            self._state = np.zeros((self.num_envs, state.shape[1]), np.float32)
        self._state[users] = state[:count]

    def _info(self):
        mask, page = np.zeros((self.num_envs, self._items), np.int8), np.zeros(self.num_envs, np.int64)
        for group in self._groups:
            here = group.member >= 0
            mask[group.member[here]], page[group.member[here]] = group.allowed[here], group.page
        return {"action_mask": mask, "page": page}

    def _ask(self, path, body):
        head = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), head)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.url}{path} answered {error.code}: {error.read().decode()}") from None


class SimulatedUser(gym.Env):
    """One user. An action is an item number, or a list of numbers for slates of several items."""

    metadata = {"render_modes": []}

    def __init__(self, **options):
        """`options`: see `SimulatedUsers`."""
        self.users = SimulatedUsers(1, **options)
        self.observation_space = self.users.single_observation_space
        self.action_space = self.users.single_action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        state, info = self.users.reset(seed=seed)
        return state[0], self._own(info)

    def step(self, action):
        state, reward, terminated, truncated, info = self.users.step([action])
        return state[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), self._own(info)

    def action_masks(self):
        """Returns the masks of all positions, concatenated, for MaskablePPO of sb3-contrib."""
        return np.tile(self._mask.astype(bool), self.users.slate)

    def close(self):
        self.users.close()

    def _own(self, info):
        own = {name: values[0] for name, values in info.items()}
        self._mask = own["action_mask"]
        return own


class _Group:
    """Users who share an environment of the service."""

    def __init__(self, name, users, shape):
        self.name, self.page = name, 0
        self.member = np.full(shape[0], -1)  # number of the user in each row of the environment, or -1
        self.member[: len(users)] = users
        self.allowed = np.ones(shape, bool)


def legal_slates(actions, allowed):
    """Returns legal slates [users, positions] for actions. `allowed`: [users, items] mask."""
    free, user, slates = allowed.copy(), np.arange(len(actions)), actions.copy()
    for place in range(actions.shape[1]):
        item = slates[:, place]
        while (taken := ~free[user, item]).any():
            item[taken] = (item[taken] + 1) % free.shape[1]
        free[user, item] = False
    return slates
