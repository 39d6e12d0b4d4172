import assert from "node:assert/strict";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { restless, type ShopState } from "../../src/data/shops.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { UserModel } from "../../src/model/user_model.ts";
import {
  computeEffectiveSampleSize,
  computeLargestWeightShare,
  estimatePerDecisionDoublyRobust,
  estimators,
} from "../../src/policy/evaluation/estimators.ts";
import { estimateMean, evaluate } from "../../src/policy/evaluation/evaluate_policy.ts";
import type { LogEvidence, LogEvidenceOptions } from "../../src/policy/evaluation/evidence.ts";
import { collectEvidence, toColumns } from "../../src/policy/evaluation/evidence.ts";
import { createGreedyPolicy, createPopularPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import type { PolicySnapshot } from "../../src/policy/learning/policy_snapshot.ts";
import type { PolicyConfig } from "../../src/policy/policy_config.ts";
import { TrainedPolicy } from "../../src/policy/trained_policy.ts";
import type { ParameterSpec } from "../../src/tape/parameters.ts";
import { toClickLog } from "../../src/simulate/episode_log.ts";
import { createExploringPolicy } from "../../src/simulate/exploring_policy.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import type { SimulatorOptions } from "../../src/simulate/simulator_options.ts";
import type { Policy } from "../../src/simulate/policy.ts";
import { listCandidates } from "../../src/simulate/pool.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import type { UsersSource } from "../../src/simulate/users.ts";
import { expectRefusal } from "../case_table.ts";
import type { MeanEstimate } from "../../src/policy/comparison/episode_metrics.ts";
import { assertNear, computeEstimate, listRange, makeColumns, sumNumbers, toFloats } from "./estimates.ts";
import { computeCountsProbability } from "../chi_square.ts";
import { withGpu } from "../op_check.ts";
import { addCounts, drawSomeWeights, logs, lstm, none, playEpisodes, pw } from "../simulated_models.ts";
import { computeChoiceWeights, ShopDynamics } from "../../src/simulate/host/dynamics.ts";

const slatesBy = (law: PlackettLuce, items: number) =>
  listRange(items ** 3).map((n) => [n % items, Math.floor(n / items) % items, Math.floor(n / items ** 2)])
    .filter((slate) => new Set(slate).size === 3)
    .map((slate) => ({ slate, chance: law.probability(slate) }));

Deno.test("estimators match values computed by hand", () => {
  const [weight, reward] = [toFloats(2, 0.5, 0, 1), toFloats(1, 0, 1, 1)];
  const pages = makeColumns({
    weight,
    reward,
    q: toFloats(0.5, 0.5, 1, 0.25),
    v: toFloats(0.6, 0.2, 0.4, 0.8),
  });
  assertNear(computeEstimate(estimators.ips.terms(pages)), 3 / 4);
  assertNear(computeEstimate(estimators.snips.terms(pages)), 3 / 3.5);
  assertNear(computeEstimate(estimators.dr.terms(pages)), 0.5 + (2 * 0.5 - 0.5 * 0.5 + 0.75) / 4);
  // Two users with two pages each. The weight of the second page is the product of both weights.
  const first = 0.6 + 2 * 0.5 + 2 * 0.2 + 2 * 0.5 * (0 - 0.5);
  const second = 0.4 + 0 * 0 + 0 * 0.8 + 0 * 1 * 0.75;
  const decided = estimatePerDecisionDoublyRobust(pages, [1, 3], 2);
  [first, second].forEach((value, user) => assertNear(decided[user]!, value));
  assertNear(computeEffectiveSampleSize(weight), 3.5 ** 2 / 5.25);
  assertNear(computeLargestWeightShare(weight, 2), 3 / 3.5);
  const slots = { prefixWeight: toFloats(3, 6, 0.5, 2), slotReward: toFloats(0, 1, 1, 0) };
  assertNear(computeEstimate(estimators.rips.terms(makeColumns(slots, 2))), (6 + 0.5) / 2);
  assertNear(
    computeEstimate(estimators.iips.terms(makeColumns({ ...slots, slotWeight: slots.prefixWeight }, 2))),
    (6 + 0.5) / 2,
  );
  const [slotQ, slotV] = [toFloats(0.25, 0.5, 0.5, 0.125), toFloats(0.75, 0.25, 0.5, 1)];
  const one = 3 * -0.25 + 0.75 + 6 * 0.5 + 3 * 0.25;
  const two = 0.5 * 0.5 + 0.5 + 2 * -0.125 + 0.5 * 1;
  assertNear(
    computeEstimate(estimators.cascadeDr.terms(makeColumns({ ...slots, slotQ, slotV }, 2))),
    (one + two) / 2,
  );
  // With weights of 1, estimates are plain means for any model.
  const ones = new Float64Array(4).fill(1);
  const same = { prefixWeight: ones, slotWeight: ones, slotReward: reward, slotQ: slotV, slotV };
  const plain = makeColumns({ weight: ones, reward, q: slotV, v: slotV, ...same }, 2);
  for (const [name, { terms, needs }] of Object.entries(estimators)) {
    if (name !== "model") assertNear(computeEstimate(terms(plain)), needs ? 2 * 3 / 4 : 3 / 4);
  }
});

Deno.test("Plackett-Luce: probabilities of all slates of 3 of 8 items sum to 1 and match the draws", () => {
  const law = new PlackettLuce([0.3, -1, 2, 0.1, -0.4, 1.1, 0, -2], 0.8);
  const all = slatesBy(law, 8);
  assert.equal(all.length, 8 * 7 * 6);
  assertNear(sumNumbers(all.map(({ chance }) => chance)), 1);
  const cold = new PlackettLuce([0, 1, 40, -3, 2, 0.5, -1, 3], 0.05);
  assertNear(sumNumbers(slatesBy(cold, 8).map(({ chance }) => chance)), 1);
  const random = createRandomStream(3, "slates");
  const draws = 40_000;
  const counts = new Map<string, number>();
  for (let d = 0; d < draws; d++) {
    const slate = String(law.draw(3, () => random.uniform()).indices);
    counts.set(slate, (counts.get(slate) ?? 0) + 1);
  }
  const found = all.map(({ slate }) => counts.get(String(slate)) ?? 0);
  assert.ok(computeCountsProbability(found, all.map(({ chance }) => draws * chance)) > 1e-4);
});

Deno.test("Plackett-Luce: an item's probability in a slot is its share of all slates, even close to 1", () => {
  const law = new PlackettLuce([0, 1, -2, 8, 0.5], 0.9);
  const random = createRandomStream(4, "slots");
  const uniforms = listRange(4000).map(() => [random.uniform(), random.uniform()]);
  const all = slatesBy(law, 5);
  for (const place of listRange(5)) {
    for (const slot of listRange(3)) {
      const exact = sumNumbers(all.filter(({ slate }) => slate[slot] === place).map(({ chance }) => chance));
      const uniform = (draw: number) => (above: number) => uniforms[draw]?.[above] ?? 0;
      const found = law.slotProbability(place, slot, uniforms.length, uniform);
      const said = `place ${place}, slot ${slot}: ${found}, ${exact}`;
      assert.ok(found > 0 && Math.abs(found / exact - 1) < 0.1, said);
    }
  }
});

const coverage = (figures: readonly { readonly figure?: MeanEstimate; readonly exact: number }[]) =>
  sumNumbers(figures.map(({ figure, exact }) => {
    const [low, high] = figure?.interval ?? [NaN, NaN];
    return low <= exact && exact <= high ? 1 / figures.length : 0;
  }));

Deno.test("intervals contain the exact clicks of a small shop at their nominal rate", () => {
  const found = { ips: [], snips: [], dr: [], decisions: [] } as Record<
    string,
    Parameters<typeof coverage>[0][number][]
  >;
  for (const [users, temperature] of [[150, 0.7], [150, 0.5], [50, 0.5]] as const) {
    for (const seed of listRange(30)) {
      const { evidence, exact } = drawLog(seed, users, temperature);
      const { estimates, decisions } = evaluate(evidence, "a policy", temperature);
      for (const name of ["ips", "snips", "dr"] as const) {
        found[name]!.push({ figure: estimates[name], exact });
      }
      if (!decisions) continue;
      assert.ok(decisions.effectiveUsers >= 50 && decisions.users === users);
      found.decisions!.push({
        figure: decisions.clicks,
        exact: computeExactClicks(temperature, decisions.pages),
      });
    }
  }
  for (const [name, figures] of Object.entries(found)) {
    const share = coverage(figures);
    assert.ok(figures.length >= 50 && share > 0.88, `${name} of ${figures.length} logs: ${share}`);
  }
});

Deno.test("for any weights, an estimate is between no click and one click per page", () => {
  const { evidence } = drawLog(1, 60, 1);
  for (const reward of [0, 1]) {
    const { estimates, decisions } = evaluate({
      ...evidence,
      reward: evidence.reward.fill(reward),
      q: evidence.q.fill(5),
    }, "a");
    for (const { mean, interval } of Object.values(estimates)) {
      assert.ok([mean, ...interval ?? []].every((clicks) => clicks >= 0 && clicks <= 1));
    }
    const { mean, interval } = decisions?.clicks ?? assert.fail();
    assert.ok([mean, ...interval ?? []].every((clicks) => clicks >= 0 && clicks <= PAGES));
  }
});

Deno.test("a constant factor on propensities is distinguished from other errors, and SNIPS corrects it", () => {
  const verdicts: Record<string, number> = {};
  const snips: Parameters<typeof coverage>[0][number][] = [];
  for (const seed of listRange(30)) {
    const { evidence, exact } = drawLog(seed, 150, 0.5);
    const doubled = { ...evidence, weight: evidence.weight.map((w) => 2 * w) };
    const cases = {
      right: evidence,
      doubled,
      known: { ...doubled, propensityRatios: [0.5, 0.5] as const },
      pool: drawLog(seed, 150, 0.5, 5).evidence,
    };
    for (const [name, one] of Object.entries(cases)) {
      const { propensities, factor, estimates, decisions, modelBias: gap } = evaluate(one, "a policy", 0.5);
      verdicts[`${name} ${propensities}`] = (verdicts[`${name} ${propensities}`] ?? 0) + 1;
      assert.equal(decisions === undefined, propensities !== "right");
      if (name === "doubled") snips.push({ figure: estimates.snips, exact });
      if (propensities !== "scaled" || name === "pool" || name === "right") continue;
      assertNear(factor ?? NaN, 0.5, 0.05);
      assertNear(estimates.model!.mean - gap.mean, exact, 0.1);
    }
  }
  assert.ok(coverage(snips) > 0.88);
  for (const verdict of ["right right", "doubled scaled", "known scaled", "pool wrong"]) {
    assert.ok((verdicts[verdict] ?? 0) >= 27, JSON.stringify(verdicts));
  }
});

/** Simulates a log of an exploring policy, and collects the data to evaluate another policy on this log. */
async function drawEvidence(
  gpu: Gpu,
  source: UsersSource,
  policy: Policy,
  options: SimulatorOptions,
  asked: Partial<LogEvidenceOptions>,
): Promise<LogEvidence> {
  using simulator = await Simulator.create(gpu, source, options);
  const episodes = await playEpisodes(simulator, createExploringPolicy(policy, { temperature: 1.5 }));
  const { settings } = simulator;
  const log = toClickLog(episodes, {
    name: "drawn",
    items: { kind: "one-hot", count: source.itemCount },
    listCandidates: (page) => listCandidates(settings, source.itemCount, page),
  });
  const { slate, pages } = options;
  const own = { log, model: source, policy, slate, pages, repeats: false, temperature: 1.5 };
  return await collectEvidence(gpu, { ...own, ...asked });
}

const computeShare = ({ weight }: LogEvidence) => computeEffectiveSampleSize(weight) / weight.length;

const ITEMS = 41;
const options = { users: 70, slate: 2, pages: 5, seed: 3 };

/** Asserts that each page has weight 1, because the policy and the logging policy read equal states. */
function expectOnes(
  { weight, prefixWeight, slotWeight, propensityRatios = [1, 1] }: LogEvidence,
  pages: number,
): void {
  assert.equal(weight.length, pages);
  for (const one of [...weight, ...prefixWeight, ...slotWeight, ...propensityRatios]) {
    assertNear(one, 1, 2e-4);
  }
}

/** Asserts that for a fixed slate, a page has weight 1 / P(slate) or 0, and that the mean weight is 1. */
function expectHits({ weight, mu, user }: LogEvidence, least: number): void {
  const hits = weight.filter((w) => w > 0);
  assert.ok(hits.length > least && hits.length < weight.length);
  weight.forEach((w, i) => assert.ok(w === 0 || Math.abs(w * mu[i]! - 1) < 1e-9));
  const { mean, interval } = estimateMean(user, { values: weight });
  assert.ok(interval && Math.abs(mean - 1) < 2 * (interval[1] - interval[0]), `mean weight ${mean}`);
}

for (
  const [name, kind, config] of [
    ["an LSTM", "dense", lstm],
    ["an LSTM and counts", "one-hot", addCounts("one-hot", lstm)],
    ["position weights", "mixed", pw],
    ["no encoder, counts", "dense", addCounts("dense", none)],
  ] as const
) {
  Deno.test(`pages of a policy's own log have weight 1: users of ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using model = new UserModel(gpu, logs[kind].items, config, {
        weights: drawSomeWeights(logs[kind], config),
      });
      const source = new LearnedSource(model);
      for (const pool of ["all", { random: 9 }] as const) {
        const evidence = await drawEvidence(gpu, source, createGreedyPolicy(), { ...options, pool }, {
          loggedTemperature: 1.5,
        });
        expectOnes(evidence, 350);
        const { estimates, effectiveShare: effective } = evaluate(evidence, "greedy", 1.5);
        assertNear(estimates.snips?.mean ?? NaN, estimates.logged?.mean ?? NaN, 1e-4);
        assertNear(effective, 1, 1e-6);
      }
    }));
}

const values = drawShopItems(1, ITEMS);
const shop = new ShopSource(restless, values);

Deno.test("logs of popular or random slates have weight 1 for that policy; fixed slates occur by probability", () =>
  withGpu(undefined, async (gpu) => {
    const rates = Float64Array.from({ length: ITEMS }, (_, item) => 0.1 + 0.01 * item);
    for (const policy of [createPopularPolicy(rates), randomPolicy]) {
      expectOnes(await drawEvidence(gpu, shop, policy, options, { loggedTemperature: 1.5 }), 350);
    }
    const pages = { ...options, users: 400, pool: { random: 4 } };
    expectHits(await drawEvidence(gpu, shop, createGreedyPolicy(), pages, { temperature: undefined }), 100);
  }));

Deno.test("a trained gdqn draws by Q-values, and its log has weight 1; other algorithms have no item scores", () =>
  withGpu(undefined, async (gpu) => {
    const trained = (algorithm: "gdqn" | "cdqn" | "slateq") => {
      const weights = (specs: readonly ParameterSpec[]) =>
        new Map(specs.map(({ name, rows, columns }) => {
          const random = createRandomStream(6, "weights", name);
          return [name, Float32Array.from({ length: rows * columns }, () => random.normal())];
        }));
      const training = { ...defaultPolicyTraining, algorithm, slate: 2, pages: 5, hidden: 8, trunk: 8 };
      const config = { items: ITEMS, trainedOn: { kind: "truth", shop: "restless", dataSeed: 1 }, training };
      const policy = new TrainedPolicy(
        "a",
        config as unknown as PolicyConfig,
        { weights } as unknown as PolicySnapshot,
      );
      return policy.policy(shop);
    };
    using stack = new DisposableStack();
    const gdqn = stack.use(trained("gdqn"));
    const evidence = await drawEvidence(gpu, shop, gdqn, { ...options, pool: { random: 15 } }, {
      loggedTemperature: 1.5,
    });
    expectOnes(evidence, 350);
    assert.ok(new Set(evidence.mu).size > 300, "slates of all kinds");
    for (const name of ["cdqn", "slateq"] as const) {
      const policy = stack.use(trained(name));
      await expectRefusal(() => createExploringPolicy(policy, { temperature: 1 }), /a score per item/);
      const pages = { ...options, users: 300, pool: { random: 4 } };
      expectHits(await drawEvidence(gpu, shop, randomPolicy, pages, { policy, temperature: undefined }), 50);
    }
  }));

Deno.test("unsupported estimates are refused with the reason and an alternative", () =>
  withGpu(undefined, async (gpu) => {
    const one = await drawEvidence(gpu, shop, createGreedyPolicy(), options, { temperature: undefined });
    const refusal = await expectRefusal(() => evaluate(one, "greedy"), /it always shows the same slate/);
    const named = Number(/plackett-luce:([\d.]+);/.exec(refusal)?.[1]);
    const warmer = await drawEvidence(gpu, shop, createGreedyPolicy(), options, { temperature: named });
    assert.ok(computeShare(warmer) >= 0.05, `temperature ${named}`);
    // The message also proposes a pool of 5 items, which have 20 slates of 2.
    const poolIn = (said: string) => Number(/random:(\d+)\./.exec(said)?.[1]);
    assert.equal(poolIn(refusal), 5);
    const hot = await drawEvidence(gpu, shop, createGreedyPolicy(), { ...options, pool: { random: 40 } }, {
      temperature: 0.3,
    });
    const other = await expectRefusal(
      () => evaluate({ ...hot, weight: hot.weight.map((w, i) => i === 0 ? 1 : 1e-9 * w) }, "greedy", 0.3),
      /rarely occur in the log/,
    );
    const pool = poolIn(other);
    const uniform = { ...options, users: 300, pool: { random: pool } };
    const pooled = await drawEvidence(gpu, shop, randomPolicy, uniform, {
      temperature: 0.3,
      policy: createGreedyPolicy(),
    });
    assert.ok(computeShare(pooled) >= 0.04, `pool ${pool}: ${computeShare(pooled)}`);
    const certain: LogEvidence = { ...one, mu: one.mu.map(() => 1) };
    await expectRefusal(() => evaluate(certain, "greedy"), /all propensities are 1/);
    const asked = { model: shop, policy: createGreedyPolicy(), slate: 2, pages: 3, repeats: false };
    await expectRefusal(
      () => collectEvidence(gpu, { log: logs.dense, ...asked }),
      /Expected a log with propensities/,
    );
    const tiny = {
      ...logs.dense,
      eventPropensities: Array.from(logs.dense.eventClick, () => [1e-200, 1e-200]),
    };
    const byId = { getUserId: (user: number) => `u${user}`, temperature: 1, repeats: true };
    await expectRefusal(
      () => collectEvidence(gpu, { log: tiny, ...asked, ...byId }),
      /got 1e-200, 1e-200 on page \d+ of user u\d+/,
    );
  }));

const PAGES = 5;
const SMALL_ITEMS = listRange(8);
const slates = SMALL_ITEMS.flatMap((a) => SMALL_ITEMS.filter((b) => a !== b).map((b) => [a, b]));
const smallValues = drawShopItems(1, SMALL_ITEMS.length);
const truth = new ShopDynamics(restless, smallValues);
/** Model that ignores the fatigue of users; slates are drawn by this model's utilities. */
const smallModel = new ShopDynamics({ ...restless, fatigue: 0 }, smallValues);

class Page {
  readonly clicks: number[][];
  readonly predicted: number[];
  readonly #utilities: Float64Array;
  readonly #chances = new Map<string, number[]>();

  constructor(state: ShopState) {
    const chances = (of: ShopDynamics) =>
      slates.map((slate) => {
        const { none, slots } = computeChoiceWeights(of.utilities(state, slate));
        return Array.from(slots, (weight) => weight / (none + sumNumbers([...slots])));
      });
    this.clicks = chances(truth);
    this.predicted = chances(smallModel).map(sumNumbers);
    this.#utilities = smallModel.utilities(state, SMALL_ITEMS);
  }

  chances(temperature: number, pool = SMALL_ITEMS.length): number[] {
    const key = `${temperature} ${pool}`;
    const law = new PlackettLuce(this.#utilities.map((u, item) => item < pool ? u : -Infinity), temperature);
    const found = this.#chances.get(key) ??
      slates.map((slate) => Math.max(...slate) < pool ? law.probability(slate) : 0);
    this.#chances.set(key, found);
    return found;
  }
}

const pages = new Map<string, Page>();
function makePage(state: ShopState): Page {
  const key = Object.values(state).join();
  const found = pages.get(key) ?? new Page(state);
  pages.set(key, found);
  return found;
}

const mean = (chances: readonly number[], of: (slate: number) => number) =>
  sumNumbers(chances.map((chance, n) => chance * of(n)));

const exact = new Map<string, number>();

/** Returns the exact mean number of clicks on the first pages, if slates are drawn at `temperature`. */
function computeExactClicks(temperature: number, left: number, state = truth.initial()): number {
  if (left === 0) return 0;
  const key = [temperature, left, ...Object.values(state)].join();
  const known = exact.get(key);
  if (known !== undefined) return known;
  const { clicks } = makePage(state);
  const drawn = makePage(state).chances(temperature);
  const click = SMALL_ITEMS.map((item) => mean(drawn, (n) => clicks[n]![slates[n]!.indexOf(item)] ?? 0));
  const after = (item: number) => 1 + computeExactClicks(temperature, left - 1, truth.next(state, item));
  const found = (1 - sumNumbers(click)) * computeExactClicks(temperature, left - 1, state) +
    sumNumbers(click.map((chance, item) => chance * after(item)));
  exact.set(key, found);
  return found;
}

/** A log, and the exact mean number of clicks per page of a policy in the user states of the log. */
interface ExactLog {
  readonly evidence: LogEvidence;
  readonly exact: number;
}

/** Draws a log at temperature 1. @param temperature of the evaluated policy. @param pool number of items */
function drawLog(seed: number, users: number, temperature: number, pool = SMALL_ITEMS.length): ExactLog {
  const random = createRandomStream(seed, "exact log");
  const draw = (chances: readonly number[]) => {
    let left = random.uniform();
    return chances.findIndex((chance) => (left -= chance) < 0);
  };
  const nan = [NaN, NaN];
  const slots = { slotReward: nan, prefixWeight: nan, slotWeight: nan, slotQ: nan, slotV: nan };
  const rows: Parameters<typeof toColumns>[0][number][] = [];
  let exact = 0;
  for (const user of listRange(users)) {
    let state = truth.initial();
    for (const page of listRange(PAGES)) {
      const { clicks, predicted } = makePage(state);
      const [policy, logged] = [makePage(state).chances(temperature), makePage(state).chances(1, pool)];
      const slate = Math.max(0, draw(logged));
      const slot = draw(clicks[slate]!);
      const mu = logged[slate]!;
      rows.push({
        ...{ user, page, mu, weight: policy[slate]! / mu, reward: slot < 0 ? 0 : 1, ...slots },
        ...{ q: predicted[slate]!, v: mean(policy, (n) => predicted[n]!) },
      });
      exact += mean(policy, (n) => sumNumbers(clicks[n]!)) / (users * PAGES);
      if (slot >= 0) state = truth.next(state, slates[slate]![slot]!);
    }
  }
  const evidence = { ...toColumns(rows), slate: 2, samples: [], excluded: 0, propensityRatios: undefined };
  return { evidence, exact };
}
