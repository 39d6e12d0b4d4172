/** `deno task test:special mutations`: puts small faults into a copy of the program, and asks whether the tests notice. */

import { Command } from "commander";
import { runMain } from "../../src/cli/fail.ts";
import { parseAndRun, path, wholeNumber } from "../../src/cli/options.ts";
import { table } from "../../src/cli/table.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";
import { byHand, harmless } from "./by_hand.ts";
import { drawn, drawnFiles, type Mutation, mutationText } from "./mutation.ts";
import { type Selection, testsOf } from "./noticed_by.ts";
import { type Outcome, WorkingCopy } from "./working_copy.ts";

const MARKERS = "test mutations";

/** Of those that are drawn; of those by hand all. */
const LEAST_NOTICED = 0.95;

type Verdict = "noticed" | "not noticed" | "harmless" | "does not compile";

interface Tried {
  readonly mutation: Mutation;
  readonly isDrawn: boolean;
  readonly verdict: Verdict;
}

interface Options {
  seed: number;
  count: number;
  first: number;
  files: string[];
  hand: boolean;
  list: boolean;
  readme?: string;
}

/** What makes the figures worthless: told, and the run fails. */
const faults: string[] = [];

async function main({ seed, count, first, files, hand, list, readme }: Options): Promise<boolean> {
  const isChosen = (file: string) => files.length === 0 || files.some((start) => file.startsWith(start));
  const chosen = [
    ...hand ? byHand().filter(({ file }) => isChosen(file)) : [],
    ...drawn(seed, first + count, drawnFiles().filter(isChosen)).slice(first).map((mutation) => ({
      ...mutation,
      isDrawn: true,
    })),
  ].map((mutation) => ({ isDrawn: false, ...mutation }));
  if (list) {
    for (const mutation of chosen) console.log(mutationText(mutation));
    return true;
  }
  if (chosen.length === 0) {
    throw new UserError(`Expected files with mutations, found none in ${files.join(", ")}.`);
  }
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const tried: Tried[] = [];
  let stopped = false;
  Deno.addSignalListener("SIGINT", () => stopped = true);
  using copy = WorkingCopy.make();
  const tests = new Tests(copy);
  for (const mutation of chosen) {
    const began = performance.now();
    const reason = harmless(mutation);
    const outcome = reason === undefined ? await tests.notice(mutation, () => stopped) : "passed";
    // Ctrl-C ends the tests too: what they said then is no verdict.
    if (stopped) break;
    const verdict = reason === undefined ? verdictOf(mutation, outcome) : "harmless";
    tried.push({ mutation, isDrawn: mutation.isDrawn, verdict });
    const how = reason ??
      `${((performance.now() - began) / 1000).toFixed(0)} s${outcome === "timed out" ? ", by its time" : ""}`;
    console.log(`${verdict.padEnd(16)} ${mutationText(mutation)} (${how})`);
  }
  if (stopped) faults.push(`stopped after ${tried.length} of ${chosen.length} mutations`);
  const good = summary(tried);
  // What stopped early says nothing of the rest.
  if (readme !== undefined && !stopped) {
    const date = new Date().toISOString().slice(0, 10);
    const what = `${chosen.length} mutations, drawn with seed ${seed} or made by hand, tried on ${date}:`;
    await writeBetweenMarkers(readme, MARKERS, [what, "", ...markdownTable(HEAD, rowsOf(tried))].join("\n"));
  }
  return good;
}

/** Runs tests, each selection first without any fault: what fails then would notice everything. */
class Tests {
  /** Seconds without a fault; none where the tests fail. */
  readonly #took = new Map<string, number | undefined>();

  constructor(private readonly copy: WorkingCopy) {}

  /** Asks the tests of a file one after another, until one notices. */
  async notice(mutation: Mutation, isStopped: () => boolean): Promise<Outcome> {
    for (const selection of testsOf(mutation.file)) {
      const usual = await this.#usual(selection);
      if (isStopped()) break;
      if (usual === undefined) continue;
      const { outcome } = await this.copy.with(mutation, () => this.copy.test(selection, 30 + 5 * usual));
      if (outcome !== "passed") return outcome;
    }
    return "passed";
  }

