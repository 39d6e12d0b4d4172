/** Kernel variants: defaults per kind of adapter, and variants that autotuning (src/autotune) chose. */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

/** Kind of adapter: a software adapter (llvmpipe, SwiftShader) or a GPU. */
export type AdapterKind = "cpu" | "gpu";

/** Product of a dense layer: act(X W + b) (forward), dX = dY W^T (input), or dW = X^T dY (weight). */
export type MatmulDirection = "forward" | "input" | "weight";

const matmulVariants = ["panel 64", "panel 128", "panel 256", "rows", "tiled"] as const;
/** Kernel variant of a matrix product. "panel 64": a workgroup computes 64 rows and 16 columns. */
export type MatmulVariant = typeof matmulVariants[number];

/** Direction of an LSTM: "forward" computes states, "backward" computes gradients of the gates' inputs. */
export type LstmDirection = "forward" | "backward";

export const lstmVariants = ["group", "group 1", "group 4", "user"] as const;
/**
 * Kernel variant of an LSTM on a GPU. `group n`: a workgroup computes n users, with one invocation per unit
 * and user. `group`: a workgroup computes as many users as 64 invocations allow, but at least one.
 * `user`: one invocation per user.
 */
export type LstmVariant = typeof lstmVariants[number];

const sumVariants = ["serial", "subgroups"] as const;
/** Kernel variant of a workgroup's final sum: by one invocation (serial), or by the lanes of a subgroup. */
export type SumVariant = typeof sumVariants[number];

export type KernelVariant = MatmulVariant | LstmVariant | SumVariant;

export const kernelVariantsSchema = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  /** "buffers" on SwiftShader: buffers, not textures, store the inputs of matrix products. */
  matrices: v.optional(v.literal("buffers")),
  /** Variants that replace the defaults of matrix products. The keys are from {@link formatMatmulKey}. */
  matmul: v.record(v.string(), v.picklist(matmulVariants)),
  /** Variants that replace the defaults of LSTMs. The keys are from {@link formatLstmKey}. */
  lstm: v.optional(v.record(v.string(), v.picklist(lstmVariants))),
  /** Variants of the kernels that add up partial sums, by kernel name. */
  sum: v.optional(v.record(v.string(), v.picklist(sumVariants))),
});
/** Kernel variants for an adapter. Results of different variants may differ in the last bits. */
export type KernelVariants = Readonly<v.InferOutput<typeof kernelVariantsSchema>>;

export type AdapterTraits = Pick<KernelVariants, "kind" | "matrices">;

export function getDefaultVariants(kind: AdapterKind, matrices?: "buffers"): KernelVariants {
  return { kind, ...(matrices && { matrices }), matmul: {} };
}

/** True if inputs of matrix products are stored in textures: on a CPU adapter, unless `matrices` is set. */
export function usesTextures({ kind, matrices }: AdapterTraits): boolean {
  return kind === "cpu" && matrices === undefined;
}

/** Adds tuned variants to the defaults. @param chosen - variants by key (see {@link formatMatmulKey}) */
export function mergeTunedVariants(
  { kind, matrices }: AdapterTraits,
  chosen: Readonly<Record<string, KernelVariant>>,
): KernelVariants {
  const matmul: Record<string, MatmulVariant> = {};
  const lstm: Record<string, LstmVariant> = {};
  const sum: Record<string, SumVariant> = {};
  for (const [key, variant] of Object.entries(chosen)) {
    if (isVariant(lstmVariants, variant)) lstm[key] = variant;
    else if (isVariant(sumVariants, variant)) sum[key] = variant;
    else matmul[key] = variant;
  }
  const others = Object.entries({ lstm, sum }).filter(([, all]) => Object.keys(all).length > 0);
  return { ...getDefaultVariants(kind, matrices), matmul, ...Object.fromEntries(others) };
}

function isVariant<V extends KernelVariant>(all: readonly V[], variant: KernelVariant): variant is V {
  return all.some((one) => one === variant);
}

/** Returns true if the variants suit the adapter's kind and its storage of matrices (buffers, textures). */
export function matchAdapter(variants: AdapterTraits, { kind, matrices }: AdapterTraits): boolean {
  return variants.kind === kind && variants.matrices === matrices;
}

/** Returns recorded variants if they suit the adapter `own`, otherwise the default variants of `own`. */
export function reuseVariants(recorded: KernelVariants | undefined, own: AdapterTraits): KernelVariants {
  return recorded && matchAdapter(recorded, own) ? recorded : getDefaultVariants(own.kind, own.matrices);
}

/** Returns a key such as "forward 64x32" for padded weights [K, N]. @param k4 - K / 4. @param n4 - N / 4 */
export function formatMatmulKey(direction: MatmulDirection, k4: number, n4: number): string {
  return `${direction} ${4 * k4}x${4 * n4}`;
}

