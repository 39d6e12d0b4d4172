/**
 * A recorded program: the dispatches of a training step. Each dispatch has a pipeline, a bind group, and a
 * grid that is a function of the batch's sizes. If several batches are built at once, each index array is
 * divided into slices, one per batch. Recording creates the pipelines and the first slice's bind groups; the
 * first replay of another slice creates all other bind groups. Later replays create no WebGPU objects.
 */

import { UserError } from "../user_error.ts";
import type { CommandRecorder } from "./commands.ts";
import type { Gpu } from "./device.ts";
import { adaptWorkgroup, buildKernelText, getConstant, isMultiStep, STEP, STEPS } from "./kernel.ts";
import type { KernelBinding, KernelTextInputs } from "./kernel.ts";
import type { KernelVariant } from "./kernel_variants.ts";
import { isTexture, isUniform, type Memory, TEXTURE_FORMAT, type TextureView } from "./memory.ts";
import { type BatchSizes, evaluateSize, type SizeExpression } from "./sizes.ts";
import { STEP_BYTES, STEP_STRIDE } from "./step.ts";

/**
 * Work of one dispatch: the number of floating-point operations, and the number of bytes that are read and
 * written. All reads of a number count as one read, all its writes as one write. A gather of more rows than
 * the table has counts as a read of the whole table. The counts may omit index lists and small weights.
 */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
  /** Workgroups and FLOPs of each computation (such as a matrix product) in a fused dispatch. */
  readonly parts?: readonly { readonly workgroups: number; readonly flops: number }[];
}

/** Returns the work of a dispatch; zero if the dispatch does not state its work. */
export function getCost<S extends BatchSizes>({ cost }: Pick<DispatchSpec<S>, "cost">, sizes: S): Cost {
  return cost?.(sizes) ?? { flops: 0, bytes: 0 };
}

/** Choice among kernel variants that can compute a dispatch or a part of it. */
export interface KernelChoice<S extends BatchSizes = BatchSizes> {
  /** Key from formatMatmulKey or formatLstmKey (kernel_variants.ts); for a sum, the kernel's name. */
  readonly key: string;
  /** Kernel variants of the choice, the default variant first. */
  readonly variants: readonly KernelVariant[];
  /** True if the time depends on the longest chain of dependent operations, not on the number of FLOPs. */
  readonly serial?: boolean;
  buildDispatch(variant: KernelVariant): DispatchSpec<S>;
}

export interface DispatchNode {
  readonly op: string;
  readonly direction: "forward" | "backward";
  /** Input tensors with their shapes, such as "utility/layer1 [rows, 64]". */
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Numbers of invocations along x and y; y is 1 by default. */
export type InvocationCounts<S extends BatchSizes = BatchSizes> = readonly [
  x: SizeExpression<S>,
  y?: SizeExpression<S>,
];

export function computeInvocations<S extends BatchSizes>(
  [x, y = 1]: InvocationCounts<S>,
  sizes: S,
): [x: number, y: number] {
  return [evaluateSize(x, sizes), evaluateSize(y, sizes)];
}

/** A dispatch to record. @typeParam S - batch sizes that determine the grid; by default no sizes */
export interface DispatchSpec<S extends BatchSizes = BatchSizes> extends KernelTextInputs {
  /** Numbers of invocations along x and y. The dispatch rounds them up to whole workgroups. */
  readonly invocations: InvocationCounts<S>;
  readonly cost?: (sizes: S) => Cost;
  /** Purpose of the dispatch, such as "utility/layer2 forward". */
  readonly label: string;
  /** Alternative kernels for the dispatch or its parts: for matrix products and, on a GPU, LSTMs and sums. */
  readonly choices?: readonly KernelChoice<S>[];
  /** Node of the tape; undefined for dispatches that build the batch or update the weights. */
  readonly node?: DispatchNode;
}

/** Index of the batch that a replay computes, if several batches were built at once. */
export interface BatchSlice {
  readonly index: number;
  /** Number of batches that a {@link isMultiStep multi-step kernel} computes at once. */
  readonly count: number;
}
export const onlySlice: BatchSlice = { index: 0, count: 1 };

interface Dispatch<S extends BatchSizes> {
  readonly spec: DispatchSpec<S>;
  readonly pipeline: GPUComputePipeline;
  readonly slices: number;
  readonly bindGroups: GPUBindGroup[];
  readonly bind: (slice: number) => GPUBindGroup;
  readonly workgroup: readonly [number, number];
  readonly manySteps: boolean;
  /** Textures that are filled after the dispatch, each from a buffer that the dispatch writes. */
  readonly copies: readonly TextureView[];
}

export class Program<S extends BatchSizes = BatchSizes> {
  private constructor(
    readonly gpu: Gpu,
    readonly name: string,
    readonly dispatches: readonly Dispatch<S>[],
  ) {}

