/**
 * Kills a command or its launcher at random moments, until the resumed run ends correctly. Also starts two
 * commands on one folder: one of them must succeed, and the other must be refused.
 */

import { setTimeout as pause } from "node:timers/promises";
import type { FaultScenario, PreparedScenario } from "./crash_points.ts";
import { findDifference, prepareScenario, readOutcome, withCopy } from "./crash_points.ts";
import { isMessage, launch, type ProcessEnd, waitForEnd } from "./process.ts";
import { scenarios } from "./scenarios.ts";

export interface KillOptions {
  readonly scenario: FaultScenario;
  readonly kills: number;
  /** Returns a random number, uniform in 0..1. */
  readonly random: () => number;
  readonly onKill?: (kills: number, runs: number) => void;
}

/**
 * Runs a scenario repeatedly, with a few kills and restarts per run. @returns the number of finished runs,
 * and a message for each run whose result differs from that of a run without kills
 */
export async function killAtRandom(
  { scenario, kills, random, onKill }: KillOptions,
): Promise<{ runs: number; failures: string[] }> {
  const prepared = await prepareScenario(scenario);
  const { base, usual } = prepared;
  const failures: string[] = [];
  let [done, runs] = [0, 0];
  while (done < kills) {
    await withCopy(base, async (folder) => {
      for (let left = 1 + Math.floor(3 * random()); left > 0 && done < kills; left--) {
        const child = await launch(folder, scenario.command, await nextArgs(scenario, folder));
        const output = waitForEnd(child);
        await pause(1.3 * usual * random());
        await kill(child, random() < 0.5);
        await output;
        done++;
        onKill?.(done, runs);
      }
      const fault = await toItsEnd(scenario, prepared, folder);
      runs++;
      if (fault !== undefined) failures.push(fault);
    });
  }
  return { runs, failures };
}

async function nextArgs(scenario: FaultScenario, folder: string): Promise<readonly string[]> {
  return await scenario.again?.(folder) ?? scenario.args;
}

/** Resumes a run until it is complete; waits while an old process locks the folder. @returns the fault */
async function toItsEnd(
  scenario: FaultScenario,
  { base, expected }: PreparedScenario,
  folder: string,
): Promise<string | undefined> {
  for (let tries = 0; tries < 100; tries++) {
    const end = await waitForEnd(await launch(folder, scenario.command, await nextArgs(scenario, folder)));
    if (end.code === 0) return findDifference(expected, await readOutcome(scenario, base, folder));
    if (!isMessage(end) || !/is being written by/.test(end.stderr)) return end.stderr.slice(-800);
    await pause(200);
  }
  return "the folder stayed locked";
}

/** Kills the command, or with `itself` only its launcher, after which the command must end by itself. */
async function kill(launcher: Deno.ChildProcess, itself: boolean): Promise<void> {
  for (const pid of itself ? [launcher.pid] : await listChildren(launcher.pid)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // The process has just ended.
    }
  }
}

/** Returns the child processes on Linux; [] on other systems, where only the launcher is killed. */
async function listChildren(pid: number): Promise<number[]> {
  const found: number[] = [];
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) { // each thread has its own children
      const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/children`);
      found.push(...text.split(" ").filter((word) => word !== "").map(Number));
    }
  } catch {
    // The process has ended, or the system is not Linux.
  }
  return found.length > 0 ? found : [pid];
}

export interface Race {
  readonly name: string;
  readonly scenario: FaultScenario;
  /** True to kill the first launcher before the second command starts; the first command ends by itself. */
  readonly orphan: boolean;
}

export const races: readonly Race[] = [
  { name: "two data log into one --out", scenario: named("data log"), orphan: false },
  { name: "two --resume of one run", scenario: named("train --resume"), orphan: false },
  { name: "kill -9 of the launcher, and --resume", scenario: named("train --resume"), orphan: true },
  { name: "two reproduce", scenario: named("reproduce"), orphan: false },
];

function named(name: string): FaultScenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (!found) throw new Error(`no scenario ${name}`);
  return found;
}

/** Messages that refuse the second command: a process is writing the folder, or the run is complete. */
const REFUSAL = /is being written by (process \d+|another process)|to be free .* found|folder for .* holds /;

export async function raceRounds(race: Race, rounds: number): Promise<string[]> {
  const prepared = await prepareScenario(race.scenario);
  const failures: string[] = [];
  for (let round = 0; round < rounds; round++) {
    // The second command starts at the same time as the first one, or up to when the first is nearly done.
    const fault = await oneRound(race, prepared, prepared.usual * round / rounds);
    if (fault !== undefined) failures.push(`round ${round + 1}: ${fault}`);
  }
  return failures;
}

/** @param stagger milliseconds between the starts. @returns undefined if exactly one command was refused */
async function oneRound(
  { scenario, orphan }: Race,
  prepared: PreparedScenario,
  stagger: number,
): Promise<string | undefined> {
  const { base, expected } = prepared;
  return await withCopy(base, async (folder) => {
    const start = async () => await launch(folder, scenario.command, scenario.args);
    const first = await start();
    const firstEnd = waitForEnd(first);
    await pause(stagger);
    if (orphan) first.kill("SIGKILL");
    const second = await waitForEnd(await start());
    const ends = orphan ? [second] : [second, await firstEnd];
    const wrong = ends.find((end) => end.code !== 0 && !isRefusal(end));
    if (wrong) return `ended with ${wrong.code}:\n${wrong.stderr.slice(-800)}`;
    if (orphan) {
      await firstEnd;
      return await toItsEnd(scenario, prepared, folder);
    }
    const winners = ends.filter(({ code }) => code === 0).length;
    if (winners === 0) {
      return `no command succeeded:\n${ends.map(({ stderr }) => stderr.slice(-400)).join("\n")}`;
    }
    return findDifference(expected, await readOutcome(scenario, base, folder));
  });
}

function isRefusal(end: ProcessEnd): boolean {
  return isMessage(end) && REFUSAL.test(end.stderr);
}