/** Returns a key such as "lstm backward 20" with the padded number of units. @param h4 - units / 4 */
export function formatLstmKey(direction: LstmDirection, h4: number): string {
  return `lstm ${direction} ${4 * h4}`;
}

/** Largest number of terms per sum in a panel kernel / 4. Longer unrolled sums compile slowly on a GPU. */
const PANEL_K4: Readonly<Record<AdapterKind, number>> = { cpu: 64, gpu: 16 };

export interface VariantContext {
  readonly variants: KernelVariants;
  /** Size of a workgroup's memory on the adapter, in bytes; at least 16,384. */
  readonly workgroupBytes: number;
  readonly subgroups: boolean;
}

/**
 * Returns the size of a panel kernel's workgroup memory in bytes: sixteen columns of weights and, in the
 * forward kernel, 128 bytes of other parameters. With 256 inputs the forward kernel needs 16,512 bytes, more
 * than the 16,384 that WebGPU guarantees.
 */
export function computePanelBytes(direction: "forward" | "input", k4: number, n4: number): number {
  return 16 * (direction === "forward" ? 16 * k4 + 8 : 16 * n4);
}

/** Time of copying a panel (16 columns of weights), divided by the time of multiplying a row by the panel. */
const PANEL_COPY = 19;

/** Returns the panel variants, fastest first. */
function rankPanels(rows: number): MatmulVariant[] {
  const time = (own: number) => Math.ceil(rows / own) * (own + PANEL_COPY);
  return ([256, 128, 64] as const).toSorted((a, b) => time(a) - time(b)).map((own) =>
    `panel ${own}` as const
  );
}

/**
 * Returns the variants that can compute a matrix product: the default first, then from best to worst. Only
 * GPUs get tiled kernels. On SwiftShader panel kernels come last, because they read workgroup memory, which
 * is slow.
 * @param rows - number of rows of the largest batch
 */
export function listMatmulVariants(
  { variants, workgroupBytes }: VariantContext,
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
): readonly MatmulVariant[] {
  const { kind } = variants;
  if (direction === "weight") return kind === "cpu" ? ["rows"] : ["tiled", "rows"];
  const panel = (direction === "forward" ? k4 : n4) <= PANEL_K4[kind] &&
    computePanelBytes(direction, k4, n4) <= workgroupBytes;
  if (kind === "gpu") return panel ? ["tiled", "rows", "panel 128"] : ["tiled", "rows"];
  if (!panel) return ["rows"];
  return usesTextures(variants) ? [...rankPanels(rows), "rows"] : ["rows", ...rankPanels(rows)];
}

const WORKGROUP_MOST = 256;

/** Returns the variants that can compute an LSTM on a GPU, the default first. @param h4 - units / 4 */
export function listLstmVariants(h4: number): readonly LstmVariant[] {
  const group = lstmVariants.filter((variant) => {
    const users = countGroupUsers(variant, h4);
    return users !== undefined && 4 * h4 * users <= WORKGROUP_MOST;
  });
  return [...group, "user"];
}

/** Size of a workgroup that fills whole subgroups of 32 or 64 invocations. */
const FULL_GROUP = 64;

/** Returns the number of users per workgroup; undefined for the variant "user". @param h4 - units / 4 */
export function countGroupUsers(variant: LstmVariant, h4: number): number | undefined {
  const most = Math.max(1, Math.floor(FULL_GROUP / (4 * h4)));
  return { group: most, "group 1": 1, "group 4": 4, user: undefined }[variant];
}

/** Returns the bytes of workgroup memory that an LSTM kernel needs. @param units - padded number of units */
export function computeLstmBytes(direction: LstmDirection, units: number, users: number): number {
  return 16 * units ** 2 + 2 * (direction === "forward" ? 4 : 16) * users * units + 16;
}

/** Returns the kernel variants that can add up partial sums, the default first. */
export function listSumVariants({ variants, subgroups }: VariantContext): readonly SumVariant[] {
  return variants.kind === "gpu" && subgroups ? sumVariants : ["serial"];
}

/**
 * Returns the recorded variant for `key` or, if none is recorded, the first possible variant.
 * @throws UserError if the recorded variant is not possible
 */
export function pickVariant<V extends KernelVariant>(
  key: string,
  recorded: Readonly<Record<string, V>> | undefined,
  [fixed, ...others]: readonly V[],
): V {
  const chosen = recorded?.[key];
  if (!fixed) throw new Error(`expected a variant for ${key}`);
  if (chosen === undefined || chosen === fixed) return fixed;
  if (others.includes(chosen)) return chosen;
  throw new UserError(
    `Expected the kernel variant of ${key} to be one of ${[fixed, ...others].join(", ")}, got ${chosen}. ` +
      "Remove this variant from the run's config.json.",
  );
}
