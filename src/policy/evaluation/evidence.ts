/** Data for off-policy evaluation from a log: importance weights and model predictions per page. */

import { type Clicks, NONE } from "../../data/click_log.ts";
import { computePhilox, getSlotPurpose, makeKey, purposes, toUniform24 } from "../../data/philox.ts";
import type { PhiloxKey } from "../../data/philox.ts";
import type { Gpu } from "../../gpu/device.ts";
import { describeMissingScores } from "../../simulate/exploring_policy.ts";
import { PlackettLuce } from "../../simulate/host/plackett_luce.ts";
import { selectTopSlate } from "../../simulate/host/host_best_slate.ts";
import { UserError } from "../../user_error.ts";
import { type ReplayedPage, type ReplayOptions, replayPages } from "./replay_pages.ts";

export interface LogEvidenceOptions extends ReplayOptions {
  /** Temperature at which the policy draws slates (Plackett-Luce); undefined if it shows the best slate. */
  readonly temperature?: number;
  /** Temperature at which the logged slates were drawn from the evaluated policy's scores; needed by IIPS. */
  readonly loggedTemperature?: number;
  readonly getUserId?: (user: number) => string;
}

/** Data of a page. The evaluated policy is pi; the policy that drew the log is mu. */
interface Row {
  /** Number of the user; `page` is the number of the page among the user's pages. */
  readonly user: number;
  readonly page: number;
  readonly mu: number;
  /** Reward of the page: 1 if any item was clicked, else 0. `slotReward` has the reward of each slot. */
  readonly reward: number;
  readonly slotReward: readonly number[];
  /** Importance weight: the slate's probability under the evaluated policy / its logged propensity. */
  readonly weight: number;
  /** [slots] element j: importance weight of the items in slots 0 to j; NaN without propensities per slot. */
  readonly prefixWeight: readonly number[];
  /** [slots] probability of the slot's logged item under pi, divided by that under mu; NaN if unknown. */
  readonly slotWeight: readonly number[];
  /** Model's P(any click) on the shown page. `v` is the model's mean P(any click) on the policy's pages. */
  readonly q: number;
  readonly v: number;
  /** [slots] element j: P(click on slot j) that the model predicts for a page that ends with slot j. */
  readonly slotQ: readonly number[];
  /** [slots] element j: expectation of `slotQ[j]` if the policy draws the item of slot j. */
  readonly slotV: readonly number[];
}

/** Data of all n pages, in columns [n] or [n x slots]. The pages of a user are consecutive. */
export type LogEvidence = { readonly [name in keyof Row]: Float64Array } & {
  readonly slate: number;
  /** Sample of logged pages, to compute the temperature or number of candidates that errors recommend. */
  readonly samples: readonly PageSample[];
  /** Number of skipped pages: without propensity, of another slate size, or after an episode's last page. */
  readonly excluded: number;
  readonly propensityRatios: readonly [least: number, most: number] | undefined;
};

interface PageSample {
  readonly scores: Float32Array;
  readonly shown: readonly number[];
  readonly mu: number;
}

/** Number of slates drawn per page to estimate an expectation under the policy. */
const DRAWS = 32;
/** Maximum importance weight, so that a product of the weights of five pages does not overflow in float64. */
const LARGEST_WEIGHT = 1e60;
const KEPT = 2000;
const KEY: PhiloxKey = makeKey(1);

const NO_PROPENSITIES = "Expected a log with propensities, got a log without them. Log randomised pages " +
  "(simulate --explore plackett-luce:1 --write-log), or name the column of the propensities (data log --propensity).";

/** @throws UserError for missing or wrong propensities; without `repeats`, for items shown after a click. */
export async function collectEvidence(gpu: Gpu, options: LogEvidenceOptions): Promise<LogEvidence> {
  const { log, policy, temperature, loggedTemperature } = options;
  if (!log.eventPropensities) throw new UserError(NO_PROPENSITIES);
  if ((temperature ?? loggedTemperature) !== undefined && !policy.scores) {
    throw new UserError(describeMissingScores(policy.name));
  }
  const rows: Row[] = [];
  const kept: PageSample[] = [];
  let [least, most] = [Infinity, 0];
  /** First user number of each id. In a log that is split by time, an id can have several user numbers. */
  const firstOf = new Map<string, number>();
  await replayPages(gpu, options, (page) => {
    const found = buildRow(page, options, kept);
    if (!found) return;
    const id = options.getUserId?.(page.user) ?? String(page.user);
    if (!firstOf.has(id)) firstOf.set(id, page.user);
    rows.push({ ...found.row, user: firstOf.get(id) ?? page.user });
    [least, most] = [Math.min(least, found.propensityRatios), Math.max(most, found.propensityRatios)];
  });
  const left = log.eventClick.reduce((sum, _, e) => sum + (log.eventKind?.[e] ? 0 : 1), -rows.length);
  if (rows.length === 0) {
    throw new UserError(
      `Expected pages of ${options.slate} items with a propensity, found no such page. Set --slate to the page size of the log.`,
    );
  }
  rows.sort((a, b) => a.user - b.user || a.page - b.page);
  return {
    ...{ ...toColumns(rows), slate: options.slate, samples: kept, excluded: left },
    propensityRatios: loggedTemperature === undefined ? undefined : [least, most],
  };
}

export function toColumns(rows: readonly Row[]): Record<keyof Row, Float64Array> {
  const names = Object.keys(rows[0] ?? {}) as (keyof Row)[];
  const columns = names.map((name) => [name, Float64Array.from(rows.flatMap((row) => row[name]))]);
  return Object.fromEntries(columns) as Record<keyof Row, Float64Array>;
}

