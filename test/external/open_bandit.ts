/** Compares the estimators with those of Open Bandit Pipeline (`pip install obp`) on the same arrays. */

import assert from "node:assert/strict";
import { createRandomStream } from "../../src/data/random.ts";
import { estimators } from "../../src/policy/evaluation/estimators.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { runPython } from "../command_check.ts";
import { assertNear, computeEstimate, listRange, makeColumns, sumNumbers } from "../policy/estimates.ts";

const PYTHON = Deno.env.get("OBP_PYTHON") ?? "python3";

Deno.test("estimators: equal to Open Bandit Pipeline on the same arrays", async () => {
  const [n, k, items] = [40, 3, 6];
  const random = createRandomStream(2, "obp");
  const pages = listRange(n).map(() => {
    const [mu, pi] = [1.5, 0.6].map((t) => new PlackettLuce(listRange(items).map(() => random.normal()), t));
    assert.ok(mu && pi);
    const action = mu.draw(k, () => random.uniform()).indices;
    const exps = (law: PlackettLuce) => law.logProbabilities(action).map(Math.exp);
    const running = (own: number[]) =>
      own.map((_, j) => own.slice(0, j + 1).reduce((product, x) => product * x, 1));
    const click = random.integer(k + 2);
    const qHat = listRange(k).map(() => listRange(items).map(() => random.uniform()));
    const dist = listRange(k).map((j) => [...pi.nextProbabilities(action.slice(0, j))]);
    return {
      ...{ action, qHat, dist, muPrefix: running(exps(mu)), piPrefix: running(exps(pi)) },
      slotReward: listRange(k).map((j) => j === click ? 1 : 0),
      muOwn: action.map(() => 0.1 + 0.8 * random.uniform()),
      piOwn: action.map(() => 0.1 + 0.8 * random.uniform()),
      ...{ q: random.uniform(), v: random.uniform() },
    };
  });
  const flat = (of: (page: typeof pages[number]) => readonly number[]) =>
    Float64Array.from(pages.flatMap(of));
  const arrays = {
    mu: flat(({ muPrefix }) => muPrefix.slice(-1)),
    pi: flat(({ piPrefix }) => piPrefix.slice(-1)),
    mu_prefix: flat(({ muPrefix }) => muPrefix),
    pi_prefix: flat(({ piPrefix }) => piPrefix),
    mu_own: flat(({ muOwn }) => muOwn),
    pi_own: flat(({ piOwn }) => piOwn),
    q: flat(({ q }) => [q]),
    v: flat(({ v }) => [v]),
    reward: flat(({ slotReward }) => [sumNumbers(slotReward)]),
    slot_reward: flat(({ slotReward }) => slotReward),
    action: flat(({ action }) => action),
    q_hat: flat(({ qHat }) => qHat.flat()),
    dist: flat(({ dist }) => dist.flat()),
  };
  const lists = Object.entries(arrays).map(([name, array]) => [name, [...array]]);
  const input = JSON.stringify({ n, k, items, ...Object.fromEntries(lists) });
  const printed = await runPython(PYTHON, new URL("open_bandit.py", import.meta.url), input);
  if (printed === undefined) {
    console.log(
      `no obp in ${PYTHON}: not compared with Open Bandit Pipeline (pip install obp, and OBP_PYTHON)`,
    );
    return;
  }
  const theirs: Record<string, number> = JSON.parse(printed);
  const ratio = (a: Float64Array, b: Float64Array) => a.map((x, i) => x / b[i]!);
  const { q, v, reward, slot_reward: clicks } = arrays;
  const [weight, prefixWeight] = [ratio(arrays.pi, arrays.mu), ratio(arrays.pi_prefix, arrays.mu_prefix)];
  const slotQ = flat(({ qHat, action }) => action.map((item, j) => qHat[j]![item]!));
  const slotV = flat(({ qHat, dist }) =>
    qHat.map((own, j) => sumNumbers(own.map((x, i) => x * dist[j]![i]!)))
  );
  const slotWeight = ratio(arrays.pi_own, arrays.mu_own);
  const columns = makeColumns({
    ...{ weight, prefixWeight, slotWeight, q, v, reward, slotQ, slotV },
    slotReward: clicks,
  }, k);
  const { logged: _, ...compared } = estimators;
  const ours = { ...compared, sips: estimators.ips };
  assert.deepEqual(Object.keys(theirs).sort(), Object.keys(ours).sort());
  for (const [name, { terms }] of Object.entries(ours)) {
    assertNear(computeEstimate(terms(columns)), theirs[name] ?? NaN, 1e-9);
  }
});