  /** Creates pipelines and bind groups. @param steps - step headers. @throws Error if a spec is invalid */
  static async record<S extends BatchSizes>(
    gpu: Gpu,
    name: string,
    steps: GPUBuffer,
    specs: readonly DispatchSpec<S>[],
  ): Promise<Program<S>> {
    const dispatches: Dispatch<S>[] = [];
    for (const spec of specs) {
      dispatches.push(await recordDispatch(gpu, steps, adaptWorkgroup(gpu.variants.kind, spec)));
    }
    return new Program(gpu, name, dispatches);
  }

  /** Encodes the program with the step header at byte `stepOffset`. @param sizes - sizes of the batch */
  encode(commands: CommandRecorder, sizes: S, stepOffset: number, slice = onlySlice): void {
    for (let k = 0; k < this.dispatches.length; k++) this.encodeStep(commands, k, sizes, stepOffset, slice);
  }

  /** Encodes one dispatch, and the copies into textures that must follow it. */
  encodeStep(
    commands: CommandRecorder,
    index: number,
    sizes: S,
    stepOffset: number,
    slice = onlySlice,
  ): void {
    this.encodeOne(commands.pass, index, sizes, stepOffset, slice);
    for (const view of this.dispatches[index]?.copies ?? []) commands.copyToTexture(view, sizes);
  }

