/**
 * What becomes of a policy, and how that is told: what the model that it plans with promises, what users make of its pages, and how
 * far the model is off.
 */

import * as v from "../../schema.ts";
import { MemoryLog } from "../../data/log_source.ts";
import { keyOf } from "../../data/philox.ts";
import { type EpisodeLog, episodeLog } from "../../simulate/episode_log.ts";
import { type FoundUsers, subjectOf, withDevice } from "../simulate/found_users.ts";
import { LearnedSource } from "../../simulate/learned_users.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import { Simulator } from "../../simulate/simulator.ts";
import { startOf } from "../../simulate/start.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { stepProgress } from "../../cli/progress.ts";
import type { Stop } from "../../cli/stop.ts";
import { type MeanFigure, ratioOf } from "../../policy/comparison/figures.ts";
import {
  type Judges,
  paired,
  promisedClicks,
  type SeenPages,
  seenPages,
  unpaired,
} from "../../policy/comparison/calibration.ts";
import { EVALUATION_EPISODE } from "../../policy/comparison/trial.ts";
import type { OpenedPolicy } from "../../policy/trained_policy.ts";
import { truthOf } from "./environments.ts";
import { startsOf } from "./episode_setting.ts";
import type { RoundOptions } from "./round_options.ts";
import { signed, signedRange, type Told, toldBy } from "../../figures/told.ts";
import type { Interval } from "../../figures/bootstrap.ts";
import { table } from "../../cli/table.ts";
import { thousands } from "../../number_text.ts";

const figureSchema = v.object({
  mean: v.finiteNumber(),
  interval: v.nullable(v.pipe(v.tuple([v.finiteNumber(), v.finiteNumber()]), v.readonly())),
});
/**
 * A policy as a round's folder has it: what was promised of it, and what became of it, in clicks a user; null where nobody saw
 * its pages.
 */
export const planSchema = v.object({
  /** By the model that it plans with, over as many pages as users saw. */
  promised: figureSchema,
  /** By users who saw its pages. */
  made: v.nullable(figureSchema),
  /** Promised less made. */
  broken: v.nullable(figureSchema),
  /** What its model predicts of the very pages that they saw, less what they made of them. */
  error: v.nullable(figureSchema),
  /** The same of the model that has learned from such pages, of users whom it has not learned from; null without a round after it. */
  refitted: v.nullable(v.object({ ...figureSchema.entries, users: v.whole(1) })),
  /** Clicks made, less those under the policy before by the same users. */
  gain: v.nullable(figureSchema),
  /** [U] clicks of each user who saw its pages. */
  clicks: v.pipe(v.array(v.whole(0)), v.readonly()),
});
export type PlanFigures = v.InferOutput<typeof planSchema>;

export function roundsText(policies: readonly PlanFigures[], { truth, users, out }: RoundOptions): string {
  const rows = policies.flatMap(({ promised, made, broken, error, refitted, gain }, k) => {
    const rowOf = (what: string, figure: MeanFigure | null, gap = true): string[][] => {
      if (!figure) return [];
      const { mean, interval } = figure;
      const share = gap && made && made.mean > 0 ? `${signed(100 * mean / made.mean, 1)} %` : "";
      const range = interval ? (gap ? signedRange : rangeText)(interval) : "no interval";
      return [[what, gap ? signed(mean) : mean.toFixed(2), share, range]];
    };
    const own = [
      ...rowOf("promised", promised, false),
      ...rowOf("made", made, false),
      ...rowOf("broken promise", broken),
      ...rowOf("the model's error", error),
      ...rowOf("after the refit", refitted),
      ...rowOf("made more than before", gain),
    ];
    const name = k === 0 ? "the first" : `after round ${k}`;
    return own.map((cells, row) => [row === 0 ? name : "", ...cells]);
  });
  const [first] = policies;
  const [learned, judges] = truth
    ? [
      `${thousands(users)} users of the shop, and ${thousands(first?.clicks.length ?? 0)} others judge`,
      "same",
    ]
    : ["the users of the log", `${thousands(first?.refitted?.users ?? 0)} test`];
  return [
    `Clicks a user; each round learns from ${learned}:`,
    table(["policy", "", "clicks", "of those made", "95 % over users"], rows),
    "promised: by the model that the policy plans with, over as many pages as users saw",
    "made: by users who saw its pages",
    "the model's error: clicks that it predicts of those very pages, less those made",
    `after the refit: the same of the model that has learned from such pages, on the ${judges} users, none of whom it has learned from`,
    ...policies.slice(1).flatMap(({ gain }, k) =>
      gain ? [`After round ${k + 1} users ${WORDS[toldBy(gain.interval)]}.`] : []
    ),
    `The model and the policy of the last round are in ${out}/round-${policies.length - 1}`,
  ].join("\n");
}

const WORDS: Readonly<Record<Told, string>> = {
  better: "click more than before",
  worse: "click less than before",
  "not told apart": "click as before, as far as these can tell",
};

