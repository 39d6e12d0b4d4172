/**
 * `deno task bench lab`: the lab's page in Chromium beside the same worker in Deno: how long until the first step, steps a
 * second, dispatches, the wait for the device, and the page's frames while it trains. How to read it is in bench/lab.md.
 */

import { Command } from "commander";
import * as v from "../src/schema.ts";
import { numberOf, path, wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import { atomicWriteFile } from "../src/run/files/atomic_write.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import { chromiumOr } from "./lab/chromium.ts";
import { agreement } from "./lab/agreement.ts";
import { frameCells, type SideTrials, trialCells } from "./lab/figures.ts";
import { environmentOf, runScript, type SideName, sideNames } from "./lab/sides.ts";
import { type Trial, trialSchema } from "./lab/trial.ts";
import { writeTrialFiles } from "./lab/trial_files.ts";
import { Status } from "./status.ts";
import { recordsJson } from "./records_json.ts";

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

export function labCommand(): Command {
  const command = new Command("lab")
    .description(
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
    .option(
      "--readme <file>",
      `a page that gets the tables, between its lines <!-- ${MARKERS} --> and <!-- end of ${MARKERS} -->`,
      path,
    )
    .addHelpText("after", "\nExample:\n  deno task bench lab --readme bench/lab.md");
  command.action(() => benchLab(command.opts<LabOptions>()));
  return command;
}

async function benchLab({ rounds, seconds, software, chromium, json, readme }: LabOptions): Promise<void> {
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const browser = await chromiumOr(chromium);
  const status = new Status();
  const folder = await Deno.makeTempDir({ prefix: "clickgan-bench-lab-" });
  try {
    status.show("building the page");
    await writeTrialFiles(folder);
    const sides = new Map<SideName, Trial[]>();
    const missing: string[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const side of sideNames) {
        if (round > 1 && !sides.has(side)) continue;
        status.show(`round ${round} of ${rounds}, ${titles[side]}: ${side}`);
        const found = await trialOf(side, { browser, folder, seconds, software });
        if (typeof found === "string") {
          missing.push(`${titles[side]} is missing: ${found}`);
          continue;
        }
        sides.set(side, [...sides.get(side) ?? [], found]);
        await Deno.writeTextFile(`${folder}/request.json`, JSON.stringify(found.request));
      }
    }
    status.clear();
    await deliver(
      [...sides].map(([side, trials]) => ({ name: titles[side], trials })),
      missing,
      json,
      readme,
    );
  } finally {
    status.clear();
    await Deno.remove(folder, { recursive: true });
  }
}

interface TrialSetting {
  readonly browser: string;
  readonly folder: string;
  readonly seconds: number;
  readonly software: boolean;
}

/** @returns why there is none, for a side that this machine need not have. @throws UserError for one that it must have. */
async function trialOf(
  side: SideName,
  { browser, folder, seconds, software }: TrialSetting,
): Promise<Trial | string> {
  try {
    const env = await environmentOf(side, browser);
    const within = AbortSignal.timeout(1000 * (seconds + PATIENCE_SECONDS));
    const printed = side === "chromium"
      ? await runScript(
        "chromium_trial.ts",
        [browser, folder, `${seconds}`, software ? "software" : "any"],
        env,
        within,
      )
      : await runScript("deno_trial.ts", [folder, `${seconds}`, `${folder}/request.json`], env, within);
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
  readme: string | undefined,
): Promise<void> {
  const tables = [trialCells(sides), frameCells(sides)];
  for (const { head, rows } of tables) console.log(`${table(head, rows)}\n`);
  const apart = agreement(sides);
  const notes = [apart.text, ...missing];
  console.log(notes.join("\n"));
  if (json !== undefined) {
    const report = { format: 1, date: new Date().toISOString(), version, sides };
    await atomicWriteFile(json, recordsJson(report) + "\n");
  }
  if (apart.wrong) throw new UserError("Expected the same losses on all sides: no table is written.");
  if (readme === undefined) return;
  const on = `${navigator.hardwareConcurrency} cores; ${
    sides[0]?.trials.length
  } rounds, medians and in brackets the least and the most:`;
  const lines = tables.flatMap(({ head, rows }) => ["", ...markdownTable(head, rows)]);
  await writeBetweenMarkers(readme, MARKERS, [on, ...lines, "", ...notes].join("\n"));
}
