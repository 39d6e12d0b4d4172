/** Two commands that want the same folder at the same time: one does its work, the other is told who does. */

import { difference, inCopy, outcomeOf, type Scenario } from "./crash_points.ts";
import { preparedOf } from "./prepared.ts";
import { pause, toItsEnd } from "./kills.ts";
import { type Ended, ended, isMessage, launch } from "./process.ts";
import { scenarios } from "./scenarios.ts";

export interface Race {
  readonly name: string;
  readonly scenario: Scenario;
  /** The first one's launcher is killed before the second starts: the command that it leaves ends by itself. */
  readonly orphan: boolean;
}

export const races: readonly Race[] = [
  { name: "two data log into one --out", scenario: named("data log"), orphan: false },
  { name: "two --resume of one run", scenario: named("train --resume"), orphan: false },
  {
    name: "kill -9 of the launcher, and --resume beside it",
    scenario: named("train --resume"),
    orphan: true,
  },
  { name: "two reproduce", scenario: named("reproduce"), orphan: false },
];

function named(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (!found) throw new Error(`no scenario ${name}`);
  return found;
}

/** What the second is told: who holds the folder, or that it is done already. */
const REFUSAL = /is being written by (process \d+|another process)|to be free .* found|folder for .* holds /;

/** @returns what was wrong in each round that went wrong. */
export async function raceRounds(
  race: Race,
  rounds: number,
  onRound?: (round: number) => void,
): Promise<string[]> {
  const { base, expected, usual } = await preparedOf(race.scenario);
  const failures: string[] = [];
  for (let round = 0; round < rounds; round++) {
    // From both at once to the second when the first is nearly done.
    const fault = await oneRound(race, base, expected, usual * round / rounds);
    if (fault !== undefined) failures.push(`round ${round + 1}: ${fault}`);
    onRound?.(round + 1);
  }
  return failures;
}

/**
 * @param stagger milliseconds between the two.
 * @returns what was wrong; undefined when one did its work, the other was refused, and nothing of it shows.
 */
async function oneRound(
  { scenario, orphan }: Race,
  base: string,
  expected: ReadonlyMap<string, string>,
  stagger: number,
): Promise<string | undefined> {
  return await inCopy(base, async (folder) => {
    const start = async () => await launch(folder, scenario.command, scenario.args);
    const first = await start();
    const firstEnd = ended(first);
    await pause(stagger);
    if (orphan) first.kill("SIGKILL");
    const second = await ended(await start());
    const ends = orphan ? [second] : [second, await firstEnd];
    const wrong = ends.find((end) => end.code !== 0 && !isRefusal(end));
    if (wrong) return `ended with ${wrong.code}:\n${wrong.stderr.slice(-800)}`;
    if (orphan) {
      await firstEnd;
      return await toItsEnd(scenario, base, folder, expected);
    }
    const winners = ends.filter(({ code }) => code === 0).length;
    if (winners === 0) {
      return `nobody did the work:\n${ends.map(({ stderr }) => stderr.slice(-400)).join("\n")}`;
    }
    return difference(expected, await outcomeOf(scenario, base, folder));
  });
}

function isRefusal(end: Ended): boolean {
  return isMessage(end) && REFUSAL.test(end.stderr);
}