/** Returns a page's data; undefined without a propensity. Appends samples to `kept`, up to KEPT samples. */
function buildRow(
  page: ReplayedPage,
  options: LogEvidenceOptions,
  kept: PageSample[],
): { row: Row; propensityRatios: number } | undefined {
  const { log, slate: k, temperature, loggedTemperature } = options;
  const { user, event, candidates } = page;
  const propensities = log.eventPropensities?.[event] ?? [];
  if (propensities.length === 0) return undefined;
  const shown = findCandidateIndices(log, event, candidates);
  const mu = propensities.reduce((product, chance) => product * chance, 1);
  const scores = page.scores && Float32Array.from(candidates, (item) => page.scores?.[item] ?? NaN);
  if (scores && kept.length < KEPT) kept.push({ scores, shown, mu });
  const law = buildSlateDistribution(page, k, scores, temperature);
  const words = Array.from(
    { length: Math.ceil(k / 4) * DRAWS },
    (_, at) =>
      computePhilox(
        [user, at % DRAWS, page.page, getSlotPurpose(purposes.SLATE, Math.floor(at / DRAWS))],
        KEY,
      ),
  );
  const uniform = (draw: number) => (slot: number) =>
    toUniform24(words[draw + DRAWS * (slot >>> 2)]![slot & 3]!);
  const slates = Array.from(
    { length: temperature === undefined ? 1 : DRAWS },
    (_, d) => law.draw(k, uniform(d)).indices,
  );
  let ratio = 1;
  const prefix = law.logProbabilities(shown).map((log, j) =>
    propensities.length === k ? ratio *= Math.exp(log) / propensities[j]! : NaN
  );
  const logged = scores && loggedTemperature !== undefined
    ? new PlackettLuce(scores, loggedTemperature)
    : undefined;
  const weight = law.probability(shown) / mu;
  if (![weight, ...prefix].every((w) => w < LARGEST_WEIGHT || (mu > 0 && Number.isNaN(w)))) {
    throw new UserError(
      `Expected a probability as the propensity, got ${propensities.join(", ")} on page ${
        page.page + 1
      } of ` +
        `user ${options.getUserId?.(user) ?? user}, so the importance weight is ${weight.toPrecision(2)}. ` +
        "Convert logarithms or densities to probabilities; leave unknown propensities empty.",
    );
  }
  const own = shown.map((place, j) =>
    logged
      ? law.slotProbability(place, j, DRAWS, uniform) / logged.slotProbability(place, j, DRAWS, uniform)
      : NaN
  );
  const click = log.eventClick[event]!;
  const slotReward = shown.map((_, j) => click !== NONE && click - log.eventRows[event]! === j ? 1 : 0);
  return {
    row: {
      ...{ user, page: page.page, mu, weight, prefixWeight: prefix, slotWeight: own },
      ...{ reward: Math.max(...slotReward), slotReward },
      ...predicted(page, law, shown, slates),
    },
    propensityRatios: logged ? mu / logged.probability(shown) : 1,
  };
}

/** Returns the indices of a page's items among the candidates. @throws UserError if an item is missing. */
function findCandidateIndices(
  { eventRows, rowItem }: Clicks,
  event: number,
  candidates: readonly number[],
): number[] {
  const places = new Map(candidates.map((item, place) => [item, place]));
  return Array.from(rowItem.subarray(eventRows[event], eventRows[event + 1]), (item) => {
    const place = places.get(item);
    if (place !== undefined) return place;
    throw new UserError(
      `Expected a page without items that the user clicked before, got item ${item}. ` +
        "Set --repeats if the log shows clicked items again.",
    );
  });
}

/** Returns the distribution of a policy's slates. Without a temperature, the best slate has probability 1. */
function buildSlateDistribution(
  { candidates, chosen }: ReplayedPage,
  k: number,
  scores: Float32Array | undefined,
  temperature?: number,
): PlackettLuce {
  if (scores && temperature !== undefined) return new PlackettLuce(scores, temperature);
  const slate = scores
    ? selectTopSlate(scores, k)
    : Array.from(chosen ?? [], (item) => candidates.indexOf(item));
  const ranks = new Float64Array(candidates.length).fill(-Infinity);
  slate.forEach((place, j) => ranks[place] = -1e6 * j);
  return new PlackettLuce(ranks, 1);
}

function predicted(
  { candidates, utilities, choice: { eta, positionEffects: places } }: ReplayedPage,
  law: PlackettLuce,
  shown: readonly number[],
  slates: readonly (readonly number[])[],
) {
  const logit = (place: number, j: number) =>
    eta * (utilities[candidates[place]!]! + (places[Math.min(j, places.length) - 1] ?? 0));
  const sum = (slate: readonly number[]) =>
    slate.reduce((sum, place, j) => sum + Math.exp(logit(place, j)), 0);
  const any = (slate: readonly number[]) => 1 - 1 / (1 + sum(slate));
  /** Computes P(click on slot j) if j is the last slot. @param others - 1 + sum of exp(logit) of slots < j */
  const last = (place: number, j: number, others: number) => 1 / (1 + others * Math.exp(-logit(place, j)));
  const others = shown.map((_, j) => 1 + sum(shown.slice(0, j)));
  return {
    q: any(shown),
    v: slates.reduce((sum, slate) => sum + any(slate), 0) / slates.length,
    slotQ: shown.map((place, j) => last(place, j, others[j]!)),
    slotV: others.map((others, j) =>
      law.nextProbabilities(shown.slice(0, j)).reduce(
        (sum, chance, place) => chance > 0 ? sum + chance * last(place, j, others) : sum,
        0,
      )
    ),
  };
}
