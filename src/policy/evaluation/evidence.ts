/** What the pages of a log say of a policy, page by page: by how much it would have shown each more often, and what a model holds of both. */

import { type Clicks, NONE } from "../../data/click_log.ts";
import { type Key, keyOf, philox, purposes, slotOf, uniform24 } from "../../data/philox.ts";
import type { Gpu } from "../../gpu/device.ts";
import { noScores } from "../../simulate/explore.ts";
import { PlackettLuce } from "../../simulate/host/plackett_luce.ts";
import { topSlate } from "../../simulate/host/slate_ratio.ts";
import { UserError } from "../../user_error.ts";
import { type ReplayedPage, type ReplayOptions, replayPages } from "./replay.ts";

/** A log, and a policy. */
export interface EvidenceOptions extends ReplayOptions {
  /** At which the policy's slates are drawn by its scores; without it, it shows the best ones. */
  readonly temperature?: number;
  /** At which the log's were drawn by the same scores, where that is known: what independent IPS needs. */
  readonly loggedTemperature?: number;
  /** Slates that an expectation under the policy is the mean of; 32 by default. */
  readonly draws?: number;
}

/** What pages are weighed by: [n] a number a page, [n, k] one a slot. Pages of a user follow one another. */
export interface Evidence {
  readonly slate: number;
  /** Number of its user, and of the page among the user's. */
  readonly user: Float64Array;
  readonly page: Float64Array;
  /** 1 where anything was clicked; by slot. */
  readonly reward: Float64Array;
  readonly slotReward: Float64Array;
  /** The chance of the page, of those who logged it. */
  readonly mu: Float64Array;
  /** pi / mu of the slate; of its first items, NaN where mu is of pages alone; of the item in its slot, NaN where mu is not known. */
  readonly weight: Float64Array;
  readonly prefix: Float64Array;
  readonly own: Float64Array;
  /** P(click) of the model: of the page shown, and under the policy; of slots, on the page that ends there. */
  readonly q: Float64Array;
  readonly v: Float64Array;
  readonly slotQ: Float64Array;
  readonly slotV: Float64Array;
  /** Of some pages what other temperatures are tried on: the scores of candidates, the places of what was shown, and mu. */
  readonly kept: readonly Kept[];
  /** Pages that are left out: of other sizes, or of no known propensity. */
  readonly left: number;
  /** mu by that of the scores at the temperature that the log was said to be drawn at: the farthest from 1. */
  readonly off: number | undefined;
}

interface Kept {
  readonly scores: Float32Array;
  readonly shown: readonly number[];
  readonly mu: number;
}

const DRAWS = 32;
/** Pages that other temperatures are tried on. */
const KEPT = 2000;
/** Of what is drawn here. */
const KEY: Key = keyOf(1);

/** A way to draw slates: {@link PlackettLuce}, or one slate always. */
type SlateLaw = Pick<PlackettLuce, "chances" | "next" | "draw" | "inSlot">;

/** Always the same slate. @param slate places among so many candidates */
function fixedSlate(slate: readonly number[], count: number): SlateLaw {
  const isNext = (place: number, before: readonly number[]) =>
    place === slate[before.length] && before.every((one, j) => one === slate[j]);
  return {
    chances: (shown) => shown.map((place, j) => isNext(place, shown.slice(0, j)) ? 0 : -Infinity),
    next: (before) => Float64Array.from({ length: count }, (_, place) => isNext(place, before) ? 1 : 0),
    inSlot: (place, slot) => slate[slot] === place ? 1 : 0,
    draw: () => ({ places: [...slate], chances: slate.map(() => 0), margin: 1 }),
  };
}

const NO_PROPENSITIES =
  "Expected a log that says by which chance each page was shown, got one without propensities: what was not shown because it " +
  "never could be, and what was not shown by chance, look alike. Log pages that are drawn (simulate --explore plackett-luce:1 " +
  "--write-log), or name their column (data log --propensity).";

/** Reads the pages of a log. @throws UserError for a log without propensities, or with slates that could not be shown. */
export async function evidenceOf(gpu: Gpu, options: EvidenceOptions): Promise<Evidence> {
  const { log, policy, temperature, loggedTemperature } = options;
  if (!log.eventPropensities) throw new UserError(NO_PROPENSITIES);
  if ((temperature ?? loggedTemperature) !== undefined && !policy.scores) {
    throw new UserError(noScores(policy.name));
  }
  const rows: Row[] = [];
  const kept: Kept[] = [];
  await replayPages(gpu, options, (page) => {
    const row = rowOf(page, options, kept);
    if (row) rows.push(row);
  });
  const left = log.eventClick.reduce((sum, _, e) => sum + (log.eventGiven?.[e] ? 0 : 1), -rows.length);
  if (rows.length === 0) {
    throw new UserError(`Expected pages of ${options.slate} items with a propensity, found none in the log.`);
  }
  rows.sort((a, b) => a.user - b.user || a.page - b.page);
  const numbers = (of: (row: Row) => number) => Float64Array.from(rows, of);
  const slots = (of: (row: Row) => readonly number[]) => Float64Array.from(rows.flatMap(of));
  const offs = rows.map(({ off }) => off ?? 1);
  return {
    slate: options.slate,
    ...{ user: numbers(({ user }) => user), page: numbers(({ page }) => page), mu: numbers(({ mu }) => mu) },
    reward: numbers(({ slotReward }) => slotReward.reduce((sum, r) => sum + r, 0)),
    slotReward: slots(({ slotReward }) => slotReward),
    weight: numbers(({ weight }) => weight),
    ...{ prefix: slots(({ prefix }) => prefix), own: slots(({ own }) => own) },
    ...{ q: numbers(({ q }) => q), v: numbers(({ v }) => v) },
    ...{ slotQ: slots(({ slotQ }) => slotQ), slotV: slots(({ slotV }) => slotV) },
    ...{ kept, left },
    off: loggedTemperature === undefined
      ? undefined
      : offs.reduce((most, off) => Math.abs(Math.log(off)) > Math.abs(Math.log(most)) ? off : most, 1),
  };
}

