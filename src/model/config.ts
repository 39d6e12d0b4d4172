/** What a model is, in numbers. Part of every run's config and of every snapshot's metadata. */

import { z } from "zod";
import { UserError } from "../data/user_error.ts";

export const modelConfigSchema = z.strictObject({
  /** How the history becomes a state. */
  encoder: z.literal("lstm"),
  /** H, size of the LSTM's state. */
  lstmUnits: z.int().min(1).max(1024),
  /** Sizes of the utility's hidden layers. */
  dims: z.array(z.int().min(1).max(4096)).min(1).max(8),
});
/** @throws UserError that says what is wrong where. */
export function parseConfig<T>(schema: z.ZodType<T>, config: unknown, what: string): T {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw new UserError(`The ${what} config is not valid: ${z.prettifyError(parsed.error)}`);
}

export type ModelConfig = z.infer<typeof modelConfigSchema>;

export const defaultModel: ModelConfig = { encoder: "lstm", lstmUnits: 20, dims: [64, 64] };
