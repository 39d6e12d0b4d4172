/**
 * Which kernel does a matrix product or an LSTM, of those that can. A fixed table names one for each kind of adapter. A
 * calibration (see src/autotune) may choose another, for the sizes that it timed.
 */

import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

/** What a kernel's shape is chosen by: a CPU that poses as a GPU (llvmpipe, SwiftShader), or a real GPU. */
export type AdapterKind = "cpu" | "gpu";

/** forward: act(input W + b); input: output_gradient W^T; weight: input^T output_gradient. */
export type MatmulDirection = "forward" | "input" | "weight";

/** How a matrix product is computed. The number of a panel is its workgroup's rows. */
export type MatmulVariant = "panel 64" | "panel 128" | "panel 256" | "rows" | "tiled";
const matmulVariants = [
  "panel 64",
  "panel 128",
  "panel 256",
  "rows",
  "tiled",
] as const satisfies readonly MatmulVariant[];

/** forward: states of all events; backward: from the gradient of the states to that of what went into the gates. */
export type LstmDirection = "forward" | "backward";

/**
 * How a GPU computes an LSTM: so many users share a workgroup, an invocation a unit of one (`group`: as many as 64 invocations
 * have room for); or an invocation a user.
 */
export type LstmVariant = "group" | "group 1" | "group 4" | "user";
export const lstmVariants = ["group", "group 1", "group 4", "user"] as const satisfies readonly LstmVariant[];

/** How a workgroup adds up its invocations' sums: one invocation all of them, or a subgroup, each of its lanes some. */
export type SumVariant = "serial" | "subgroups";
const sumVariants = ["serial", "subgroups"] as const satisfies readonly SumVariant[];

/** What a calibration chooses among. */
export type KernelVariant = MatmulVariant | LstmVariant | SumVariant;

/** What {@link KernelVariants} must be. */
export const kernelShapesSchema = v.strictObject({
  kind: v.picklist(["cpu", "gpu"]),
  matrices: v.optional(v.literal("buffers")),
  matmul: v.record(v.string(), v.picklist(matmulVariants)),
  lstm: v.optional(v.record(v.string(), v.picklist(lstmVariants))),
  sum: v.optional(v.record(v.string(), v.picklist(sumVariants))),
});
/** Another variant may sum in another order: with other variants, results may differ in their last bits. */
export interface KernelVariants {
  /** It also decides what stands in uniforms. */
  readonly kind: AdapterKind;
  /**
   * Where matrices stand that products read again and again. Absent: in storage textures on a CPU adapter, which llvmpipe
   * reads faster, and in buffers on a GPU. SwiftShader is a CPU adapter that reads buffers faster.
   */
  readonly matrices?: "buffers" | undefined;
  /** What differs from the fixed table, by {@link formatMatmulKey}. */
  readonly matmul: Record<string, MatmulVariant>;
  /** The same of LSTMs, by {@link formatLstmKey}. */
  readonly lstm?: Record<string, LstmVariant> | undefined;
  /** The same of sums, by their kernel's name. */
  readonly sum?: Record<string, SumVariant> | undefined;
}

/** What an adapter's fixed table follows from. */
export type AdapterTraits = Pick<KernelVariants, "kind" | "matrices">;

/** The fixed table for a kind of adapter. @param matrices as in {@link KernelVariants}. */
export function getDefaultVariants(kind: AdapterKind, matrices?: "buffers"): KernelVariants {
  return { kind, ...(matrices && { matrices }), matmul: {} };
}

/** Whether matrices that products read again and again stand in storage textures. */
export function usesTextures({ kind, matrices }: AdapterTraits): boolean {
  return kind === "cpu" && matrices === undefined;
}

/** The fixed table with what a calibration chose, by {@link formatMatmulKey}, {@link formatLstmKey}, and a sum's kernel. */
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
  const given = Object.entries({ lstm, sum }).filter(([, all]) => Object.keys(all).length > 0);
  return { ...getDefaultVariants(kind, matrices), matmul, ...Object.fromEntries(given) };
}

function isVariant<V extends KernelVariant>(all: readonly V[], variant: KernelVariant): variant is V {
  return all.some((one) => one === variant);
}

/** Whether variants were made for such an adapter. */
export function matchAdapter(variants: AdapterTraits, { kind, matrices }: AdapterTraits): boolean {
  return variants.kind === kind && variants.matrices === matrices;
}

/**
 * Shapes that were recorded, on an adapter that they were made for; the fixed table on another, and where there are none.
 * @param own those of the adapter.
 */
export function reuseVariants(recorded: KernelVariants | undefined, own: AdapterTraits): KernelVariants {
  return recorded && matchAdapter(recorded, own) ? recorded : getDefaultVariants(own.kind, own.matrices);
}

/** E.g. "forward 64x32", padded sizes [K, N] of the weights. @param k4 K / 4. @param n4 N / 4. */
export function formatMatmulKey(direction: MatmulDirection, k4: number, n4: number): string {
  return `${direction} ${4 * k4}x${4 * n4}`;
}

