import { createRandomStream, type Random } from "../src/data/random.ts";
import type { ComparisonCell, PolicyComparison } from "../src/policy/comparison/comparison.ts";
import { computePageCalibration, computeQConsistency } from "../src/policy/comparison/trust_metrics.ts";
import { computeEpisodeMetrics } from "../src/policy/comparison/episode_metrics.ts";
import type { EpisodeLog } from "../src/simulate/episode_log.ts";

const RATES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "model A": { cdqn: 0.7, slateq: 0.74, greedy: 0.55, random: 0.26 },
  "model B": { cdqn: 0.7, slateq: 0.74, greedy: 0.57, random: 0.25 },
  "restless shop": {
    cdqn: 0.62,
    slateq: 0.71,
    greedy: 0.46,
    random: 0.26,
    "greedy on the truth": 0.5,
    "optimum's policy": 0.75,
  },
};
const LEARNED = ["cdqn", "slateq"];

const madeSizes = { users: 60, pages: 6, items: 50 };

function madeLog(slate: number, rate: number, random: Random): EpisodeLog {
  const { users, pages, items } = madeSizes;
  const clicked = Array.from({ length: users * pages }, () => random.uniform() < rate);
  return {
    ...{ episode: 0, firstUser: 0, users, pages, slate },
    slates: Uint32Array.from({ length: users * pages * slate }, () => random.integer(items)),
    choices: Uint32Array.from(clicked, (click) => click ? random.integer(slate) : slate),
    rewards: Float32Array.from(clicked, Number),
    probabilities: new Float32Array(clicked.length).fill(rate),
    present: new Uint8Array(clicked.length).fill(1),
  };
}

export function makeComparison(slate: number): PolicyComparison {
  const cells = Object.entries(RATES).flatMap(([environment, rates]) =>
    Object.entries(rates).flatMap(([policy, rate]) => {
      const learned = LEARNED.includes(policy);
      return (learned ? [1, 2, 3] : [null]).map((seed): ComparisonCell => {
        const random = createRandomStream(1, "made", environment, policy, seed ?? 0);
        const log = madeLog(slate, rate + 0.01 * (seed ?? 0), random);
        const promised = RATES["model A"]?.[policy] ?? 0;
        const q = Float32Array.from(
          { length: 200 * slate },
          (_, k) => 15 - k / slate / 20 + 0.5 * random.uniform(),
        );
        return {
          ...{ policy, seed, environment },
          metrics: computeEpisodeMetrics([log], madeSizes.items),
          calibration: computePageCalibration([{
            log,
            predicted: new Float32Array(madeSizes.users * madeSizes.pages).fill(promised),
          }]),
          support: { statesBeyond: 0.042, rareSlots: 0.31 },
          ...(policy === "cdqn" ? { consistency: computeQConsistency(q, slate) } : {}),
        };
      });
    })
  );
  return {
    ...{ slate, pages: madeSizes.pages, users: madeSizes.users, seed: 1 },
    ...{ reward: "click", repeats: false, leave: 0, start: "empty", patience: 0, cells },
    environments: [
      { name: "model A", role: "trained on" },
      { name: "model B", role: "second model" },
      { name: "restless shop", role: "truth", optimum: 4.5 },
    ],
  };
}
