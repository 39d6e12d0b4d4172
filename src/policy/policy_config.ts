/** Reads and writes policy.json: the config of a policy's training, and the simulated users. */

import * as v from "../schema.ts";
import { pathExists } from "../files/local_file.ts";
import { FOLDER_FORMATS, readJson, writeJson } from "../files/json_file.ts";
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
  /** Path that the model's snapshot had when the policy was trained. */
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
  items: v.whole(1),
  training: policyTrainingSchema,
  adapter: runConfigSchema.entries.adapter,
  system: v.string(),
  variants: runConfigSchema.entries.variants,
});
export type PolicyConfig = v.InferOutput<typeof policyConfigSchema>;

const NAME = "policy.json";

/** Reads policy.json. @throws UserError if the folder has no policy, or the file is damaged. */
export async function readPolicyConfig(path: string): Promise<PolicyConfig> {
  const config = await readJson(`${path}/${NAME}`, policyConfigSchema);
  if (!config) {
    throw new UserError(`Expected the folder of a policy, found no ${NAME} in ${path}.`);
  }
  return config;
}

/** Returns true if a folder has a policy.json, which may be damaged. */
export function hasPolicy(path: string): Promise<boolean> {
  return pathExists(`${path}/${NAME}`);
}

export async function writePolicyConfig(path: string, config: PolicyConfig): Promise<void> {
  await writeJson(`${path}/${NAME}`, config);
}

/** @throws UserError if the number of items in policy.json differs from that of the simulated users. */
export function expectItems(path: string, { items }: PolicyConfig, users: string, itemCount: number): void {
  if (itemCount === items) return;
  throw new UserError(
    `Expected ${itemCount} items in ${path}/${NAME}, the number of items of ${users}, found ${items}. ` +
      "Restore the old policy.json, or use the users that the policy was trained on.",
  );
}

/** @throws UserError if policy.json names other users than `saved`, which the snapshot names. */
export function expectSubject(path: string, { trainedOn }: PolicyConfig, saved: string): void {
  // Only the checksum identifies a model, because its file may have been moved.
  const own = describeSubject(trainedOn).replace(/^the model .*(?=\(sha256 )/, "");
  if (saved.endsWith(own)) return;
  throw new UserError(
    `Expected trainedOn in ${path}/${NAME} to name ${saved}, as in the snapshot, ` +
      `found ${describeSubject(trainedOn)}. Restore the old file.`,
  );
}

/** Returns a text that identifies the model or ground truth on whose users a policy was trained. */
export function describeSubject(subject: PolicySubject): string {
  if (subject.kind === "truth") {
    return `the truth of the ${subject.shop} shop of --data-seed ${subject.dataSeed}`;
  }
  return `the model ${subject.path} (sha256 ${subject.sha256.slice(0, 12)})`;
}

/** Returns true if both descriptions name the same simulated users; paths of models are not compared. */
export function isSame(one: PolicySubject, other: PolicySubject): boolean {
  return one.kind === "truth"
    ? other.kind === "truth" && other.shop === one.shop && other.dataSeed === one.dataSeed
    : other.kind === "model" && other.sha256 === one.sha256;
}

/** @throws UserError if a policy was not trained on the simulated users `given`. */
export function expectTrainedOn(path: string, { trainedOn }: PolicyConfig, given: PolicySubject): void {
  if (isSame(trainedOn, given)) return;
  throw new UserError(
    `Expected a policy trained on ${describeSubject(given)}, but ${path} was trained on ` +
      `${describeSubject(trainedOn)}. Use the users that the policy was trained on, or train another policy.`,
  );
}