/** E.g. "lstm backward 20", with the padded number of units. @param h4 units / 4. */
export function formatLstmKey(direction: LstmDirection, h4: number): string {
  return `lstm ${direction} ${4 * h4}`;
}

/** A panel kernel's sum is written out in its text, up to so many vectors; fewer for a GPU, to spare its compiler. */
const PANEL_K4: Readonly<Record<AdapterKind, number>> = { cpu: 64, gpu: 16 };

/** What a kernel is chosen by. */
export interface VariantContext {
  readonly variants: KernelVariants;
  /** Of workgroup memory that the adapter grants; at least 16,384. */
  readonly workgroupBytes: number;
  /** Whether kernels may use operations of a subgroup. */
  readonly subgroups: boolean;
}

/**
 * Bytes of workgroup memory that a panel takes: sixteen columns of the weights, and in the forward kernel the bias and the
 * dot product's weights. 256 inputs take 16,512 bytes there, and WebGPU promises 16,384.
 */
export function computePanelBytes(direction: "forward" | "input", k4: number, n4: number): number {
  return 16 * (direction === "forward" ? 16 * k4 + 8 : 16 * n4);
}

/** The time to copy a panel, counted in rows of its product. */
const PANEL_COPY = 19;

/** The panels, the fastest for so many rows first. A workgroup computes all of its rows, also those past the batch's end. */
function panelsBy(rows: number): MatmulVariant[] {
  const time = (own: number) => Math.ceil(rows / own) * (own + PANEL_COPY);
  return ([256, 128, 64] as const).toSorted((a, b) => time(a) - time(b)).map((own) =>
    `panel ${own}` as const
  );
}

/**
 * The variants that can do a product. The first is that of the fixed table; of the others, the most promising come first.
 * The tiled kernels read only buffers, so a CPU adapter with textures cannot use them. SwiftShader could; there whatever
 * reads workgroup memory loses by far, so panels come last.
 * @param rows of the largest batch.
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
  return usesTextures(variants) ? [...panelsBy(rows), "rows"] : ["rows", ...panelsBy(rows)];
}

/** @throws UserError for recorded variants that cannot do the product. */
export function chooseMatmulVariant(
  choice: VariantContext,
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
): MatmulVariant {
  const key = formatMatmulKey(direction, k4, n4);
  return pickVariant(key, choice.variants.matmul[key], listMatmulVariants(choice, direction, k4, n4, rows));
}

/** Invocations of a workgroup that WebGPU promises. */
const WORKGROUP_MOST = 256;

/** The variants that can do an LSTM on a GPU; the first is that of the fixed table. @param h4 units / 4. */
export function listLstmVariants(h4: number): readonly LstmVariant[] {
  const group = lstmVariants.filter((variant) => {
    const users = usersPerWorkgroup(variant, h4);
    return users !== undefined && 4 * h4 * users <= WORKGROUP_MOST;
  });
  return [...group, "user"];
}

/** Invocations that fill subgroups, of 32 or of 64. */
const FILLED = 64;

/** Users of a workgroup, for the variants that share one. @param h4 units / 4. */
export function usersPerWorkgroup(variant: LstmVariant, h4: number): number | undefined {
  const filling = Math.max(1, Math.floor(FILLED / (4 * h4)));
  return { group: filling, "group 1": 1, "group 4": 4, user: undefined }[variant];
}

/**
 * Bytes of workgroup memory that an LSTM takes whose weights stand there: with them, what its units tell one another, twice,
 * and the number of turns. @param units padded.
 */
export function computeLstmBytes(direction: LstmDirection, units: number, users: number): number {
  return 16 * units ** 2 + 2 * (direction === "forward" ? 4 : 16) * users * units + 16;
}

/** @throws UserError for recorded variants that cannot do the LSTM. */
export function chooseLstmVariant(
  { variants }: VariantContext,
  direction: LstmDirection,
  h4: number,
): LstmVariant {
  const key = formatLstmKey(direction, h4);
  return pickVariant(key, variants.lstm?.[key], listLstmVariants(h4));
}

/** The variants that can do a sum; the first is that of the fixed table. */
export function sumVariantsFor({ variants, subgroups }: VariantContext): readonly SumVariant[] {
  return variants.kind === "gpu" && subgroups ? sumVariants : ["serial"];
}

/** @param kernel its name. @throws UserError for recorded variants that cannot do the sum. */
export function chooseSumVariant(choice: VariantContext, kernel: string): SumVariant {
  return pickVariant(kernel, choice.variants.sum?.[kernel], sumVariantsFor(choice));
}

function pickVariant<V extends KernelVariant>(
  key: string,
  chosen: V | undefined,
  [fixed, ...others]: readonly V[],
): V {
  if (!fixed) throw new Error(`expected a variant for ${key}`);
  if (chosen === undefined || chosen === fixed) return fixed;
  if (others.includes(chosen)) return chosen;
  throw new UserError(
    `Expected one of ${[fixed, ...others].join(", ")} for the product ${key}, found ${chosen} in the ` +
      "kernel variants. Take it out of the run's config.json.",
  );
}
