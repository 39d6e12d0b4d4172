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

/** Schema of a {@link SnapshotGame}. */
export const gameSchema = v.strictObject({
  /** Null for the exact generator. */
  generator: v.nullable(modelConfigSchema),
  eta: v.finiteNumber(),
  generatorEta: v.finiteNumber(),
  etaByPage: v.boolean(),
  utilityPenalty: v.finiteNumber(),
  skipNoClick: v.boolean(),
});

/** Game that a snapshot was trained in: its generator, and the parameters of the losses. */
export interface SnapshotGame {
  /** Config of the generator's network; null for the exact generator. */
  generator: ModelConfig | null;
  /**
   * Inverse temperature of the reward; see {@link import("../../train/training_config.ts").AdversarialConfig} for all fields.
   */
  eta: number;
  /** Inverse temperature of the generator. */
  generatorEta: number;
  /** True if generatorEta is divided by the number of items of a page. */
  etaByPage: boolean;
  /** Weight of the penalty on the spread of utilities within a page. */
  utilityPenalty: number;
  /** True if events without a click are skipped. */
  skipNoClick: boolean;
}

/** Metadata of a snapshot. */
export interface SnapshotInfo {
  /** Config of the reward. */
  readonly model: ModelConfig;
  /** Shape of the items of the model. */
  readonly items: ItemsShape;
  /**
   * Item features, if the data had a manifest: names, order, scales, values and checksums.
   * @internal
   */
  readonly features?: FeatureManifest;
  /** Number of iterations that produced it. */
  readonly iteration: number;
  /** "best-" and the criterion, or "last". */
  readonly kind: string;
  /**
   * Game of the adversarial stage; the generator's weights have a prefix.
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

/** Number of iterations, as text. */
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

/** Schema of a JSON text. */
function json<S extends v.GenericSchema>(schema: S) {
  return v.pipe(v.string(), v.parseJson(), schema);
}

/**
 * Builds the contents of a snapshot file.
 * @param specs of all networks' parameters. @param weights [rows, columns] each, by name.
 * @param more further tensors (of the optimiser), by prefix. @param extra further metadata.
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

/** Returns the parameters stored under a prefix: constants are stored only with the weights. */
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

/** Encodes a snapshot file; see {@link buildSnapshot}. */
export function encodeSnapshot(
  specs: readonly ParameterSpec[],
  weights: Weights,
  info: SnapshotInfo,
): Uint8Array<ArrayBuffer> {
  const { tensors, metadata } = buildSnapshot(specs, weights, info);
  return encodeSafetensors(tensors, metadata);
}

/** Contents of a snapshot. */
export interface Snapshot {
  /** Weights by name; those of a generator have its prefix. */
  readonly weights: Weights;
  /** Returns the tensors with a name prefix such as "adam.m/", without it. */
  part(prefix: string): Weights;
  /**
   * Checks that the tensors have the shapes of these parameters, [rows, columns].
   * @throws UserError for a tensor of another shape.
   */
  checkShapes(specs: readonly ParameterSpec[]): void;
  /** Undefined for a file of another program, which may still hold usable weights. */
  readonly info: SnapshotInfo | undefined;
  /** All metadata of the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Prefixes of the optimiser's tensors, which are not weights. */
export const MOMENT_PREFIXES = { m: "adam.m/", v: "adam.v/" } as const;
/** Prefixes of the best weights so far, in a file that stores a training. */
export const BEST_PREFIXES: Readonly<Record<Criterion, string>> = {
  loss: "best-loss/",
  prec1: "best-prec1/",
  prec2: "best-prec2/",
};
/** Prefixes of tensors other than the current weights. */
const OTHER_PREFIXES = [...Object.values(MOMENT_PREFIXES), ...Object.values(BEST_PREFIXES)];

/**
 * Decodes a snapshot, or a safetensors file of another program.
 * @param path for messages. @throws UserError for bytes that are damaged, or unreadable metadata.
 */
export function decodeSnapshot(bytes: Uint8Array<ArrayBuffer>, path: string): Snapshot {
  return parseSnapshot(decodeSafetensors(bytes, path), path);
}

/** Parses the contents of a snapshot file. @throws UserError as {@link decodeSnapshot}. */
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
        `${path}: expected the metadata of a ${FORMAT} snapshot: ${v.describeIssues(parsed.issues)}`,
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

/** Lists the tensors that a snapshot may have, by its metadata. */
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
 * Sets the row of a field's "other values" token to the mean of the field's rows, if training never sees that token: an
 * unknown value is treated like an average one.
 * @param V tokens of the model. @returns the same weights if there is no such field.
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
