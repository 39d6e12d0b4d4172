/** Crash points: after a fault at a file operation and a restart, a command must give the usual result. */

import { createHash } from "node:crypto";
import { cp, readdir } from "node:fs/promises";
import { basename, relative } from "node:path";
import { isOwnName, SIGN } from "../../src/files/owned_folder.ts";
import type { CommandName, CommandResult } from "../command_check.ts";
import { isMessage, run } from "./process.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

export type FaultKind = "kill" | "ENOSPC" | "EIO";
export const hows: readonly FaultKind[] = ["kill", "ENOSPC", "EIO"];

export interface FaultScenario {
  readonly name: string;
  readonly command: CommandName;
  readonly args: readonly string[];
  prepare(folder: string): Promise<void>;
  /** Returns the arguments of the restart after a fault; by default those of the first start. */
  again?(folder: string): Promise<readonly string[]>;
  /** Message if the restart is refused, which is allowed if the first start had written all files. */
  readonly refusal?: RegExp;
  /** True if the run without a fault needs the fast clock too, because files depend on measured times. */
  readonly fastClock?: boolean;
  /** Returns the files to compare; by default all files that {@link prepare} did not write. */
  outcome?(folder: string): Promise<Map<string, string>>;
}

export type ScenarioStarter = (
  folder: string,
  command: CommandName,
  args: readonly string[],
) => Promise<CommandResult>;

export interface CrashVerdict {
  readonly outcome: "equal" | "refused" | "done without" | "failed";
  readonly text: string;
}

/**
 * Injects a fault, and starts the command again. The files determine the result of this second start, so the
 * same files are not tried twice. @param known results so far; a key describes all files. @param again runs
 * the second start, by default in a new process
 */
async function tryPoint(
  scenario: FaultScenario,
  { base, expected }: PreparedScenario,
  known: Map<string, CrashVerdict>,
  { how, at }: Pick<TriedPoint, "how" | "at">,
  again?: ScenarioStarter,
): Promise<CrashVerdict> {
  return await withCopy(base, async (folder) => {
    const first = await run(folder, scenario.command, scenario.args, `how=${how}&at=${at}`);
    if (first.code === 0) {
      // The failed operation was optional for the command.
      const text = findDifference(expected, withoutOwn(await readOutcome(scenario, base, folder), SIGN));
      return text === undefined
        ? { outcome: "done without", text: "" }
        : failed("exited with 0, but with other results than without a fault", text);
    }
    if (how === "kill" && first.signal !== "SIGKILL") return failed("was not killed", first.stderr);
    if (how !== "kill" && !isMessage(first)) return failed("did not end with a message", first.stderr);
    const left = await readState(folder);
    const earlier = known.get(left);
    if (earlier) return { ...earlier, text: `${earlier.text} (as at an earlier point)` };
    const verdict = await startAgain(scenario, base, expected, folder, again);
    known.set(left, verdict);
    return verdict;
  });
}

async function startAgain(
  scenario: FaultScenario,
  base: string,
  expected: ReadonlyMap<string, string>,
  folder: string,
  again?: ScenarioStarter,
): Promise<CrashVerdict> {
  const args = await scenario.again?.(folder) ?? scenario.args;
  const second = again && !scenario.fastClock
    ? await again(folder, scenario.command, args)
    : await run(folder, scenario.command, args, scenario.fastClock ? "how=none" : undefined);
  if (second.code !== 0) {
    if (!isMessage(second)) return failed("the second start did not end with a message", second.stderr);
    if (!scenario.refusal?.test(second.stderr)) return failed("the second start was refused", second.stderr);
    const missing = findDifference(expected, withoutOwn(await readOutcome(scenario, base, folder)));
    return missing === undefined
      ? { outcome: "refused", text: second.stderr }
      : failed("the second start was refused though the first had not ended", missing);
  }
  const text = findDifference(expected, await readOutcome(scenario, base, folder));
  return text === undefined
    ? { outcome: "equal", text: "" }
    : failed("differs from the result without a fault", text);
}

/** Describes all folders and files, including the cache. Locks are described without their contents. */
async function readState(folder: string): Promise<string> {
  const lines = (await listEntries(folder)).map(async ({ path, isDirectory }) => {
    if (isDirectory) return `${path}/`;
    return path.endsWith(".clickgan.lock") ? path : `${path} ${await timeless(`${folder}/${path}`)}`;
  });
  return (await Promise.all(lines)).sort().join("\n");
}

async function listEntries(folder: string): Promise<{ path: string; isDirectory: boolean }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.map((entry) => ({
    path: relative(folder, `${entry.parentPath}/${entry.name}`),
    isDirectory: entry.isDirectory(),
  }));
}

function failed(how: string, text: string): CrashVerdict {
  return { outcome: "failed", text: `${how}:\n${text.trim().slice(-1500)}` };
}

export async function readOutcome(
  scenario: FaultScenario,
  base: string,
  folder: string,
): Promise<Map<string, string>> {
  if (scenario.outcome) return await scenario.outcome(folder);
  const files = await readFilesBelow(folder);
  for (const name of (await readFilesBelow(base)).keys()) {
    if (!name.startsWith("out")) files.delete(name);
  }
  return files;
}

