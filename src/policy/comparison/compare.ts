/** Tries policies in environments with the same users and random numbers, and makes a comparison of it. */

import type { Gpu } from "../../gpu/device.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import type { Policy } from "../../simulate/policy.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { cellOf, type Logged } from "./cells.ts";
import type { Cell, Comparison, Environment } from "./comparison.ts";
import { LinUcb } from "../adaptation/lin_ucb.ts";
import { type ItemVectors, playLinUcb } from "../adaptation/lin_ucb_play.ts";
import { shownAgain } from "./shown_again.ts";
import type { PolicyTask } from "./tasks.ts";
import { EVALUATION_EPISODE, type Trial, tryPolicy } from "./trial.ts";

/** An environment that can be tried. */
export interface TriedEnvironment extends Environment {
  readonly source: UsersSource;
}

type OnPage = (done: number, of: number) => void | Promise<void>;

/** A policy that can be tried. */
export interface Contender {
  readonly policy: string;
  /** Seed of its training; null for a policy that is not trained. */
  readonly seed: number | null;
  /** The environments that it is tried in; all without it. */
  readonly only?: Environment["role"];
  /** Whether it is the best that is known where it is tried. */
  readonly isOptimum?: boolean;
  try(environment: UsersSource, onPage: OnPage): Promise<Trial[]>;
}

/** How a comparison is made. */
export interface CompareOptions extends SimulatorOptions {
  readonly reward: "click" | "utility";
  readonly seed: number;
  /** As whom users start, in a word: whose clicks `start` has; "empty" by default. */
  readonly startAs?: PolicyTask["start"];
  /** What the log of the first model knows; without it nothing is said of support. */
  readonly logged?: Logged;
  /** Told of every page; may stop the work by throwing. */
  readonly onProgress?: (what: string, done: number, of: number) => void | Promise<void>;
}

/**
 * @param environments the one that the policies learned in first; all over the same catalogue.
 * @throws UserError for options that do not fit the catalogue or the policies.
 */
export async function compare(
  environments: readonly TriedEnvironment[],
  contenders: readonly Contender[],
  { logged, onProgress, ...options }: CompareOptions,
): Promise<Comparison> {
  const { users, slate, pages, seed, reward, repeats = false, leave = 0, patience = 0 } = options;
  const { startAs: start = "empty" } = options;
  const cells: Cell[] = [];
  for (const [place, environment] of environments.entries()) {
    for (const contender of contenders) {
      const { policy, only } = contender;
      if (only !== undefined && only !== environment.role) continue;
      const what = `${policy}${
        contender.seed === null ? "" : `, seed ${contender.seed}`
      } in ${environment.name}`;
      const trials = await contender.try(environment.source, (done, of) => onProgress?.(what, done, of));
      const about = { learnedHere: place === 0, items: environment.source.itemCount, logged };
      cells.push(cellOf(contender, environment.name, trials, about));
    }
  }
  const best = contenders.find(({ isOptimum }) => isOptimum)?.policy;
  const known = environments.map(({ name, role }): Environment => {
    const cell = cells.find(({ policy, environment }) => policy === best && environment === name);
    return { name, role, ...(cell && { optimum: cell.figures.return.mean }) };
  });
  const task = { slate, pages, reward, start, repeats, leave, patience };
  return { ...task, users, seed, environments: known, cells };
}

/** A policy that acts on the device. @param witness the model that the policies learned on. */
export function onDevice(
  gpu: Gpu,
  about: Pick<Contender, "policy" | "seed" | "only">,
  policy: Policy,
  witness: UsersSource,
  options: SimulatorOptions,
): Contender {
  return {
    ...about,
    try: (environment, onPage) => tryPolicy(gpu, environment, witness, policy, options, onPage),
  };
}

/** How long LinUCB learns before it is compared. */
export interface LinUcbTraining {
  readonly alpha: number;
  /** Episodes, each of other users. */
  readonly episodes: number;
  /** Users of an episode, who see their pages together. */
  readonly users: number;
}

/** LinUCB, which learns on the first model, and then acts by what it holds best. */
export function linUcb(
  gpu: Gpu,
  learnsOn: UsersSource,
  vectors: ItemVectors,
  { alpha, episodes, users }: LinUcbTraining,
  options: SimulatorOptions,
): Contender {
  let learned: LinUcb | undefined;
  return {
    policy: "LinUCB",
    seed: null,
    async try(environment, onPage) {
      const acting = options.pages;
      const all = (learned ? 0 : episodes * acting) + acting;
      const told = (before: number) => (done: number) => onPage(before + done, all);
      const before = all - acting;
      if (!learned) {
        const bandit = new LinUcb(vectors.values, vectors.width, alpha);
        const play = { ...options, users, episodes, learns: true, onPage: told(0) };
        await playLinUcb(gpu, learnsOn, bandit, vectors, play);
        bandit.stopExploring();
        learned = bandit;
      }
      const play = { ...options, episodes: 1, firstEpisode: EVALUATION_EPISODE, learns: false };
      const logs = await playLinUcb(gpu, environment, learned, vectors, { ...play, onPage: told(before) });
      // Bandits live on the host, where no witness follows: it does when their slates are shown once more.
      return await Promise.all(logs.map((log) => shownAgain(gpu, environment, learnsOn, log, options)));
    },
  };
}
