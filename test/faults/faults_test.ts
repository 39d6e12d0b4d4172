/** Short version of `deno task test:special faults`, with some crash points, some races and a few kills. */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { CommandSeries } from "../command_series.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { hows, removePrepared, type ScenarioStarter, tryPoints } from "./crash_points.ts";
import { killAtRandom, raceRounds, races } from "./races.ts";
import { makeEnvironment } from "./process.ts";
import { scenarios } from "./scenarios.ts";

/** Crash points to try, for each kind of fault: every `every`-th point, from point `first` on. */
const QUICK: Readonly<Record<string, readonly [every: number, first: number]>> = {
  "train, both stages": [300, 4],
  "data log": [70, 4],
  "data merge": [80, 4],
  "policy train": [100, 29],
  "simulate": [70, 65], // a kill when only one of two output folders is finished
};

const place = `${await Deno.makeTempDir({ prefix: "clickgan-again-" })}/place`;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs all restarts of a command in one process (`deno task test:special faults` starts a process for each).
 * This process has a fixed folder in its environment, so each test folder is moved to this path.
 */
const startAgain: ScenarioStarter = (folder, command, args) => {
  const next = last.then(async () => {
    await Deno.rename(folder, place);
    try {
      const options = { cwd: place, env: await makeEnvironment(place), asGiven: true };
      return await new CommandSeries(command, options).run(args);
    } finally {
      await Deno.rename(place, folder);
    }
  });
  last = next.catch(() => {});
  return next;
};

Deno.test.afterAll(async () => {
  await Deno.remove(dirname(place));
  await removePrepared();
});

for (const [name, [every, first]] of Object.entries(QUICK)) {
  Deno.test(`crash points: ${name}, one in ${every}`, async () => {
    const chosen = scenarios.filter((scenario) => scenario.name === name);
    assert.equal(chosen.length, 1);
    const tried = await tryPoints(chosen, { every, first, jobs: 2, again: startAgain });
    assert.deepEqual([...new Set(tried.map(({ how }) => how))].sort(), [...hows].sort());
    const failed = tried.filter(({ verdict }) => verdict.outcome === "failed");
    assert.deepEqual(failed.map(({ how, at, verdict }) => `${how} at ${at}: ${verdict.text}`), []);
  });
}

Deno.test("races: if two commands use one folder, one of them succeeds, and the other is refused", async () => {
  for (const race of races) {
    if (race.name !== "two reproduce") assert.deepEqual(await raceRounds(race, 1), [], race.name);
  }
});

Deno.test("after random kills of a training or its launcher, the resumed run has the same result", async () => {
  const scenario = scenarios.find(({ name }) => name === "train, both stages");
  assert.ok(scenario);
  const random = createRandomStream(7, "kills");
  const { failures } = await killAtRandom({ scenario, kills: 3, random: () => random.uniform() });
  assert.deepEqual(failures, []);
});
