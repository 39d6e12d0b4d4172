/** `deno task test:special faults`: crash points, random kills, and races. */

import { Command, Option } from "commander";
import { parseAndRun, parseWholeNumber } from "../../src/cli/command_options.ts";
import { runMain } from "../../src/cli/run_main.ts";
import { formatTable } from "../../src/cli/table.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { hows, type PointOptions, removePrepared, tryPoints } from "./crash_points.ts";
import { killAtRandom, raceRounds, races } from "./races.ts";
import { scenarios } from "./scenarios.ts";

let failures = 0;

function finished(what: string, began: number, failed: number): void {
  failures += failed;
  console.log(`${what} in ${((performance.now() - began) / 60_000).toFixed(1)} minutes, ${failed} failed`);
}

async function points({ only, ...options }: PointOptions & { readonly only: string }): Promise<void> {
  const began = performance.now();
  const chosen = scenarios.filter(({ name }) => name.includes(only));
  let done = 0;
  const all = await tryPoints(chosen, {
    ...options,
    onTried({ scenario, how, at, of, verdict }) {
      const place = `${scenario}, ${how} at ${at} of ${of}`;
      if (verdict.outcome === "failed") console.error(`${place}: ${verdict.text}\n`);
      else if (++done % 20 === 0) console.error(`${done} points; ${place}`);
    },
  });
  const outcomes = ["equal", "done without", "refused", "failed"];
  const rows = chosen.flatMap(({ name }) =>
    (options.how ?? hows).map((how) => {
      const own = all.filter((t) => t.scenario === name && t.how === how);
      const count = (outcome: string) => String(own.filter((t) => t.verdict.outcome === outcome).length);
      return [name, how, String(own.length), ...outcomes.map(count)];
    })
  );
  console.log(formatTable(["command", "fault", "points", ...outcomes], rows));
  finished(`${all.length} points`, began, all.filter((t) => t.verdict.outcome === "failed").length);
}

async function kills({ kills, seed }: { kills: number; seed: number }): Promise<void> {
  const began = performance.now();
  const scenario = scenarios.find(({ name }) => name === "train, both stages");
  if (!scenario) throw new Error("no such scenario");
  const random = createRandomStream(seed, "kills");
  const { runs, failures } = await killAtRandom({
    scenario,
    kills,
    random: () => random.uniform(),
    onKill: (done, runs) => {
      if (done % 10 === 0) console.error(`${done} kills, ${runs} finished runs`);
    },
  });
  for (const text of failures) console.error(text);
  finished(`${kills} kills, ${runs} runs`, began, failures.length);
}

async function allRaces({ rounds }: { rounds: number }): Promise<void> {
  for (const race of races) {
    const began = performance.now();
    const found = await raceRounds(race, rounds);
    for (const text of found) console.error(`${race.name}, ${text}`);
    finished(`${race.name}: ${rounds} rounds`, began, found.length);
  }
}

await runMain(async () => {
  const command = new Command("deno task test:special faults").description(
    "Makes commands fail at each of their file operations, kills them at random, and races them against each other; then " +
      "compares what comes of it with what comes of an undisturbed run.",
  );
  command.command("points")
    .description("faults at every file operation: a kill, a full disk from then on, an input/output error")
    .option("--every <n>", "try every n-th crash point", parseWholeNumber(1), 1)
    .option("--first <n>", "the first of them", parseWholeNumber(0), 0)
    .option("--jobs <n>", "how many at once", parseWholeNumber(1, 64), navigator.hardwareConcurrency)
    .addOption(new Option("--how <fault...>", "kinds of faults (default: all)").choices(hows))
    .option("--only <text>", "commands whose name contains this", "")
    .action(points);
  command.command("kills").description("kills of a training, or of its launcher, at random moments")
    .option("--kills <n>", "how many", parseWholeNumber(1), 100)
    .option("--seed <n>", "of the moments", parseWholeNumber(0, 2 ** 32 - 1), 1)
    .action(kills);
  command.command("races").description("two commands in one folder")
    .option("--rounds <n>", "of each race", parseWholeNumber(1), 10)
    .action(allRaces);
  try {
    await parseAndRun(command, Deno.args);
  } finally {
    await removePrepared();
  }
  return failures === 0 ? 0 : 1;
});
