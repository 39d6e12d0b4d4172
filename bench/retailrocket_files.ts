/**
 * Files in Retailrocket's exact layout with made-up contents, as large as the genuine ones or a part of them:
 * `deno run --node-modules-dir=none -A bench/retailrocket_files.ts --out DIR [--scale 0.1]`. At scale 1: 2,756,101 events of 1,407,580 visitors
 * and 235,061 items, 20,275,902 rows of properties in two files, 1,669 categories with 25 roots.
 *
 * Nothing in it is to be learned; it is there to measure how preparation and training grow.
 */

import { Command } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { folder, numberOf, parse } from "../src/cli/options.ts";
import { Engine, stepsOf } from "../src/data/prepare/engine.ts";
import * as v from "../src/schema.ts";
import script from "./retailrocket_files.sql" with { type: "text" };

const scaleOption = numberOf(v.positive(10), "a number above 0, at most 10");

export async function writeRetailrocketFiles(out: string, scale: number): Promise<void> {
  await Deno.mkdir(out, { recursive: true });
  const engine = await Engine.open({ workFolder: "", memory: "4GB" });
  try {
    await engine.setVariables({
      out,
      events: Math.round(2_756_101 * scale),
      visitors: Math.round(1_407_580 * scale),
      items: Math.max(30, Math.round(235_061 * scale)),
      properties: Math.round(20_275_902 * scale),
      categories: 1669,
      roots: 25,
    });
    await engine.runSteps(stepsOf(script), { onStep: ({ title }) => console.error(title) });
  } finally {
    engine.close();
  }
}

if (import.meta.main) {
  await runMain(async () => {
    const command = new Command("retailrocket_files")
      .description("Writes files in Retailrocket's layout with made-up contents.")
      .requiredOption("--out <folder>", "where to write them", folder)
      .option("--scale <x>", "share of the genuine size", scaleOption, 1);
    const { out, scale } = parse<{ out: string; scale: number }>(command, Deno.args);
    await writeRetailrocketFiles(out, scale);
  });
}
