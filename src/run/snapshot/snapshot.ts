/** Snapshots: a model's weights as a safetensors file that other tools can read. */

import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { type ModelConfig, modelConfigSchema } from "../../model/model_config.ts";
import { checkShapes, listModelParameters } from "../../model/user_model.ts";
import type { ItemsShape } from "../../data/item_catalogue.ts";
import { type FeatureManifest, featuresSchema } from "../../data/manifest.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import type { Criterion } from "../../train/best_records.ts";
import { GENERATOR_PREFIX } from "../../train/networks.ts";
import { decodeSafetensors, encodeSafetensors, type TensorData, type TensorFile } from "./safetensors.ts";

/** What a {@link SnapshotGame} must be. */
export const gameSchema = v.strictObject({
  /** Null for the exact one. */
  generator: v.nullable(modelConfigSchema),
  eta: v.finiteNumber(),
  generatorEta: v.finiteNumber(),
  etaByPage: v.boolean(),
  utilityPenalty: v.finiteNumber(),
  skipNoClick: v.boolean(),
});

/** The game that a snapshot was trained in: its generator, and what the losses depend on. */
export interface SnapshotGame {
  /** Of its network; null for the exact one. */
  generator: ModelConfig | null;
  /** Of the reward; see {@link import("../../train/training_config.ts").AdversarialConfig}, as of all that follows. */
  eta: number;
  /** Of the generator. */
  generatorEta: number;
  /** Whether generatorEta is divided by the items of a page. */
  etaByPage: boolean;
  /** Weight of how far the utilities of a page are apart. */
  utilityPenalty: number;
  /** Whether events without a click do not count. */
  skipNoClick: boolean;
}

/** What a snapshot says of itself, beside its tensors. */
export interface SnapshotInfo {
  /** Of the reward. */
  readonly model: ModelConfig;
  /** The items that the model is over. */
  readonly items: ItemsShape;
  /**
   * What the features of the items mean, where the data said it: names, order, scales, values and checksums.
   * @internal
   */
  readonly features?: FeatureManifest;
  /** Iterations that made it. */
  readonly iteration: number;
  /** The criterion by which it is the best, or "last". */
  readonly kind: string;
  /**
   * Of a snapshot of the adversarial stage; the generator's weights carry a prefix.
   * @internal
   */
  readonly game?: SnapshotGame;
}

const FORMAT = "clickgan-1";

const count = v.whole(1);
const itemsSchema = v.variant("kind", [
  v.pipe(
    v.strictObject({ kind: v.literal("one-hot"), count, width: count }),
    v.check(
      (items) => items.width === items.count,
      "expected one-hot items to be as wide as there are items",
    ),
  ),
  v.strictObject({ kind: v.literal("dense"), count, width: count }),
  v.strictObject({ kind: v.literal("mixed"), count, width: v.whole(0), tokens: count }),
]);

/** How many iterations were done, as text. */
export const iterationSchema = v.pipe(v.string(), v.regex(/^\d{1,10}$/), v.transform(Number));

const metadataSchema = v.object({
  format: v.literal(FORMAT),
  model: json(modelConfigSchema),
  items: json(itemsSchema),
  features: v.optional(json(featuresSchema)),
  iteration: iterationSchema,
  kind: v.picklist(["best-loss", "best-prec1", "best-prec2", "last"]),
  game: v.optional(json(gameSchema)),
});

/** A text that is JSON of something. */
function json<S extends v.GenericSchema>(schema: S) {
  return v.pipe(v.string(), v.parseJson(), schema);
}

/**
 * What a snapshot's file holds.
 * @param specs of all networks' parameters. @param weights [rows, columns] each, by name.
 * @param more further tensors (the optimiser's), by their prefix. @param extra further metadata.
 */
export function buildSnapshot(
  specs: readonly ParameterSpec[],
  weights: Weights,
  info: SnapshotInfo,
  more: ReadonlyMap<string, Weights> = new Map(),
  extra: Readonly<Record<string, string>> = {},
): TensorFile {
  const tensors = new Map<string, TensorData>();
  for (const [prefix, values] of [["", weights] as const, ...more]) {
    for (const { name, rows, columns } of selectSnapshotSpecs(specs, prefix)) {
      const data = values.get(name);
      if (!data) throw new Error(`snapshot: no values for ${name}`);
      tensors.set(prefix + name, { shape: [rows, columns], data });
    }
  }
  return { tensors, metadata: snapshotMetadata(info, extra) };
}

/** What stands under a prefix of a snapshot: constants are among the weights alone. */
export function selectSnapshotSpecs(
  specs: readonly ParameterSpec[],
  prefix: string,
): readonly ParameterSpec[] {
  return prefix === "" ? specs : specs.filter(({ constant }) => !constant);
}

function snapshotMetadata(
  info: SnapshotInfo,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    format: FORMAT,
    kind: info.kind,
    iteration: String(info.iteration),
    model: JSON.stringify(info.model),
    items: JSON.stringify(info.items),
    ...(info.features ? { features: JSON.stringify(info.features) } : {}),
    ...(info.game ? { game: JSON.stringify(info.game) } : {}),
    ...extra,
  };
}

