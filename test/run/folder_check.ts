import assert from "node:assert/strict";
import { defaultModel } from "../../src/model/model_config.ts";
import { type RunConfig, runConfigSchema } from "../../src/run/run_config.ts";
import * as v from "../../src/schema.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { UserError } from "../../src/user_error.ts";

export async function withEmptyFolder<T>(body: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-" });
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export function makeRunConfig(more: Partial<RunConfig>): RunConfig {
  return v.parse(runConfigSchema, {
    ...{
      format: "clickgan-run",
      clickgan: "test",
      command: [],
      system: "test",
      init: null,
      pretrain: true,
      adversarial: null,
    },
    data: { kind: "demo", seed: 7 },
    adapter: { kind: "cpu", description: "", vendor: "", architecture: "", runtime: "", driver: "" },
    model: defaultModel,
    training: defaultTraining,
    ...more,
  });
}

/** Returns a check for assert.throws and assert.rejects: a UserError whose message matches all `messages`. */
export function isUserError(...messages: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UserError, String(error));
    for (const message of messages) assert.match(error.message, message);
    return true;
  };
}
