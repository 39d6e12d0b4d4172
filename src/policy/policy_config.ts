/** policy.json of a trained policy: the config that repeats its training, and the users that it was trained on. */

import * as v from "../schema.ts";
import { pathExists } from "../files/local_file.ts";
import { FOLDER_FORMATS } from "../files/folder_formats.ts";
import { readJson, writeJson } from "../files/json_file.ts";
import { runConfigSchema } from "../run/run_config.ts";
import { UserError } from "../user_error.ts";
import { policyTrainingSchema } from "./learning/policy_training_config.ts";

const madeUpSchema = v.strictObject({
  kind: v.literal("truth"),
  shop: v.string(),
  dataSeed: v.wholeNumber(),
});
const modelSchema = v.strictObject({
  kind: v.literal("model"),
  /** Path of the snapshot when the policy was trained. */
  path: v.string(),
  sha256: v.string(),
  data: runConfigSchema.entries.data,
});

/** Users that a policy was trained on: a learned model, or the ground truth of a synthetic shop. */
const subjectSchema = v.variant("kind", [madeUpSchema, modelSchema]);
export type PolicySubject = v.InferOutput<typeof subjectSchema>;

export const policyConfigSchema = v.object({
  format: v.literal(FOLDER_FORMATS.policy),
  clickgan: v.string(),
  command: v.array(v.string()),
  trainedOn: subjectSchema,
  /** I */
  items: v.whole(1),
  training: policyTrainingSchema,
  adapter: runConfigSchema.entries.adapter,
  system: v.string(),
  variants: runConfigSchema.entries.variants,
});
export type PolicyConfig = v.InferOutput<typeof policyConfigSchema>;

const NAME = "policy.json";

/** @throws UserError if there is no policy, or its file is damaged. */
export async function readPolicyConfig(path: string): Promise<PolicyConfig> {
  const config = await readJson(`${path}/${NAME}`, policyConfigSchema);
  if (!config) {
    throw new UserError(`Expected the folder of a policy, with a ${NAME}, found none at ${path}.`);
  }
  return config;
}

/** True if a folder has a policy's file, which may be damaged. */
export function hasPolicy(path: string): Promise<boolean> {
  return pathExists(`${path}/${NAME}`);
}

/** @throws UserError if the file cannot be written. */
export async function writePolicyConfig(path: string, config: PolicyConfig): Promise<void> {
  await writeJson(`${path}/${NAME}`, config);
}

/** @throws UserError if the file has another number of items than the users that the policy was trained on. */
export function expectItems(path: string, { items }: PolicyConfig, users: string, itemCount: number): void {
  if (itemCount === items) return;
  throw new UserError(
    `Expected ${itemCount} items in ${path}/${NAME}, as ${users} has, found ${items}. Put the old file back, or use the ` +
      "users that the policy was trained on.",
  );
}

/**
 * @param saved subject in the policy's snapshot, as {@link describeSubject} formats it.
 * @throws UserError if the file names other users than the snapshot.
 */
export function expectSubject(path: string, { trainedOn }: PolicyConfig, saved: string): void {
  // A model's file may have been moved: the checksum identifies it.
  const own = describeSubject(trainedOn).replace(/^the model .*(?=\(sha256 )/, "");
  if (saved.endsWith(own)) return;
  throw new UserError(
    `Expected ${path}/${NAME} to say that the policy was trained on ${saved}, as its snapshot does, found ` +
      `${describeSubject(trainedOn)}. Put the old file back.`,
  );
}

/** Formats a subject: "the truth of the restless shop of --data-seed 1". */
export function describeSubject(subject: PolicySubject): string {
  if (subject.kind === "truth") {
    return `the truth of the ${subject.shop} shop of --data-seed ${subject.dataSeed}`;
  }
  return `the model ${subject.path} (sha256 ${subject.sha256.slice(0, 12)})`;
}

/** True if both are the same users. A model's file may have been moved, or opened with other data. */
export function isSame(one: PolicySubject, other: PolicySubject): boolean {
  return one.kind === "truth"
    ? other.kind === "truth" && other.shop === one.shop && other.dataSeed === one.dataSeed
    : other.kind === "model" && other.sha256 === one.sha256;
}

/** @throws UserError if a policy was trained on other users: its weights would have no meaning for these. */
export function expectTrainedOn(path: string, { trainedOn }: PolicyConfig, given: PolicySubject): void {
  if (isSame(trainedOn, given)) return;
  throw new UserError(
    `Expected the policy of ${path} to see users through ${describeSubject(given)}, but it was trained on ` +
      `${describeSubject(trainedOn)}. Use what it was trained on, or train a policy on this one.`,
  );
}