/** Returns the files without harmless remains: locks, temporary files, and files named `other`. */
function withoutOwn(files: ReadonlyMap<string, string>, other = ""): Map<string, string> {
  return new Map([...files].filter(([path]) => !isOwnName(basename(path)) && basename(path) !== other));
}

/** Returns contents of all files by path, without times and without the cache. */
export async function readFilesBelow(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const { path, isDirectory } of await listEntries(folder)) {
    if (!isDirectory && !path.startsWith("cache/")) files.set(path, await timeless(`${folder}/${path}`));
  }
  return files;
}

async function timeless(path: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  const text = new TextDecoder().decode(bytes);
  const name = basename(path);
  if (name === "result.json") {
    return text.replace(/"(finished|sessionSeconds|resumed)": ("[^"]*"|[\w.-]+)/g, '"$1": ""');
  }
  const same = name === "report.html" ? text.replace(/class="time">[^<]*/g, "") : bytes;
  return `${same.length} bytes, ${createHash("sha256").update(same).digest("hex")}`;
}

export function findDifference(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string | undefined {
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const [a, b] = [expected.get(name), found.get(name)];
    if (a === b) continue;
    if (a === undefined) return `${name} is left over`;
    if (b === undefined) return `${name} is missing`;
    return `${name} differs: ${a.slice(0, 200)}, found ${b.slice(0, 200)}`;
  }
  return undefined;
}

export async function withCopy<T>(base: string, work: (folder: string) => Promise<T>): Promise<T> {
  return await withEmptyFolder(async (folder) => {
    await cp(base, folder, { recursive: true });
    return await work(folder);
  });
}

export interface PreparedScenario {
  /** Folder with the files that {@link FaultScenario.prepare} wrote. */
  readonly base: string;
  readonly counts: Record<FaultKind, number>;
  readonly expected: Map<string, string>;
  readonly usual: number;
}

const prepared = new Map<FaultScenario, Promise<PreparedScenario>>();

export function prepareScenario(scenario: FaultScenario): Promise<PreparedScenario> {
  const found = prepared.get(scenario) ?? prepare(scenario);
  prepared.set(scenario, found);
  return found;
}

/**
 * Counts the operations at which each kind of fault can occur, and returns the result without a fault. Uses
 * the fast clock, and checks that a second start with the normal clock gives the same result.
 */
async function prepare(scenario: FaultScenario): Promise<PreparedScenario> {
  const base = await Deno.makeTempDir({ prefix: "clickgan-base-" });
  await scenario.prepare(base);
  const began = performance.now();
  return await withCopy(base, async (folder) => {
    const { code, stderr } = await run(folder, scenario.command, scenario.args, "how=count");
    if (code !== 0) throw new Error(`${scenario.name} fails without a fault:\n${stderr}`);
    const met = [...stderr.matchAll(/^fault-point ([^:]*):/gm)].map(([, kinds]) => kinds?.split(" "));
    const of = (how: FaultKind) => met.filter((kinds) => kinds?.includes(how)).length;
    const counts = { kill: of("kill"), ENOSPC: of("ENOSPC"), EIO: of("EIO") };
    const expected = await readOutcome(scenario, base, folder);
    return { base, counts, expected, usual: performance.now() - began };
  });
}

export async function removePrepared(): Promise<void> {
  for (const one of prepared.values()) await Deno.remove((await one).base, { recursive: true });
  prepared.clear();
}

export interface TriedPoint {
  readonly scenario: string;
  readonly how: FaultKind;
  readonly at: number;
  readonly of: number;
  readonly verdict: CrashVerdict;
}

export interface PointOptions {
  /** Step between tried crash points: 10 for every tenth point of a scenario and kind of fault. */
  readonly every: number;
  readonly first: number;
  readonly how?: readonly FaultKind[];
  readonly jobs: number;
  readonly again?: ScenarioStarter;
  readonly onTried?: (tried: TriedPoint) => void;
}

export async function tryPoints(
  scenarios: readonly FaultScenario[],
  { every, first, jobs, how: chosen = hows, again, onTried }: PointOptions,
): Promise<TriedPoint[]> {
  const all: TriedPoint[] = [];
  for (const scenario of scenarios) {
    const prepared = await prepareScenario(scenario);
    const points: { how: FaultKind; at: number; of: number }[] = [];
    for (const [k, how] of hows.entries()) {
      if (!chosen.includes(how)) continue;
      const of = prepared.counts[how];
      for (let at = 1 + (first + k * 7) % every; at <= of; at += every) points.push({ how, at, of });
    }
    const known = new Map<string, CrashVerdict>();
    const work = points[Symbol.iterator]();
    const worker = async () => {
      for (const point of work) {
        const verdict = await tryPoint(scenario, prepared, known, point, again);
        const tried = { scenario: scenario.name, ...point, verdict };
        all.push(tried);
        onTried?.(tried);
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
  }
  return all;
}
