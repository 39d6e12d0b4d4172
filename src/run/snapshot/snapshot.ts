/** Snapshots: the weights of a model in a safetensors file, which other tools can read. */

import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { type ModelConfig, modelConfigSchema } from "../../model/model_config.ts";
import { checkShapes, checkWeights, listModelParameters } from "../../model/user_model.ts";
import type { ItemsShape } from "../../data/item_catalogue.ts";
import { type FeatureManifest, featuresSchema } from "../../data/manifest.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import type { Criterion } from "../../train/best_records.ts";
import { GENERATOR_PREFIX } from "../../train/networks.ts";
import { decodeSafetensors, encodeSafetensors, type TensorData, type TensorFile } from "./safetensors.ts";
import type { AdversarialConfig } from "../../train/training_config.ts";

export const gameSchema = v.strictObject({
  /** Config of the generator's network; null for the exact generator, which has no network. */
  generator: v.nullable(modelConfigSchema),
  eta: v.finiteNumber(),
  generatorEta: v.finiteNumber(),
  etaByPage: v.boolean(),
  utilityPenalty: v.finiteNumber(),
  skipNoClick: v.boolean(),
});

/** Settings of the adversarial stage that its snapshots store. */
export interface SnapshotGame
  extends Pick<AdversarialConfig, "generatorEta" | "etaByPage" | "utilityPenalty" | "skipNoClick"> {
  /** Config of the generator's network; null for the exact generator. */
  generator: ModelConfig | null;
  /** Reward's inverse temperature. */
  eta: number;
}

/** Metadata of a snapshot, which describe the model to which the weights belong. */
export interface SnapshotInfo {
  /** Config of the reward network. */
  readonly model: ModelConfig;
  /** Number of the model's items, and kind of their features. */
  readonly items: ItemsShape;
  /** @internal Names, order, scales, values and checksums of item features; undefined without features. */
  readonly features?: FeatureManifest;
  /** Number of training iterations before the snapshot. */
  readonly iteration: number;
  /** Kind of the snapshot, such as "last", "best-loss", or the title of a baseline. */
  readonly kind: string;
  /** @internal Settings of the adversarial game; undefined for the Shannon stage. */
  readonly game?: SnapshotGame;
}

const FORMAT = "clickgan-1";

const count = v.whole(1);
const itemsSchema = v.variant("kind", [
  v.pipe(
    v.strictObject({ kind: v.literal("one-hot"), count, width: count }),
    v.check((items) => items.width === items.count, "expected as many one-hot features as items"),
  ),
  v.strictObject({ kind: v.literal("dense"), count, width: count }),
  v.strictObject({ kind: v.literal("mixed"), count, width: v.whole(0), tokens: count }),
]);

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

function json<S extends v.GenericSchema>(schema: S) {
  return v.pipe(v.string(), v.parseJson(), schema);
}

/**
 * Builds the tensors and metadata of a snapshot file. @param specs - parameters of all networks
 * @param weights - [rows, columns] by parameter name @param more - other tensors by prefix, such as "adam.m/"
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
  const metadata = {
    format: FORMAT,
    kind: info.kind,
    iteration: String(info.iteration),
    model: JSON.stringify(info.model),
    items: JSON.stringify(info.items),
    ...(info.features && { features: JSON.stringify(info.features) }),
    ...(info.game && { game: JSON.stringify(info.game) }),
    ...extra,
  };
  return { tensors, metadata };
}

/** Returns the parameters whose tensors have a name prefix. Constants are stored without prefix only. */
function selectSnapshotSpecs(specs: readonly ParameterSpec[], prefix: string): readonly ParameterSpec[] {
  return prefix === "" ? specs : specs.filter(({ constant }) => !constant);
}

/** Encodes a snapshot as bytes; see {@link buildSnapshot}. */
export function encodeSnapshot(
  specs: readonly ParameterSpec[],
  weights: Weights,
  info: SnapshotInfo,
): Uint8Array<ArrayBuffer> {
  const { tensors, metadata } = buildSnapshot(specs, weights, info);
  return encodeSafetensors(tensors, metadata);
}

/** Weights and metadata that a snapshot file stores. */
export interface Snapshot {
  /** Weights by parameter name. Names of a generator's weights begin with `generator/`. */
  readonly weights: Weights;
  /** Returns the tensors whose names begin with a prefix such as "adam.m/"; keys lack the prefix. */
  part(prefix: string): Weights;
  /** Checks the tensors' shapes [rows, columns]. @throws UserError if a parameter has another shape. */
  checkShapes(specs: readonly ParameterSpec[]): void;
  /** Metadata of the model; undefined for a safetensors file of another program. */
  readonly info: SnapshotInfo | undefined;
  /** All metadata of the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Name prefixes of Adam's first and second moments in a snapshot file. */
export const MOMENT_PREFIXES = { m: "adam.m/", v: "adam.v/" } as const;
/** Prefixes of the names of tensors that store the best weights by each validation criterion. */
export const BEST_PREFIXES: Readonly<Record<Criterion, string>> = {
  loss: "best-loss/",
  prec1: "best-prec1/",
  prec2: "best-prec2/",
};

/** Reads Adam's moments from a training's snapshot. @throws UserError for missing or unknown tensors */
export function readMoments(snapshot: Snapshot, specs: readonly ParameterSpec[], path: string) {
  const { m, v } = MOMENT_PREFIXES;
  return { m: readPart(snapshot, specs, m, path), v: readPart(snapshot, specs, v, path) };
}

/**
 * Reads the weights that were best by a validation criterion. Constants are taken from the current weights,
 * because training does not change constants. @throws UserError for missing or unknown tensors
 */
export function readBestWeights(
  snapshot: Snapshot,
  specs: readonly ParameterSpec[],
  criterion: Criterion,
  path: string,
): Weights {
  const weights = readPart(snapshot, specs, BEST_PREFIXES[criterion], path);
  for (const { name, constant } of specs) {
    if (constant) weights.set(name, snapshot.weights.get(name) ?? new Float32Array());
  }
  return weights;
}

function readPart(snapshot: Snapshot, specs: readonly ParameterSpec[], prefix: string, path: string) {
  const found = snapshot.part(prefix);
  checkWeights(selectSnapshotSpecs(specs, prefix), found, `The tensors ${prefix} of ${path}`);
  return found;
}

/** Name prefixes of Adam's moments and of the best weights; names of current weights have no prefix. */
const OTHER_PREFIXES = [...Object.values(MOMENT_PREFIXES), ...Object.values(BEST_PREFIXES)];

/**
 * Decodes a snapshot, or a safetensors file of another program. @param path - name of the file in errors.
 * @throws UserError if the bytes are damaged or the metadata unreadable.
 */
export function decodeSnapshot(bytes: Uint8Array<ArrayBuffer>, path: string): Snapshot {
  return parseSnapshot(decodeSafetensors(bytes, path), path);
}

/** Parses the contents of a snapshot file. @throws UserError if they are damaged. */
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

/** Lists all tensors that may be in a snapshot with these metadata. */
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
 * Fills untrained rows of token embeddings. All unknown values of a field (such as a category) share the
 * token "other". If the training data do not have this token, its row is not trained. Then this function sets
 * the row to the mean of the field's other rows. @param V - number of tokens
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
