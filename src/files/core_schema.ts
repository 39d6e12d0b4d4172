/** A schema of the core as a part of one of zod: see schema.ts. */

import * as z from "zod";
import * as v from "../schema.ts";

/** What it refuses is named with its path, as by its neighbours. */
export function coreSchema<S extends v.GenericSchema>(schema: S) {
  return z.unknown().transform((value, context): v.InferOutput<S> => {
    const parsed = v.safeParse(schema, value);
    if (parsed.success) return parsed.output;
    for (const issue of parsed.issues) {
      const path = (issue.path ?? []).map(({ key }) => key as PropertyKey);
      context.issues.push({ code: "custom", message: v.messageOf(issue), input: issue.input, path });
    }
    return z.NEVER;
  });
}
