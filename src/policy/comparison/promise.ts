/** What a model promises of a policy's pages, what users made of them, and how far the model is off on the very pages they saw. */

import { choiceProbabilities } from "../../model/choice.ts";
import type { UserModel } from "../../model/user_model.ts";
import { NONE } from "../../data/click_log.ts";
import type { LogSource } from "../../data/log_source.ts";
import { Evaluation } from "../../train/evaluation.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Policy } from "../../simulate/policy.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import { type RunOptions, Simulator } from "../../simulate/simulator.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { type MeanFigure, ratioOf } from "./figures.ts";
import { EVALUATION_EPISODE } from "./trial.ts";

/** Users of a log on their first pages: a page is clicked or not. */
export interface SeenPages {
  /** [T] how many users saw each page. */
  readonly seen: Float64Array;
  /** [U] clicks that the model predicts of the pages that each user saw. */
  readonly predicted: Float64Array;
  /** [U] pages with a click. */
  readonly made: Float64Array;
}

/**
 * @param model over the log's items. @param pages those of a user that count, from the first on.
 * @throws UserError where these users have no page to predict.
 */
export async function seenPages(
  model: UserModel,
  source: LogSource,
  users: ArrayLike<number>,
  pages: number,
  onShard?: (done: number, all: number) => void,
): Promise<SeenPages> {
  const seen = new Float64Array(pages);
  const [predicted, made] = [new Float64Array(users.length), new Float64Array(users.length)];
  const evaluation = await Evaluation.ofModel(model, undefined, source, users, 0);
  let own = 0;
  try {
    for await (const { log, places, utilities } of evaluation.scored(onShard)) {
      let row = 0;
      for (const place of places) {
        let page = 0;
        for (let e = log.userEvents[place] ?? 0; e < (log.userEvents[place + 1] ?? 0); e++) {
          const first = row;
          row += log.eventRows[e + 1]! - log.eventRows[e]!;
          if (log.eventGiven?.[e] || page >= pages) continue;
          const { noClick } = choiceProbabilities(model.config, utilities.subarray(first, row));
          predicted[own] = predicted[own]! + 1 - noClick;
          if (log.eventClick[e] !== NONE) made[own] = made[own]! + 1;
          seen[page] = seen[page]! + 1;
          page++;
        }
        own++;
      }
    }
  } finally {
    evaluation.destroy();
  }
  return { seen, predicted, made };
}

/**
 * What a model promises: clicks of simulated users, over as many pages as users saw.
 * @param seen [T] as of {@link SeenPages}, or none: all pages of all users.
 * @returns [users] of which the promise is the mean.
 */
export async function promisedClicks(
  gpu: Gpu,
  users: UsersSource,
  policy: Policy,
  { onProgress, ...options }: SimulatorOptions & Pick<RunOptions, "onProgress">,
  seen?: Float64Array,
): Promise<Float64Array> {
  const { pages } = options;
  const chances = new Float32Array(options.users * pages);
  const shown = new Float64Array(pages);
  const simulator = await Simulator.create(gpu, users, options);
  try {
    await simulator.run(policy, {
      firstEpisode: EVALUATION_EPISODE,
      onProgress,
      onLog({ firstUser, users, probabilities, present }) {
        for (let at = 0; at < present.length; at++) {
          if (present[at] === 0) continue;
          const page = Math.floor(at / users);
          chances[(firstUser + at % users) * pages + page] = probabilities[at]!;
          shown[page] = shown[page]! + 1;
        }
      },
    });
  } finally {
    simulator.destroy();
  }
  const most = seen ? Math.max(...seen) : options.users;
  const weights = shown.map((count, page) =>
    count === 0 ? 0 : (seen ? seen[page]! / most : count / options.users) * options.users / count
  );
  return Float64Array.from({ length: options.users }, (_, user) => {
    let sum = 0;
    for (let page = 0; page < pages; page++) sum += weights[page]! * chances[user * pages + page]!;
    return sum;
  });
}

/** One mean less another of other users. The interval takes both for normal. */
export function unpaired(one: MeanFigure, other: MeanFigure): MeanFigure {
  const mean = one.mean - other.mean;
  if (!one.interval || !other.interval) return { mean, interval: null };
  const half = Math.hypot(one.interval[1] - one.interval[0], other.interval[1] - other.interval[0]) / 2;
  return { mean, interval: [mean - half, mean + half] };
}

/** One figure less another of the same users. @param one, other [U] */
export function paired(one: Float64Array, other: ArrayLike<number>): MeanFigure {
  return ratioOf(one.map((value, user) => value - other[user]!));
}