/** The bytes of a snapshot's file; see {@link buildSnapshot}. */
export function encodeSnapshot(
  specs: readonly ParameterSpec[],
  weights: Weights,
  info: SnapshotInfo,
): Uint8Array<ArrayBuffer> {
  const { tensors, metadata } = buildSnapshot(specs, weights, info);
  return encodeSafetensors(tensors, metadata);
}

/** What a snapshot holds. */
export interface Snapshot {
  /** By name, those of a generator with its prefix. */
  readonly weights: Weights;
  /** Tensors whose name starts with a prefix such as "adam.m/", without it. */
  part(prefix: string): Weights;
  /**
   * Looks whether the tensors have the shapes of these parameters, [rows, columns].
   * @throws UserError for a tensor of another shape, however many values there are.
   */
  checkShapes(specs: readonly ParameterSpec[]): void;
  /** Undefined for a file of another program, which may still hold weights that fit. */
  readonly info: SnapshotInfo | undefined;
  /** All that the file says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Prefixes of the optimiser's tensors; they are no weights. */
export const MOMENT_PREFIXES = { m: "adam.m/", v: "adam.v/" } as const;
/** Prefixes of the best weights so far, in a file that holds a whole training. */
export const BEST_PREFIXES: Readonly<Record<Criterion, string>> = {
  loss: "best-loss/",
  prec1: "best-prec1/",
  prec2: "best-prec2/",
};
/** What is not the weights as they stand. */
const OTHER_PREFIXES = [...Object.values(MOMENT_PREFIXES), ...Object.values(BEST_PREFIXES)];

/**
 * A snapshot from the bytes of its file, or of a safetensors file of another program.
 * @param path for messages. @throws UserError for bytes that are damaged, or say something unreadable of their model.
 */
export function decodeSnapshot(bytes: Uint8Array<ArrayBuffer>, path: string): Snapshot {
  return parseSnapshot(decodeSafetensors(bytes, path), path);
}

/** A snapshot from what its file holds. @throws UserError as {@link decodeSnapshot}. */
export function parseSnapshot({ tensors, metadata }: TensorFile, path: string): Snapshot {
  const part = (wanted: (name: string) => string | undefined): Weights => {
    const out: Weights = new Map();
    for (const [name, { data }] of tensors) {
      const short = wanted(name);
      if (short === undefined) continue;
      if (!(data instanceof Float32Array)) {
        throw new UserError(`${path}: expected ${name} to be F32, found U32.`);
      }
      const broken = data.findIndex((value) => !Number.isFinite(value));
      if (broken >= 0) {
        throw new UserError(
          `${path}: expected finite numbers, found ${data[broken]} in ${name}, element ${broken}. Use ` +
            "another snapshot.",
        );
      }
      out.set(short, data);
    }
    return out;
  };
  let info: SnapshotInfo | undefined;
  if (metadata.format !== undefined) {
    const parsed = v.safeParse(metadataSchema, metadata);
    if (!parsed.success) {
      throw new UserError(
        `${path}: its metadata is not of a ${FORMAT} snapshot: ${v.describeIssues(parsed.issues)}`,
      );
    }
    info = parsed.output;
  }
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  if (info) checkShapes(listTensorSpecs(info), shapes, path);
  return {
    weights: part((name) => (OTHER_PREFIXES.some((prefix) => name.startsWith(prefix)) ? undefined : name)),
    part: (prefix) => part((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined)),
    checkShapes: (specs) => checkShapes(specs, shapes, path),
    info,
    metadata,
  };
}

/** The tensors that a snapshot may hold, by what it says of itself. */
function listTensorSpecs({ model, items, game }: SnapshotInfo): ParameterSpec[] {
  const under = (prefix: string, specs: readonly ParameterSpec[]) =>
    specs.map((spec) => ({ ...spec, name: prefix + spec.name }));
  const weights = [
    ...listModelParameters(items, model),
    ...(game?.generator ? under(GENERATOR_PREFIX, listModelParameters(items, game.generator)) : []),
  ];
  return ["", ...OTHER_PREFIXES].flatMap((prefix) => under(prefix, weights));
}

/**
 * Weights in which the token for all other values of a field has the mean of the field's rows, where training never meets
 * that token: what is not known of a value is what values are like on average.
 * @param V tokens of the model. @returns the same weights where there is no such field.
 */
export function withMeanRows(
  specs: readonly ParameterSpec[],
  weights: Weights,
  features: FeatureManifest | undefined,
  V: number,
): Weights {
  const fields = (features?.tokens ?? []).filter(({ other, count }) => other === "mean" && count > 1);
  if (fields.length === 0) return weights;
  const filled: Weights = new Map(weights);
  for (const { name, rows, columns, table } of specs) {
    const values = weights.get(name);
    if (!table || rows !== V || !values) continue;
    const own = values.slice();
    for (const { first, count } of fields) {
      const last = first + count - 1;
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let row = first; row < last; row++) sum += values[row * columns + column] ?? 0;
        own[last * columns + column] = sum / (count - 1);
      }
    }
    filled.set(name, own);
  }
  return filled;
}