  async #usual(selection: Selection): Promise<number | undefined> {
    const key = JSON.stringify(selection);
    if (!this.#took.has(key)) {
      const { outcome, seconds, text } = await this.copy.test(selection, 600);
      this.#took.set(key, outcome === "passed" ? seconds : undefined);
      if (outcome !== "passed") faults.push(`without any mutation: ${key}: ${outcome}\n${text}`);
    }
    return this.#took.get(key);
  }
}

function verdictOf({ file }: Mutation, outcome: Outcome): Verdict {
  // What a kernel's own text makes impossible is no fault that a test has to find.
  if (outcome === "does not compile" && file.endsWith(".wgsl")) return outcome;
  return outcome === "passed" ? "not noticed" : "noticed";
}

const HEAD = ["part", "mutations", "noticed", "not noticed", "harmless", "no text of WGSL", "share noticed"];

const share = (of: readonly Tried[]) => {
  const count = (verdict: Verdict) => of.filter((one) => one.verdict === verdict).length;
  return count("noticed") / (count("noticed") + count("not noticed"));
};

/** A row for those by hand, one for each part of the program whose mutations are drawn, and one for all that are drawn. */
function rowsOf(tried: readonly Tried[]): string[][] {
  const row = (name: string, of: readonly Tried[]) => {
    const counts = (["noticed", "not noticed", "harmless", "does not compile"] as const).map((verdict) =>
      String(of.filter((one) => one.verdict === verdict).length)
    );
    const noticed = share(of);
    return [
      name,
      String(of.length),
      ...counts,
      Number.isNaN(noticed) ? "-" : `${(100 * noticed).toFixed(1)} %`,
    ];
  };
  const drawnOnes = tried.filter(({ isDrawn }) => isDrawn);
  const partOf = ({ mutation: { file } }: Tried) => /^(kernels|src\/[^/]+)/.exec(file)?.[0] ?? file;
  return [
    row("by hand", tried.filter(({ isDrawn }) => !isDrawn)),
    ...[...Map.groupBy(drawnOnes, partOf)].map(([part, of]) => row(part, of)).sort(),
    row("drawn", drawnOnes),
  ];
}

/** @returns whether enough were noticed. */
function summary(tried: readonly Tried[]): boolean {
  console.log(`\n${table(HEAD, rowsOf(tried))}`);
  const missed = tried.filter(({ verdict }) => verdict === "not noticed");
  for (const { mutation } of missed) {
    const asked = testsOf(mutation.file).map(({ test, filter = "" }) => `${test} ${filter}`.trim());
    console.log(`\nnot noticed by ${asked.join(", ")}:\n  ${mutationText(mutation)}`);
  }
  for (const fault of faults) console.error(`\n${fault}`);
  // No drawn one: nothing to be noticed.
  const enough = !(share(tried.filter(({ isDrawn }) => isDrawn)) < LEAST_NOTICED);
  return faults.length === 0 && enough &&
    missed.every(({ mutation }) => tried.find((one) => one.mutation === mutation)?.isDrawn);
}

await runMain(async () => {
  let good = true;
  const command = new Command("deno task test:special mutations")
    .description(
      "Puts one small fault at a time into a copy of the program and runs the tests of the part: those by hand have to be " +
        "noticed, and of those that operators make and a seed draws at least 95 %.",
    )
    .option("--seed <n>", "draws them", wholeNumber(0), 1)
    .option("--count <n>", "so many are drawn", wholeNumber(0), 400)
    .option("--first <n>", "leaves out so many that the seed draws before", wholeNumber(0), 0)
    .option("--files <starts...>", "only of files whose paths begin so, such as kernels/ or src/ops/adam", [])
    .option("--no-hand", "without those by hand")
    .option("--list", "name them, and run nothing", false)
    .option("--readme <file>", `a page that gets the table, between its lines <!-- ${MARKERS} -->`, path)
    .action(async (options: Options) => {
      good = await main(options);
    });
  await parseAndRun(command, Deno.args);
  return good ? 0 : 1;
});
