/**
 * `deno task bench lab-survey FILE`: goes through the screens of the lab in Chromium by clicks, measures what they measure, and
 * saves it as a reader would. With `--in deno` the lab's worker measures the same without a browser.
 */

import { readBench } from "./output.ts";
import { Argument, type Command, Option } from "commander";
import { resolve } from "node:path";
import { numberOf, path } from "../src/cli/options.ts";
import { ladders } from "../src/selftest/ladder/ladders.ts";
import * as v from "../src/schema.ts";
import { UserError } from "../src/user_error.ts";
import { runtimeName } from "./adapters.ts";
import { chromiumOr, environmentOf, runScript, type SideName, sideNames, writeLab } from "./lab/sides.ts";
import { LASTING, type Survey, type SurveyPart, surveyParts } from "./lab/survey.ts";
import { inFolder, namesOf, Status, study } from "./study.ts";

const faultsSchema = v.record(v.string(), v.array(v.string()));

interface SurveyOptions {
  readonly in: SideName;
  readonly parts: SurveyPart[];
  readonly ladders?: string[];
  readonly shapes: Survey["shapes"];
  readonly seconds: number;
  readonly name: string;
  readonly software: boolean;
  readonly chromium?: string;
}

export function command(): Command {
  const own = study(
    "lab-survey",
    "Measures an adapter by the lab's screens, in Chromium or by the lab's worker in Deno, into a file for bench adapters.",
  )
    .addArgument(new Argument("<file>", "where the figures go, as JSON").argParser(path))
    .addOption(
      new Option("--in <side>", "where: deno-swiftshader is Deno on Chromium's software driver")
        .choices(sideNames).default("chromium"),
    )
    .option("--parts <names>", `of ${surveyParts.join(", ")}`, namesOf(surveyParts), [...surveyParts])
    .option("--ladders <names>", "these alone", namesOf(ladders.map(({ name }) => name)))
    .addOption(
      new Option("--shapes <kind>", "whose kernels the self-test tries").choices(["cpu", "gpu", "both"])
        .default("both"),
    )
    .option(
      "--seconds <n>",
      "seconds of steps in the training",
      numberOf(v.between(1, 600), "a number of seconds of 1..600"),
      8,
    )
    .option("--name <text>", "the adapter's name (default: what the browser tells)", "")
    .option("--software", "Chromium's software adapter, though there is a GPU", false)
    .option("--chromium <path>", "the browser (default: Debian's)", path)
    .addHelpText(
      "after",
      "\nExamples:\n  deno task bench lab-survey bench/adapters/mine.json --name 'RTX 3060'\n" +
        "  deno task bench lab-survey mine.json --parts ladders --ladders choice,lstm",
    );
  return own.action((file: string) => surveyLab(file, own.opts<SurveyOptions>()));
}

async function surveyLab(file: string, options: SurveyOptions): Promise<void> {
  const { in: side, chromium: own, ...rest } = options;
  const chromium = side === "deno" ? "" : await chromiumOr(own);
  using status = new Status();
  const onLine = (line: string) => {
    status.clear();
    if (line.startsWith(LASTING)) console.error(line.slice(LASTING.length));
    else status.show(line);
  };
  const printed = await inFolder("lab-survey", async (folder) => {
    status.show("building the page");
    await writeLab(folder);
    const survey: Survey = { ...rest, folder, file: resolve(file), chromium };
    const script = side === "chromium" ? "in_chromium.ts" : "in_deno.ts";
    const env = await environmentOf(side, chromium);
    return await runScript(script, ["survey", JSON.stringify(survey)], env, undefined, onLine);
  });
  status.clear();
  const faults = v.parse(faultsSchema, JSON.parse(printed));
  const { adapter, selftest = [], ladders = [] } = await readBench(file);
  const cases = selftest.map(({ kind, cases, differing, leftOut = [] }) =>
    `${cases - differing.length} of ${cases} cases of the ${kind} shapes agree` +
    (leftOut.length > 0 ? ` (without ${leftOut.join(", ")})` : "")
  );
  const climbed = ladders.length === 0 ? [] : [`${ladders.length} ladders climbed`];
  console.log([`${adapter.description}, ${runtimeName(adapter.runtime)}`, ...climbed, ...cases].join("; "));
  console.log(`The figures are in ${file}`);
  const lines = Object.entries(faults).flatMap(([part, texts]) => texts.map((text) => `${part}: ${text}`));
  if (lines.length > 0) throw new UserError(`Expected every part to go well:\n${lines.join("\n")}`);
}
