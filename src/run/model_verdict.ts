/** What the test users of a model's run said of it: whoever is simulated by the model is no better than that. */

import { dirname, join } from "node:path";
import { readJson } from "./files/json_file.ts";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

const resultSchema = v.looseObject({ verdict: v.optional(v.array(v.string()), []) });

/**
 * The sentences of the `result.json` beside a snapshot; none where there is none, or it cannot be read: a model may be used
 * without its run.
 */
export async function verdictBeside(snapshot: string): Promise<readonly string[]> {
  try {
    return (await readJson(join(dirname(snapshot), "result.json"), resultSchema))?.verdict ?? [];
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}
