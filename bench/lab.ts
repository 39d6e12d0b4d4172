/**
 * `deno task bench lab`: the lab's page in Chromium beside the same worker in Deno: how long until the first step, steps a
 * second, dispatches, the wait for the device, and the page's frames while it trains. How to read it is in bench/lab.md.
 */

import type { Command } from "commander";
import * as v from "../src/schema.ts";
import { numberOf, path, wholeNumber } from "../src/cli/options.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import {
  chromiumOr,
  environmentOf,
  runScript,
  type SideName,
  sideNames,
  writeTrialFiles,
} from "./lab/sides.ts";
import {
  agreement,
  type AskedTrial,
  frameCells,
  REQUEST,
  type SideTrials,
  type Trial,
  trialCells,
  trialSchema,
} from "./lab/trial.ts";
import { Page, printTable, writeRecords } from "./output.ts";
import { inFolder, readmeOption, Status, study } from "./study.ts";

const MARKERS = "bench lab";
/** What compiling and the rest may take, besides the seconds of steps. */
const PATIENCE_SECONDS = 240;

const titles: Readonly<Record<SideName, string>> = {
  chromium: "the page",
  deno: "its worker",
  "deno-swiftshader": "its worker on Chromium's driver",
};

interface LabOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly software: boolean;
  readonly chromium?: string;
  readonly json?: string;
  readonly readme?: string;
}

export function command(): Command {
  const own = study(
    "lab",
    "Trains on the demo shop in the lab's page in Chromium, and with the page's worker in Deno, in turn, and compares.",
  )
    .option("--rounds <n>", "turns of each", wholeNumber(1, 100), 3)
    .option(
      "--seconds <n>",
      "seconds of steps in each turn",
      numberOf(v.between(1, 600), "a number of seconds of 1..600"),
      8,
    )
    .option("--software", "Chromium's software adapter, though there is a GPU", false)
    .option("--chromium <path>", "the browser (default: Debian's)", path)
    .option("--json <file>", "where all trials go", path)
    .option(...readmeOption(MARKERS, "the tables"))
    .addHelpText("after", "\nExample:\n  deno task bench lab --readme bench/lab.md");
  return own.action(() => benchLab(own.opts<LabOptions>()));
}

async function benchLab({ rounds, readme, json, ...options }: LabOptions): Promise<void> {
  const page = await Page.open(readme, MARKERS);
  const chromium = await chromiumOr(options.chromium);
  using status = new Status();
  await inFolder("bench-lab", async (folder) => {
    status.show("building the page");
    await writeTrialFiles(folder);
    const sides = new Map<SideName, Trial[]>();
    const missing: string[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const side of sideNames) {
        if (round > 1 && !sides.has(side)) continue;
        status.show(`round ${round} of ${rounds}, ${titles[side]}: ${side}`);
        const found = await trialOf(side, { ...options, chromium, folder });
        if (typeof found === "string") {
          missing.push(`${titles[side]} is missing: ${found}`);
          continue;
        }
        sides.set(side, [...sides.get(side) ?? [], found]);
        await Deno.writeTextFile(`${folder}/${REQUEST}`, JSON.stringify(found.request));
      }
    }
    status.clear();
    await deliver([...sides].map(([side, trials]) => ({ name: titles[side], trials })), missing, json, page);
  });
}

/** @returns why there is none, for a side that this machine need not have. @throws UserError for one that it must have. */
async function trialOf(side: SideName, asked: AskedTrial): Promise<Trial | string> {
  try {
    const env = await environmentOf(side, asked.chromium);
    const within = AbortSignal.timeout(1000 * (asked.seconds + PATIENCE_SECONDS));
    const script = side === "chromium" ? "in_chromium.ts" : "in_deno.ts";
    const printed = await runScript(script, ["trial", JSON.stringify(asked)], env, within);
    return v.parse(trialSchema, JSON.parse(printed));
  } catch (error) {
    if (side !== "deno-swiftshader" || !(error instanceof UserError)) throw error;
    return error.message.split("\n")[0] ?? "";
  }
}

async function deliver(
  sides: readonly SideTrials[],
  missing: readonly string[],
  json: string | undefined,
  page: Page,
): Promise<void> {
  const tables = [trialCells(sides), frameCells(sides)];
  for (const cells of tables) {
    printTable(cells);
    console.log();
  }
  const apart = agreement(sides);
  const notes = [apart.text, ...missing].join("\n");
  console.log(notes);
  if (json !== undefined) {
    await writeRecords(json, { format: 1, date: new Date().toISOString(), version, sides });
  }
  if (apart.wrong) throw new UserError("Expected the same losses on all sides: no table is written.");
  const rounds = `${sides[0]?.trials.length} rounds, medians and in brackets the least and the most`;
  await page.write(MARKERS, `${navigator.hardwareConcurrency} cores; ${rounds}:`, ...tables, notes);
}