interface Row {
  readonly user: number;
  readonly page: number;
  readonly mu: number;
  readonly weight: number;
  readonly q: number;
  readonly v: number;
  readonly off: number | undefined;
  readonly slotReward: readonly number[];
  readonly prefix: readonly number[];
  readonly own: readonly number[];
  readonly slotQ: readonly number[];
  readonly slotV: readonly number[];
}

/** Undefined where it is not known by which chance the page was shown. @param kept gets what other temperatures are tried on */
function rowOf(page: ReplayedPage, options: EvidenceOptions, kept: Kept[]): Row | undefined {
  const { log, slate: k, temperature, loggedTemperature, draws = DRAWS } = options;
  const { user, event, candidates } = page;
  const propensities = log.eventPropensities?.[event] ?? [];
  if (propensities.length === 0) return undefined;
  const shown = placesOf(log, event, candidates);
  const mu = propensities.reduce((product, chance) => product * chance, 1);
  const scores = page.scores && Float32Array.from(candidates, (item) => page.scores?.[item] ?? NaN);
  if (scores && kept.length < KEPT) kept.push({ scores, shown, mu });
  const law = lawOf(page, k, scores, temperature);
  const words = Array.from(
    { length: Math.ceil(k / 4) * draws },
    (_, at) => philox([user, at % draws, page.page, slotOf(purposes.SLATE, Math.floor(at / draws))], KEY),
  );
  const uniform = (draw: number) => (slot: number) =>
    uniform24(words[draw + draws * (slot >>> 2)]![slot & 3]!);
  const slates = Array.from(
    { length: temperature === undefined ? 1 : draws },
    (_, d) => law.draw(k, uniform(d)).places,
  );
  const pi = law.chances(shown);
  const isOfItems = propensities.length === k;
  let ratio = 1;
  const prefix = pi.map((log, j) => isOfItems ? ratio *= Math.exp(log) / propensities[j]! : NaN);
  const weight = Math.exp(pi.reduce((sum, log) => sum + log, 0)) / mu;
  const logged = scores && loggedTemperature !== undefined
    ? new PlackettLuce(scores, loggedTemperature)
    : undefined;
  const own = k === 1
    ? [weight]
    : logged
    ? shown.map((place, j) => law.inSlot(place, j, draws, uniform) / logged.inSlot(place, j, draws, uniform))
    : shown.map(() => NaN);
  const click = log.eventClick[event]!;
  return {
    ...{ user, page: page.page, mu, weight, own },
    prefix: k === 1 ? [weight] : prefix,
    off: logged && mu / Math.exp(logged.chances(shown).reduce((sum, log) => sum + log, 0)),
    slotReward: shown.map((_, j) => click !== NONE && click - log.eventRows[event]! === j ? 1 : 0),
    ...predicted(page, law, shown, slates),
  };
}

/** Where the items of a page stand among the candidates. @throws UserError for one that is none. */
function placesOf({ eventRows, rowItem }: Clicks, event: number, candidates: readonly number[]): number[] {
  const places = new Map(candidates.map((item, place) => [item, place]));
  return Array.from(rowItem.subarray(eventRows[event], eventRows[event + 1]), (item) => {
    const place = places.get(item);
    if (place !== undefined) return place;
    throw new UserError(
      `Expected pages of items that their users had not clicked, got item ${item} on one after its click. If items are shown ` +
        "again after their click: --repeats.",
    );
  });
}

function lawOf(
  page: ReplayedPage,
  k: number,
  scores: Float32Array | undefined,
  temperature?: number,
): SlateLaw {
  const { candidates, chosen } = page;
  if (!scores) {
    return fixedSlate(Array.from(chosen ?? [], (item) => candidates.indexOf(item)), candidates.length);
  }
  if (temperature !== undefined) return new PlackettLuce(scores, temperature);
  return fixedSlate(topSlate(scores, k), scores.length);
}

/** What the model holds of the page that was shown, and of those that the policy shows. */
function predicted(
  { candidates, utilities, choice: { eta, places } }: ReplayedPage,
  law: SlateLaw,
  shown: readonly number[],
  slates: readonly (readonly number[])[],
) {
  const logit = (place: number, j: number) =>
    eta * (utilities[candidates[place]!]! + (places[Math.min(j, places.length) - 1] ?? 0));
  const sum = (slate: readonly number[]) =>
    slate.reduce((sum, place, j) => sum + Math.exp(logit(place, j)), 0);
  const any = (slate: readonly number[]) => 1 - 1 / (1 + sum(slate));
  /** P(click on the last item of a page). @param others 1, and the weights of those above */
  const last = (place: number, j: number, others: number) => 1 / (1 + others * Math.exp(-logit(place, j)));
  const others = shown.map((_, j) => 1 + sum(shown.slice(0, j)));
  return {
    q: any(shown),
    v: slates.reduce((sum, slate) => sum + any(slate), 0) / slates.length,
    slotQ: shown.map((place, j) => last(place, j, others[j]!)),
    slotV: others.map((others, j) =>
      law.next(shown.slice(0, j)).reduce(
        (sum, chance, place) => chance > 0 ? sum + chance * last(place, j, others) : sum,
        0,
      )
    ),
  };
}
