/** What `run.sh` of an archive runs: all parts one after the other, whatever becomes of each, into one JSON file. */

import { Command, InvalidArgumentError } from "commander";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { runMain } from "../../src/cli/fail.ts";
import { parse, wholeNumber } from "../../src/cli/options.ts";
import { version } from "../../src/version.ts";
import { machineText, writeRecords } from "../output.ts";
import { awayParts } from "./away_parts.ts";
import { type Part, type PartResult, runPart } from "./run_part.ts";

interface Options {
  parts?: string[];
  minutes: number;
  partMinutes?: number;
  json?: string;
  python?: string;
  short: boolean;
}

const names = awayParts({ folder: "", short: false }).map(({ name }) => name);

function options(): Options {
  return parse<Options>(
    new Command("./run.sh")
      .description(
        "Tests, bench, ladders, peers and calibration on this machine, into one JSON file. A part that fails or takes too " +
          "long does not stop the others; the file says why. It is written after each part.",
      )
      .option("--parts <names>", `of ${names.join(", ")}, joined by commas (default: all)`, partsOf)
      .option("--minutes <n>", "for all parts together", wholeNumber(1, 1440), 90)
      .option("--part-minutes <n>", "the most for each part (default: its own limit)", wholeNumber(1, 1440))
      .option("--json <file>", "where the figures go (default: beside run.sh, with this machine's name)")
      .option("--python <path>", "a Python that has torch")
      .option("--short", "fewer rounds, one workload, few tests: to see that it works", false),
    Deno.args,
  );
}

/** A name may be begun: "ladders" are both. */
function partsOf(text: string): string[] {
  return text.split(",").flatMap((begun) => {
    const found = names.filter((name) => name.startsWith(begun.trim()));
    if (found.length > 0) return found;
    throw new InvalidArgumentError(`Expected names of ${names.join(", ")}, got "${begun}".`);
  });
}

const archive = new URL("../../../", import.meta.url).pathname;

/** A limit that is shorter than a part needs says so in the file; what is left of the time goes to whoever comes first. */
async function runAll(
  parts: readonly Part[],
  { minutes, partMinutes }: Options,
  file: string,
  folder: string,
) {
  const end = performance.now() + 60_000 * minutes;
  const facts = await machineFacts();
  const began = new Date().toISOString();
  const results: PartResult[] = [];
  for (const [k, part] of parts.entries()) {
    const left = (end - performance.now()) / 1000;
    const limit = Math.min(60 * (partMinutes ?? part.minutes), left);
    const where = `${k + 1} of ${parts.length}: ${part.name}`;
    if (limit < 5) {
      const { name, about, command: { program, args } } = part;
      const command = [program, ...args].join(" ");
      const why = `the ${minutes} minutes of all parts were over`;
      results.push({ name, about, command, outcome: "not started", why, seconds: 0 });
      console.log(`${where}: not started, ${why}`);
    } else {
      console.log(`${where}, ${part.about}, at most ${Math.ceil(limit)} s ...`);
      const result = await runPart(part, limit, `${folder}/${k + 1}.log`);
      results.push(result);
      const why = result.why === undefined ? "" : `: ${result.why}`;
      console.log(`  ${result.outcome} in ${result.seconds} s${why}`);
    }
    const report = { format: 1, began, version, packed: packedFrom(), facts, parts: results };
    await writeRecords(file, report);
  }
  return results;
}

/** Commands that may be there, and what they tell. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  system: ["uname", "-srm"],
  card: [
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit",
    "--format=csv,noheader",
  ],
  vulkan: ["vulkaninfo", "--summary"],
  memory: ["free", "-m"],
};

/** What a machine says of itself, for whoever reads its figures elsewhere: the answers of those that are there. */
async function machineFacts(): Promise<Record<string, string>> {
  const facts: Record<string, string> = { machine: machineText() };
  for (const [fact, [program = "", ...args]] of Object.entries(ASKED)) {
    try {
      const output = await new Deno.Command("timeout", {
        args: ["20", program, ...args],
        stdin: "null",
        stderr: "null",
      }).output();
      const text = new TextDecoder().decode(output.stdout).trim();
      if (output.success && text !== "") facts[fact] = text;
    } catch {
      // There is no such program.
    }
  }
  return facts;
}

/** The commit that the archive was made of; undefined in a repository. */
function packedFrom(): string | undefined {
  try {
    return Deno.readTextFileSync(`${archive}packed.txt`).trim();
  } catch {
    return undefined;
  }
}

await runMain(async () => {
  const chosen = options();
  const folder = await Deno.makeTempDir({ prefix: "clickgan-away-" });
  const parts = awayParts({ ...chosen, folder }).filter(({ name }) => chosen.parts?.includes(name) ?? true);
  const file = resolve(chosen.json ?? `${archive}clickgan-${hostname()}.json`);
  const results = await runAll(parts, chosen, file, folder);
  const done = results.filter(({ outcome }) => outcome === "done").length;
  console.log(`${done} of ${results.length} parts done. All is in ${file}; what they said in ${folder}`);
});