  /** Encodes one dispatch alone, so that the profiler can time the dispatch in a separate pass. */
  encodeOne(
    pass: GPUComputePassEncoder,
    index: number,
    sizes: S,
    stepOffset: number,
    slice = onlySlice,
  ): void {
    const dispatch = this.dispatches[index];
    if (!dispatch) return;
    const [gridX, gridY, gridZ] = computeGrid(dispatch, sizes, slice, this.gpu.maxGrid);
    if (gridX === 0 || gridY === 0) return;
    const { pipeline, bindGroups, slices, spec: { label } } = dispatch;
    const own = slices === 1 ? 0 : slice.index;
    for (let k = bindGroups.length; own > 0 && k < slices; k++) bindGroups.push(dispatch.bind(k));
    const bindGroup = bindGroups[own];
    if (!bindGroup) throw new Error(`${label}: expected a bind group for batch ${own}, found none`);
    pass.setPipeline(pipeline);
    offsets[0] = stepOffset;
    pass.setBindGroup(0, bindGroup, offsets, 0, 1);
    pass.dispatchWorkgroups(gridX, gridY, gridZ);
  }
}

/** Reused array, so that a replay allocates no memory. */
const offsets = new Uint32Array(1);

/**
 * Computes the numbers of workgroups of a dispatch along x, y and z. If x exceeds `maxGrid`, a `foldable`
 * kernel (see kernel.ts) gets workgroups along y for the rest.
 * @param workgroup - invocations per workgroup along x, y. @param maxGrid - most workgroups per axis
 * @throws UserError for a grid that exceeds `maxGrid`
 */
export function computeGrid<S extends BatchSizes>(
  { spec, workgroup, manySteps }: Pick<Dispatch<S>, "spec" | "workgroup" | "manySteps">,
  sizes: S,
  slice: BatchSlice,
  maxGrid: number,
): [x: number, y: number, z: number] {
  const [x, y] = computeInvocations(spec.invocations, sizes);
  let gridX = Math.ceil(x / workgroup[0]);
  let gridY = Math.ceil(y / workgroup[1]);
  if (gridX > maxGrid && spec.kernel.foldable) {
    gridY = Math.ceil(gridX / maxGrid);
    gridX = Math.ceil(gridX / gridY);
  }
  if (gridX > maxGrid || gridY > maxGrid) {
    throw new UserError(
      `${spec.label} needs ${gridX} x ${gridY} workgroups, but this adapter allows ${maxGrid} along an ` +
        `axis. Use smaller batches, or in evaluations a larger --evaluation-shards.`,
    );
  }
  return [gridX, gridY, manySteps ? slice.count : 1];
}

async function recordDispatch<S extends BatchSizes>(
  gpu: Gpu,
  steps: GPUBuffer,
  spec: DispatchSpec<S>,
): Promise<Dispatch<S>> {
  const { kernel, constants = {}, views, label } = spec;
  const where = `${label} (kernel ${kernel.name})`;
  const known = new Set(kernel.bindings.map((b) => b.name));
  for (const name of Object.keys(views)) {
    if (!known.has(name)) {
      throw new Error(`${where}: expected a binding among ${[...known].join(", ")}, got ${name}`);
    }
  }
  const slices = Math.max(
    1,
    ...Object.values(views).map((view) => isTexture(view) ? 1 : view.slices?.count ?? 1),
  );
  const layout = gpu.device.createBindGroupLayout({
    label: kernel.name,
    entries: kernel.bindings.map((b) => createLayoutEntry(b, views[b.name])),
  });
  const pipelineLayout = gpu.device.createPipelineLayout({ label: kernel.name, bindGroupLayouts: [layout] });
  const pipeline = await gpu.pipeline(kernel.name, buildKernelText(spec), pipelineLayout);
  const bind = (slice: number) =>
    gpu.device.createBindGroup({
      label: where,
      layout,
      entries: kernel.bindings.map((b) => createEntry(gpu, steps, spec, b, slice)),
    });
  gpu.device.pushErrorScope("validation");
  const bindGroups = [bind(0)];
  const error = await gpu.device.popErrorScope();
  if (error) throw new Error(`${where}: ${error.message}`);
  const workgroup = [
    getConstant(kernel, "WORKGROUP", constants),
    kernel.constants.has("WORKGROUP_Y") ? getConstant(kernel, "WORKGROUP_Y", constants) : 1,
  ] as const;
  const copies = kernel.bindings.flatMap(({ name, kind }) => {
    const view = views[name];
    return kind !== "read" && view && isTexture(view) ? [view] : [];
  });
  return { spec, pipeline, slices, bindGroups, bind, workgroup, manySteps: isMultiStep(kernel), copies };
}

function createEntry<S extends BatchSizes>(
  gpu: Gpu,
  steps: GPUBuffer,
  { kernel, constants, views, label }: DispatchSpec<S>,
  { name, index: binding, kind }: KernelBinding,
  slice: number,
): GPUBindGroupEntry {
  if (name === STEP) return { binding, resource: { buffer: steps, offset: 0, size: STEP_BYTES } };
  if (name === STEPS) {
    const size = STEP_STRIDE * getConstant(kernel, "HEADERS_SEEN", constants);
    return { binding, resource: { buffer: steps, offset: 0, size } };
  }
  const where = `${label} (kernel ${kernel.name})`;
  const view = views[name];
  if (!view) throw new Error(`${where}: expected a view for binding ${name}`);
  if (isTexture(view)) {
    if (kind === "read") return { binding, resource: view.texture.createView() };
    const { written } = view;
    if (!written) throw new Error(`${where}: ${name} needs a buffer, got a read-only texture`);
    return { binding, resource: { buffer: written.view.buffer, size: written.view.size } };
  }
  if (!isUniform(view)) gpu.requireBindable(view.size, `${label}: ${name}`);
  const offset = view.offset + slice * (view.slices?.stride ?? 0);
  return { binding, resource: { buffer: view.buffer, offset, size: view.size } };
}

function createLayoutEntry(binding: KernelBinding, memory: Memory | undefined): GPUBindGroupLayoutEntry {
  const entry = { binding: binding.index, visibility: GPUShaderStage.COMPUTE };
  const read = binding.kind === "read";
  if (read && memory && isTexture(memory)) {
    return { ...entry, storageTexture: { access: "read-only", format: TEXTURE_FORMAT } };
  }
  if (binding.kind === "uniform" || (memory && isUniform(memory))) {
    return {
      ...entry,
      buffer: { type: "uniform", hasDynamicOffset: binding.name === STEP || binding.name === STEPS },
    };
  }
  return { ...entry, buffer: { type: read ? "read-only-storage" : "storage" } };
}
