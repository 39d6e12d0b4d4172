/** Snapshot of a policy: weights and training state in a safetensors file. */

import * as v from "../../schema.ts";
import { parseJson } from "../../files/json_file.ts";
import { logMarkSchema } from "../../run/csv_log.ts";
import { readSafetensors, writeSafetensors } from "../../run/snapshot_file.ts";
import { iterationSchema } from "../../run/snapshot/snapshot.ts";
import type { TensorData, TensorFile } from "../../run/snapshot/safetensors.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import { noBest } from "../../train/best_records.ts";
import { UserError } from "../../user_error.ts";
import type { PolicyState } from "./policy_trainer.ts";
import { replayParts, type ReplayState } from "./replay_buffer.ts";

const FORMAT = "clickgan-policy-1";

/** Prefixes of the names of stored tensors: Adam's moments, the target network, and the best weights. */
const PREFIXES = { m: "adam.m/", v: "adam.v/", target: "target/", best: "best/" } as const;
const REPLAY = "replay/";

const marksSchema = v.strictObject({ train: logMarkSchema, curve: logMarkSchema });
export type PolicyLogMarks = v.InferOutput<typeof marksSchema>;

const bestSchema = v.strictObject({ userSteps: v.whole(0), return: v.finiteNumber() });
export interface BestWeights extends v.InferOutput<typeof bestSchema> {
  readonly weights: Weights;
}

export function getPolicyPath(path: string): string {
  return `${path}/last.safetensors`;
}

/** Writes the snapshot of a policy. @throws UserError if the file cannot be written. */
export async function writePolicy(
  path: string,
  specs: readonly ParameterSpec[],
  { trainer, target, replay }: PolicyState,
  about: {
    readonly algorithm: string;
    readonly trainedOn: string;
    readonly marks: PolicyLogMarks;
    /** Best weights so far; undefined before the first evaluation. */
    readonly best: BestWeights | undefined;
  },
): Promise<void> {
  const tensors = new Map<string, TensorData>();
  const parts = [["", trainer.weights], [PREFIXES.m, trainer.m], [PREFIXES.v, trainer.v]] as const;
  const { best } = about;
  const others = [
    [PREFIXES.target, target],
    ...(best ? [[PREFIXES.best, best.weights] as const] : []),
  ] as const;
  for (const [prefix, weights] of [...parts, ...others]) {
    for (const { name, rows, columns } of specs) {
      const data = weights.get(name);
      if (!data) throw new Error(`policy: no values for ${name}`);
      tensors.set(prefix + name, { shape: [rows, columns], data });
    }
  }
  for (const part of replayParts) {
    tensors.set(REPLAY + part, { shape: [replay[part].length], data: replay[part] });
  }
  await writeSafetensors(getPolicyPath(path), tensors, {
    format: FORMAT,
    iteration: String(trainer.iteration),
    algorithm: about.algorithm,
    trained_on: about.trainedOn,
    logs: JSON.stringify(about.marks),
    ...(best && { best: JSON.stringify({ userSteps: best.userSteps, return: best.return }) }),
  });
}

export interface PolicySnapshot {
  readonly iteration: number;
  readonly trainedOn: string;
  readonly marks: PolicyLogMarks;
  /**
   * Returns the best weights; before the first evaluation, the latest weights.
   * @throws UserError for damaged weights, or weights of another network.
   */
  weights(specs: readonly ParameterSpec[]): Weights;
  /** Returns the best weights; undefined before the first evaluation. @throws as {@link weights}. */
  best(specs: readonly ParameterSpec[]): BestWeights | undefined;
  /** Returns the training state. @throws UserError if tensors are damaged, missing or of another network. */
  state(specs: readonly ParameterSpec[]): PolicyState;
}

/** Reads the snapshot in a policy's folder. @throws UserError if it is missing or damaged. */
export async function readPolicy(path: string): Promise<PolicySnapshot> {
  const file = getPolicyPath(path);
  const { tensors, metadata } = await readSafetensors(file);
  const marks = v.safeParse(marksSchema, parseJson(metadata.logs));
  const { success, output: iteration } = v.safeParse(iterationSchema, metadata.iteration);
  const point = v.safeParse(v.optional(bestSchema), parseJson(metadata.best));
  if (metadata.format !== FORMAT || !marks.success || !success || !point.success) {
    throw new UserError(
      `Expected a policy's snapshot, written by deno task policy train, got another file: ${file}.`,
    );
  }
  return {
    iteration,
    trainedOn: metadata.trained_on ?? "",
    marks: marks.output,
    weights: (specs) => readWeights(file, tensors, specs, point.output ? PREFIXES.best : ""),
    best: (specs) =>
      point.output && { ...point.output, weights: readWeights(file, tensors, specs, PREFIXES.best) },
    state(specs) {
      const weights = (prefix: string) => readWeights(file, tensors, specs, prefix);
      const [m, v] = [weights(PREFIXES.m), weights(PREFIXES.v)];
      return {
        trainer: { iteration, weights: weights(""), m, v, best: noBest, snapshots: {} },
        target: weights(PREFIXES.target),
        replay: readReplayState(file, tensors),
      };
    },
  };
}

function readWeights(
  file: string,
  tensors: TensorFile["tensors"],
  specs: readonly ParameterSpec[],
  prefix: string,
): Weights {
  return new Map(specs.map(({ name, rows, columns }) => {
    const { data, shape } = tensors.get(prefix + name) ?? {};
    if (!(data instanceof Float32Array) || shape?.join() !== [rows, columns].join()) {
      const found = data && shape ? `${data instanceof Float32Array ? "F32" : "U32"} [${shape}]` : "none";
      throw new UserError(
        `${file} does not fit policy.json: expected F32 [${rows}, ${columns}] ${prefix}${name}, found ${found}.`,
      );
    }
    const broken = data.findIndex((value) => !Number.isFinite(value));
    if (broken >= 0) {
      throw new UserError(
        `${file}: expected finite numbers, found ${data[broken]} in ${prefix}${name}, element ${broken}.`,
      );
    }
    return [name, data];
  }));
}

function readReplayState(file: string, tensors: TensorFile["tensors"]): ReplayState {
  const parts = replayParts.map((name) => {
    const data = tensors.get(REPLAY + name)?.data;
    if (data instanceof Uint32Array) return [name, data] as const;
    throw new UserError(
      `${file}: expected U32 values of ${REPLAY}${name}, found none. The training cannot be resumed.`,
    );
  });
  return Object.fromEntries(parts) as ReplayState;
}
