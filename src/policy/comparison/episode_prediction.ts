/**
 * Runs a policy in an environment, and reads the user states and predictions of the observer, which is the
 * model that the policy was trained on. The observer updates user states by the simulated clicks, and
 * predicts the probability of any click on each page.
 */

import { joinArrays, readFloats, readViews } from "../../gpu/readback.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { computeChoiceWeights, computeSlateLogits } from "../../simulate/host/dynamics.ts";
import type { SimulatorOptions } from "../../simulate/simulator_options.ts";
import type { PageContext, PageDispatch, Policy } from "../../simulate/policy.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { SimulatedUsers, UsersSource } from "../../simulate/users.ts";
import { type Tensor, unpadRows } from "../../tape/tensor.ts";

/** Episode number in evaluations. It selects random numbers that no training episode draws. */
export const EVALUATION_EPISODE = 2 ** 30;

export interface EpisodePrediction {
  readonly log: EpisodeLog;
  readonly predictions?: ModelPredictions;
  /** Q-values of the shown slates; undefined for a policy without Q-values. */
  readonly values?: SlateValueViews;
}

/** Choice model: P(item) is proportional to exp(eta (utility + position effect)), and P(no click) to 1. */
export interface ChoiceRule {
  /** Inverse temperature of the choice. */
  readonly eta: number;
  /** Position effects from position 2 on (position 1: 0). Positions after the list have its last effect. */
  readonly positionEffects: ArrayLike<number>;
}

export interface SlateValueViews {
  /** Number of Q-values per slate: one for each slot, or a single value for the whole slate. */
  readonly count: number;
  /** [pages, users, count] Q-values of the shown slates. */
  readonly values: Float32Array<ArrayBuffer>;
}

export interface ModelPredictions {
  /** [pages, users, slots] utility of each shown item. */
  readonly utilities: Float32Array<ArrayBuffer>;
  /** [pages, users] P(any click) on each shown page. */
  readonly predicted: Float32Array<ArrayBuffer>;
  /** Rule by which {@link computeClickProbabilities} turns utilities into click probabilities. */
  readonly choice: ChoiceRule;
  /** [pages, users, columns] state of each user after each page. */
  readonly states: Float32Array<ArrayBuffer>;
}

/**
 * Runs a policy in an environment.
 * @param observer - model whose user states the policy reads; the environment may be another model.
 * @param options.firstPage - index of the first page to simulate.
 * @param onPage - called after each page, before the next page is simulated.
 * @throws UserError for contradictory options, and for utilities that are not finite.
 */
export async function tryPolicy(
  gpu: Gpu,
  environment: UsersSource,
  observer: UsersSource,
  policy: Policy,
  { firstPage = 0, ...options }: SimulatorOptions & { readonly firstPage?: number },
  onPage?: (done: number, of: number) => void | Promise<void>,
): Promise<EpisodePrediction[]> {
  using simulator = await Simulator.create(gpu, environment, options);
  const watched = new ObservedPolicy(policy, observer);
  const trials: EpisodePrediction[] = [];
  const { users, pages } = simulator.settings;
  const all = (pages - firstPage) * Math.ceil(users / simulator.usersAtOnce);
  let done = 0;
  await simulator.run(watched, {
    ...{ firstEpisode: EVALUATION_EPISODE, firstPage },
    onPage: async (seen) => {
      await watched.readPage(gpu, seen.users, seen.page === firstPage);
      await onPage?.(++done, all);
    },
    onLog: (log) => void trials.push(watched.buildPrediction(log)),
  });
  return trials;
}

/** Policy that chooses slates as `policy` does, and computes the observer's utilities of these slates. */
class ObservedPolicy implements Policy {
  readonly name: string;
  readonly observes: UsersSource;
  #recorded:
    | { readonly slate: number; readonly utilities: Tensor; readonly observer: SimulatedUsers }
    | undefined;
  #choice: ChoiceRule | undefined;
  /** [groups of users][pages] predictions. */
  readonly #windows: (Omit<ModelPredictions, "choice"> & { readonly values?: Float32Array })[][] = [];

  constructor(private readonly policy: Policy, observer: UsersSource) {
    if (policy.observes !== undefined && policy.observes !== observer) {
      throw new Error(`${policy.name} reads user states of a model other than ${observer.name}`);
    }
    [this.name, this.observes] = [policy.name, observer];
  }

  record(context: PageContext): readonly PageDispatch[] {
    const chosen = this.policy.record(context);
    const { page: { slate }, observer, environment } = context;
    const { dispatches, utilities } = observer.utilities();
    this.#recorded = { slate, utilities, observer };
    // If the environment is the observer, it computes the utilities itself.
    return observer === environment ? chosen : [...chosen, ...dispatches];
  }

  prepare() {
    return this.policy.prepare?.() ?? [];
  }

  /** Reads the observing model's utilities and user states on a page, with one wait for the device. */
  async readPage(gpu: Gpu, users: number, isFirst: boolean): Promise<void> {
    if (!this.#recorded) throw new Error("expected record() before readPage()");
    const { slate, utilities, observer } = this.#recorded;
    if (isFirst) this.#windows.push([]);
    const rule = this.#choice ??= await readChoiceRule(gpu, observer);
    const slots = this.policy.values?.();
    const { columns, groups, stride } = observer.state;
    const views = [utilities.view, observer.state.view, ...(slots ? [slots.view] : [])];
    const [u, state, values] = (await readViews(gpu, views)).map((words) => new Float32Array(words.buffer));
    if (!u || !state) throw new Error("expected utilities and states");
    this.#windows.at(-1)?.push({
      utilities: u.slice(0, users * slate),
      predicted: Float32Array.from(
        { length: users },
        (_, user) => 1 - computeClickProbabilities(u.subarray(user * slate, (user + 1) * slate), rule).none,
      ),
      states: unpadRows(state, users, columns, groups, stride),
      ...(values && slots && { values: unpadRows(values, users, slots.count, 1, slots.stride) }),
    });
  }

  buildPrediction(log: EpisodeLog): EpisodePrediction {
    const pages = this.#windows.shift() ?? [];
    const values = pages.flatMap(({ values }) => values ?? []);
    const all = (name: "utilities" | "predicted" | "states") => joinArrays(pages.map((page) => page[name]));
    const choice = this.#choice ?? { eta: 1, positionEffects: [] };
    return {
      log,
      predictions: {
        ...{ choice, utilities: all("utilities") },
        ...{ predicted: all("predicted"), states: all("states") },
      },
      ...(values.length > 0 &&
        { values: { count: this.policy.values?.()?.count ?? 1, values: joinArrays(values) } }),
    };
  }
}

/** Returns the choice model of simulated users. Reads position effects (if any) from the device. */
export async function readChoiceRule(
  gpu: Gpu,
  { eta, positionEffects }: SimulatedUsers,
): Promise<ChoiceRule> {
  if (!positionEffects) return { eta, positionEffects: [] };
  const places = await readFloats(gpu, positionEffects.view);
  return { eta, positionEffects: places.slice(0, positionEffects.columns) };
}

/** Computes P(click) of each slot of a slate, and P(no click), in float64, without overflow. */
export function computeClickProbabilities(
  utilities: ArrayLike<number>,
  { eta, positionEffects: places }: ChoiceRule,
): { items: number[]; none: number } {
  const { none, slots } = computeChoiceWeights(computeSlateLogits(utilities, eta, places));
  const all = slots.reduce((sum, weight) => sum + weight, none);
  return { items: Array.from(slots, (weight) => weight / all), none: none / all };
}