function rangeText([low, high]: Interval): string {
  return `${low.toFixed(2)} to ${high.toFixed(2)}`;
}

/** A policy, and the model that it plans with. */
export interface Plan {
  readonly found: FoundUsers;
  readonly policy: OpenedPolicy;
}

/** The shop whose users see the policy's pages. @throws UserError for one whose items are not the model's. */
export function shopOf(found: FoundUsers, options: RoundOptions): UsersSource | undefined {
  return truthOf(subjectOf(found), found, options);
}

/** Who sees a policy's pages. */
interface Audience {
  readonly source: UsersSource;
  readonly users: number;
  readonly seed: number;
  /** What they draw. */
  readonly episode: number;
}

interface OnDevice {
  readonly model: LearnedSource;
  /** Episodes of users under the policy. @param title of the progress */
  play(audience: Audience, title: string): Promise<EpisodeLog[]>;
  /** What the model says of pages that users saw. */
  said(judges: Judges): Promise<SeenPages>;
}

/** What is opened on a device for a while, with a line of progress, until the command is to stop. */
async function onDevice<T>(plan: Plan, stop: Stop, use: (on: OnDevice) => Promise<T>): Promise<T> {
  const { found, policy } = plan;
  using progress = stepProgress();
  const told = (title: string) => (round: number, rounds: number) => {
    stop.signal.throwIfAborted();
    progress.begin({ title, number: 0, of: 0, round, rounds });
  };
  return await withDevice(async (gpu, made) => {
    const { environment: model } = found.open(gpu, made);
    if (!(model instanceof LearnedSource)) throw new Error("expected the users of a model");
    const result = await use({
      model,
      async play({ source, users, seed, episode }, title) {
        const logs: EpisodeLog[] = [];
        using simulator = await Simulator.create(gpu, source, simulationOf(plan, users, seed));
        await simulator.run(made.keep(policy.policy(model)), {
          firstEpisode: episode,
          onProgress: told(title),
          onLog: (log) => void logs.push(log),
        });
        return logs;
      },
      said: (judges) =>
        seenPages(
          model.model,
          judges,
          policy.config.training.pages,
          told("What the model says of the pages that users saw"),
        ),
    });
    gpu.check();
    return result;
  });
}

/** How users see a policy's pages. */
function simulationOf({ found, policy: { config: { training } } }: Plan, users: number, seed: number) {
  const start = startsOf(found.data.source, training.start);
  return { ...training, users, seed, start } satisfies SimulatorOptions;
}

/** Users of a shop under a policy, and the clicks that each begins with. */
export async function shown(plan: Plan, audience: Audience, stop: Stop) {
  const { users, seed, episode } = audience;
  const title = "Users of the shop see the policy's pages";
  const logs = await onDevice(plan, stop, ({ play }) => play(audience, title));
  const { start } = simulationOf(plan, users, seed);
  return { logs, startOf: (user: number) => startOf(start, user, episode, keyOf(seed)) };
}

/** The shop's users who judge a policy; without a shop nobody does before there is a log. */
export async function judgesOf(plan: Plan, options: RoundOptions, stop: Stop): Promise<Judges | undefined> {
  const source = shopOf(plan.found, options);
  const { items } = plan.found.data.source.items;
  if (!source || !items) return undefined;
  const { testUsers: users, seed } = options;
  const { logs, startOf } = await shown(plan, { source, users, seed, episode: EVALUATION_EPISODE }, stop);
  return {
    source: new MemoryLog(episodeLog(logs, { name: "judges", items, startOf })),
    users: Uint32Array.from({ length: users }, (_, user) => user),
  };
}

/** @param before what was known of the policy before. */
export async function judged(
  plan: Plan,
  judges: Judges | undefined,
  before: PlanFigures | undefined,
  { testUsers: users, seed }: RoundOptions,
  stop: Stop,
): Promise<PlanFigures> {
  return await onDevice(plan, stop, async ({ model: source, play, said }) => {
    const seen = judges && judges.users.length > 0 ? await said(judges) : undefined;
    const audience = { source, users, seed, episode: EVALUATION_EPISODE };
    const promised = ratioOf(promisedClicks(await play(audience, "What the model promises"), seen?.seen));
    const none = { made: null, broken: null, error: null, gain: null, refitted: null, clicks: [] };
    if (!seen) return { ...none, promised };
    const made = ratioOf(seen.made);
    return {
      ...{ ...none, promised, made },
      broken: unpaired(promised, made),
      error: paired(seen.predicted, seen.made),
      gain: before?.clicks.length === seen.made.length ? paired(seen.made, before.clicks) : null,
      clicks: Array.from(seen.made),
    };
  });
}

/** How far a model is off on pages that judges saw; null where there are none. */
export async function errorOf(plan: Plan, judges: Judges, stop: Stop): Promise<PlanFigures["refitted"]> {
  const { length: users } = judges.users;
  if (users === 0) return null;
  const { predicted, made } = await onDevice(plan, stop, ({ said }) => said(judges));
  return { users, ...paired(predicted, made) };
}
