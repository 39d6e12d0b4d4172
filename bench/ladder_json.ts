/** The numbers of the ladders' tables as JSON, beside the page: the lab's page shows them beside those of its own adapter. */

import * as v from "../src/schema.ts";
import { readJson } from "../src/run/files/json_file.ts";
import type { StepResult } from "../src/selftest/ladder/run.ts";
import type { Size } from "../src/selftest/ladder/problem.ts";
import type { ShippedLadder } from "../src/selftest/ladder/shipped.ts";
import { writeRecords } from "./output.ts";

const ladderSchema: v.GenericSchema<unknown, ShippedLadder> = v.strictObject({
  ladder: v.string(),
  size: v.array(v.whole(1)),
  adapter: v.string(),
  cores: v.whole(1),
  runtime: v.string(),
  steps: v.array(v.strictObject({
    number: v.whole(1),
    kernel: v.string(),
    idea: v.string(),
    changes: v.whole(1),
    microseconds: v.optional(v.positive()),
    least: v.optional(v.positive()),
    gainOnFirst: v.optional(v.positive()),
    gain: v.optional(v.positive()),
  })),
});
const fileSchema = v.array(ladderSchema);

/** Where the numbers of a page stand. */
export function jsonBeside(page: string): string {
  return page.replace(/(\.md)?$/, ".json");
}

/** @throws UserError for a file that is damaged. */
export async function readLadders(file: string): Promise<ShippedLadder[]> {
  return await readJson(file, fileSchema) ?? [];
}

/** Puts a ladder in the place of the one of its name; the others stay. @throws UserError when the file cannot be written. */
export async function writeLadder(file: string, ladder: ShippedLadder): Promise<void> {
  const before = await readLadders(file);
  const known = before.some((other) => other.ladder === ladder.ladder);
  const after = known
    ? before.map((other) => other.ladder === ladder.ladder ? ladder : other)
    : [...before, ladder];
  await writeRecords(file, after);
}

/** What is shipped of a ladder's results. */
export function shippedLadder(
  ladder: string,
  size: Size,
  on: Pick<ShippedLadder, "adapter" | "cores" | "runtime">,
  results: readonly StepResult[],
): ShippedLadder {
  const steps = results.map(({ number, kernel, idea, changes, time, gainOnFirst, gain }) => ({
    ...{ number, kernel, idea, changes },
    ...(time && { microseconds: time.median, least: time.min }),
    ...{ gainOnFirst, gain: number === 1 ? undefined : gain },
  }));
  return { ladder, size, ...on, steps };
}
