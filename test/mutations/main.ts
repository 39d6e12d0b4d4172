/** `deno task test:special mutations`: puts small faults into a copy of the program, and asks whether the tests notice. */

import { Command } from "commander";
import { runMain } from "../../src/cli/fail.ts";
import { parseAndRun, path, wholeNumber } from "../../src/cli/options.ts";
import { table } from "../../src/cli/table.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";
import { mutations } from "./all.ts";
import { mutated, type Mutation, mutationText, partOf } from "./mutation.ts";
import { runTests, type TestRun } from "./run_tests.ts";
import { WorkingCopy } from "./working_copy.ts";

const MARKERS = "test mutations";

/** Of those that change something. */
const LEAST_NOTICED = 0.95;

type Verdict = "noticed" | "not noticed" | "equivalent";

interface Options {
  only: string;
  every: number;
  first: number;
  limit: number;
  equivalents: boolean;
  list: boolean;
  readme?: string;
}

/** What makes the figures worthless: told, and the run fails. */
const faults: string[] = [];

async function main(options: Options): Promise<boolean> {
  const chosen = mutations
    .filter((mutation) => mutationText(mutation).includes(options.only))
    .filter((_, k) => k >= options.first && (k - options.first) % options.every === 0);
  if (options.list) {
    for (const mutation of chosen) console.log(mutationText(mutation));
    return true;
  }
  if (chosen.length === 0) throw new UserError(`Expected --only to be in a mutation, got "${options.only}".`);
  if (options.readme !== undefined) await expectMarkers(options.readme, MARKERS);
  const verdicts = new Map<Mutation, Verdict>();
  const passing = new Map<string, boolean>();
  let stopped = false;
  Deno.addSignalListener("SIGINT", () => stopped = true);
  using copy = WorkingCopy.make();
  for (const mutation of chosen) {
    try {
      mutated(mutation, copy.read(mutation.file));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    if (mutation.equivalent !== undefined && !options.equivalents) {
      verdicts.set(mutation, "equivalent");
      console.log(`equivalent   ${mutationText(mutation)} (${mutation.equivalent})`);
      continue;
    }
    const passes = await passWithout(copy, mutation, passing, options.limit);
    // Ctrl-C ends the tests too: what they said then is no verdict.
    if (stopped) break;
    if (!passes) continue;
    const run = await copy.with(
      mutation.file,
      (text) => mutated(mutation, text),
      () => runTests(copy.folder, mutation, options.limit),
    );
    if (stopped) break;
    const verdict = verdictOf(mutation, run);
    if (verdict) verdicts.set(mutation, verdict);
    const how = run.outcome === "timed out" ? ", by its time" : "";
    console.log(
      `${(verdict ?? run.outcome).padEnd(12)} ${mutationText(mutation)} (${run.seconds.toFixed(0)} s${how})`,
    );
  }
  if (stopped) faults.push(`stopped after ${verdicts.size} of ${chosen.length} mutations`);
  const good = summary(verdicts);
  // What stopped early says nothing of the rest.
  if (options.readme !== undefined && !stopped) {
    const date = new Date().toISOString().slice(0, 10);
    const what = chosen.length === mutations.length
      ? "All mutations"
      : `${chosen.length} of ${mutations.length} mutations`;
    const text = [`${what}, tried on ${date}:`, "", ...markdownTable(HEAD, rowsOf(verdicts))].join("\n");
    await writeBetweenMarkers(options.readme, MARKERS, text);
  }
  return good;
}

/** Whether the tests pass as they stand: otherwise they would notice everything. Each selection is run once. */
async function passWithout(
  copy: WorkingCopy,
  { tests, filter }: Mutation,
  passing: Map<string, boolean>,
  limit: number,
): Promise<boolean> {
  const key = JSON.stringify([tests, filter]);
  let passes = passing.get(key);
  if (passes === undefined) {
    const { outcome, text } = await runTests(copy.folder, { tests, filter }, limit);
    passes = outcome === "passed";
    passing.set(key, passes);
    const what = `${tests.join(", ")}${filter === undefined ? "" : `, "${filter}"`}`;
    if (!passes) faults.push(`without any mutation: ${what}: ${outcome}\n${text}`);
  }
  return passes;
}

function verdictOf(mutation: Mutation, { outcome, text }: TestRun): Verdict | undefined {
  if (outcome === "does not compile" || outcome === "no test") {
    faults.push(`${mutationText(mutation)}: ${outcome}\n${text}`);
    return undefined;
  }
  const noticed = outcome !== "passed";
  if (mutation.equivalent === undefined) return noticed ? "noticed" : "not noticed";
  if (noticed) faults.push(`${mutationText(mutation)}: said to change nothing, but was noticed\n${text}`);
  return "equivalent";
}

const HEAD = ["part", "mutations", "noticed", "not noticed", "equivalent", "share noticed"];

/** A row for each part of the program, and one for all. */
function rowsOf(verdicts: ReadonlyMap<Mutation, Verdict>): string[][] {
  const row = (name: string, of: readonly [Mutation, Verdict][]) => {
    const count = (verdict: Verdict) => of.filter(([, v]) => v === verdict).length;
    const [noticed, missed] = [count("noticed"), count("not noticed")];
    const share = noticed + missed === 0 ? "-" : `${(100 * noticed / (noticed + missed)).toFixed(1)} %`;
    return [name, String(of.length), String(noticed), String(missed), String(count("equivalent")), share];
  };
  const all = [...verdicts];
  const parts = [...new Set(all.map(([mutation]) => partOf(mutation)))];
  return [
    ...parts.map((part) => row(part, all.filter(([mutation]) => partOf(mutation) === part))),
    row("all", all),
  ];
}

/** @returns whether enough were noticed. */
function summary(verdicts: ReadonlyMap<Mutation, Verdict>): boolean {
  console.log("");
  console.log(table(HEAD, rowsOf(verdicts)));
  const all = [...verdicts];
  const missed = all.filter(([, verdict]) => verdict === "not noticed");
  for (const [mutation] of missed) {
    console.log(`\nnot noticed by ${mutation.tests.join(", ")}:\n  ${mutationText(mutation)}`);
  }
  for (const fault of faults) console.error(`\n${fault}`);
  const noticed = all.filter(([, verdict]) => verdict === "noticed").length;
  return faults.length === 0 && noticed >= LEAST_NOTICED * (noticed + missed.length);
}

await runMain(async () => {
  let good = true;
  const command = new Command("deno task test:special mutations")
    .description(
      "Puts one small fault at a time into a copy of the program and runs the tests of the part: at least 95 % have to " +
        "be noticed. Those that change nothing are named with the reason, and are not run.",
    )
    .option("--only <text>", "mutations with this in their line: a file, or a part of its text", "")
    .option("--every <n>", "one in so many", wholeNumber(1), 1)
    .option("--first <n>", "the first of them", wholeNumber(0), 0)
    .option("--limit <seconds>", "that a run of tests may take", wholeNumber(1), 300)
    .option("--equivalents", "run those that change nothing too", false)
    .option("--list", "name them, and run nothing", false)
    .option("--readme <file>", `a page that gets the table, between its lines <!-- ${MARKERS} -->`, path)
    .action(async (options: Options) => {
      good = await main(options);
    });
  await parseAndRun(command, Deno.args);
  return good ? 0 : 1;
});
