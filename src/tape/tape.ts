/**
 * The autodiff tape is used in three stages. First, each op appends a node, which can compute the op's output
 * and gradients. Then `place` allocates a buffer or a texture for each tensor. Finally, `forward` returns the
 * nodes' dispatches in order, and `backward` in reverse order.
 *
 * The dispatches become a program, which every training step runs again without the tape.
 */

import type { Arena } from "../gpu/arena.ts";
import { type KernelVariants, usesTextures, type VariantContext } from "../gpu/kernel_variants.ts";
import type { DispatchNode, DispatchSpec } from "../gpu/program.ts";
import { makeProductLayout, makeRowLayout, type Memory, type View } from "../gpu/memory.ts";
import { type BatchSizes, type Dim, type Dimensions, evaluateSize } from "../gpu/sizes.ts";
import type { OpCall, SparseRows, TapeNode } from "./node.ts";
import type { ParameterArena } from "./parameters.ts";
import { computeTensorBytes, formatShape, padColumns, type Tensor } from "./tensor.ts";

export interface TapeOptions<S extends BatchSizes> {
  readonly arena: Arena;
  readonly dimensions: Dimensions<S>;
  readonly parameters: ParameterArena;
  /** Sizes of the largest batch, for which buffers are allocated. */
  readonly capacity: S;
  readonly variants: KernelVariants;
  /** True if tables get sparse gradients, for row-sparse Adam. */
  readonly sparseGradients?: boolean;
}

/** @typeParam S - sizes of the batches @typeParam R - type of the batch data that the f64 references read */
export class Tape<S extends BatchSizes = BatchSizes, R = unknown> {
  readonly nodes: TapeNode<S, R>[] = [];
  /** Sparse gradient of each table; {@link backward} fills the map. */
  readonly sparseRows: Map<Tensor, SparseRows<S>> = new Map();
  readonly #gradients = new Map<Tensor, Memory>();
  readonly #written = new Set<Tensor>();
  /** Functions that allocate one tensor each; undefined after {@link place} has called them. */
  #unplaced: (() => void)[] | undefined = [];
  /** Nodes whose dispatches {@link forward} has returned. */
  readonly #run = new Set<TapeNode<S, R>>();
  #unwritten: View | undefined;

  constructor(readonly options: TapeOptions<S>) {}

  get dimensions(): Dimensions<S> {
    return this.options.dimensions;
  }
  get choice(): VariantContext {
    const { arena: { gpu }, variants } = this.options;
    return { variants, workgroupBytes: gpu.workgroupBytes, subgroups: gpu.hasSubgroups };
  }
  parameter(name: string): Tensor {
    return this.options.parameters.get(name);
  }

  /**
   * Creates a tensor in the memory `more.view`; if it is undefined, {@link place} allocates the memory.
   * @param more.textured - true if all kernels that read the tensor accept a buffer or a texture
   */
  tensor(
    name: string,
    rows: Dim<S>,
    columns: number,
    more: Partial<Tensor> & { textured?: boolean } = {},
  ): Tensor {
    const groups = more.groups ?? 1;
    const stride = more.stride ?? padColumns(columns, groups);
    let memory = more.view;
    const tensor: Tensor = {
      trainable: true,
      ...more,
      name,
      rows,
      columns,
      groups,
      stride,
      get view() {
        if (!memory) throw new Error(`${name} has no memory: call place() first`);
        return memory;
      },
    };
    if (!memory) {
      this.#expectUnplaced(name).push(() => {
        const layout = more.textured && this.#isReread(tensor) ? makeProductLayout : undefined;
        memory = this.#allocate(name, tensor, layout);
      });
    }
    return tensor;
  }

  /** Allocates a buffer [rows, columns] of floats, in which an op saves values for the backward pass. */
  saved(name: string, rows: Dim<S>, columns: number): View {
    const { arena, capacity } = this.options;
    return arena.allocate(name, evaluateSize(computeTensorBytes({ rows, stride: columns }), capacity));
  }

  /** Allocates a buffer, or a texture, for a saved matrix that matrix products read many times. */
  savedForProducts(name: string, rows: Dim<S>, columns: number): Memory {
    return this.#allocate(name, { rows, stride: columns }, makeRowLayout);
  }

  #allocate(
    name: string,
    extent: Pick<Tensor, "rows" | "stride">,
    layout?: typeof makeProductLayout,
  ): Memory {
    const { arena, variants, capacity } = this.options;
    const bytes = computeTensorBytes(extent);
    const most = evaluateSize(bytes, capacity);
    if (!layout || !usesTextures(variants)) return arena.allocate(name, most);
    return arena.allocateTexture(name, most, bytes, layout(most, extent.stride / 4));
  }

  #isReread(tensor: Tensor): boolean {
    return this.nodes.some(({ inputs, rereads }) => inputs.includes(tensor) && rereads?.includes(tensor));
  }

  /** Appends a node. @throws Error if {@link place} was called before. */
  record(node: TapeNode<S, R>): Tensor {
    this.#expectUnplaced(node.op);
    this.nodes.push(node);
    return node.output;
  }

  /** Allocates all tensors. Record all ops before, because the choice of textures depends on them. */
  place(): void {
    for (const place of this.#unplaced ?? []) place();
    this.#unplaced = undefined;
  }

  #expectUnplaced(what: string): (() => void)[] {
    if (this.#unplaced) return this.#unplaced;
    throw new Error(`expected ${what} to be recorded before place()`);
  }

  /**
   * Returns the dispatches that compute the outputs of nodes, in the order of the nodes.
   * @param part - selects nodes: those after the node of `after`, up to that of `upTo`, whose output has
   * `rows` rows; by default all nodes
   * @throws Error for a node whose dispatches an earlier call returned
   */
  forward(
    part: { readonly after?: Tensor; readonly upTo?: Tensor; readonly rows?: Dim<S> } = {},
  ): DispatchSpec<S>[] {
    const requireTensor = (tensor?: Tensor) => 1 + this.nodes.findIndex(({ output }) => output === tensor);
    const nodes = this.nodes.slice(requireTensor(part.after), part.upTo && requireTensor(part.upTo));
    return nodes.flatMap((node) => {
      if (part.rows !== undefined && node.output.rows !== part.rows) return [];
      if (this.#run.has(node)) throw new Error(`expected one forward() to compute ${node.output.name}`);
      const dispatches = node.forward(this.#call(node));
      this.#run.add(node);
      return tagDispatches(node, "forward", dispatches);
    });
  }

  /**
   * Returns the dispatches that compute the gradients of all parameters, from the last node to the first.
   * @param given - outputs whose gradients the caller computes; by default the last node's output, the loss
   * @throws Error for an op without a gradient, and for an unused output or parameter
   */
  backward(given: readonly Tensor[] = this.nodes.slice(-1).map((node) => node.output)): DispatchSpec<S>[] {
    const specs: DispatchSpec<S>[] = [];
    for (const tensor of given) this.#written.add(tensor);
    for (const node of [...this.nodes].reverse()) {
      if (!node.output.trainable) continue;
      if (!node.backward) throw new Error(`op ${node.op} (${node.output.name}) has no gradient`);
      if (!this.#written.has(node.output)) {
        throw new Error(`${formatShape(node.output)} is unused: expected the loss to depend on it`);
      }
      specs.push(...tagDispatches(node, "backward", node.backward(this.#call(node))));
    }
    for (const name of this.options.parameters.names()) {
      const parameter = this.parameter(name);
      if (parameter.trainable && !this.#written.has(parameter)) {
        throw new Error(`parameter ${name} is unused: no op of the tape reads it`);
      }
    }
    return specs;
  }

  getGradient(tensor: Tensor): Memory {
    if (tensor.parameter) return this.options.parameters.gradientView(tensor);
    const known = this.#gradients.get(tensor);
    if (known) return known;
    const isReread = this.nodes.some(({ output, rereads }) => output === tensor && rereads?.includes(tensor));
    const view = this.#allocate(`gradient of ${tensor.name}`, tensor, isReread ? makeRowLayout : undefined);
    this.#gradients.set(tensor, view);
    return view;
  }

  #call(node: TapeNode<S, R>): OpCall<S> {
    const { arena, dimensions, capacity, parameters } = this.options;
    /** Marks a tensor's gradient as written. @returns true if it was marked before */
    const claim = (tensor: Tensor): boolean => {
      const before = this.#written.has(tensor);
      this.#written.add(tensor);
      return before;
    };
    return {
      label: node.output.name,
      dimensions,
      capacity,
      ...this.choice,
      upload: (name, data) => arena.upload(`${node.output.name}: ${name}`, data),
      unwritten: this.#unwritten ??= arena.allocate("unwritten", 16),
      outputGradient: () => this.getGradient(node.output),
      passGradient: (input) => {
        if (!input.trainable) return;
        if (claim(input)) throw new Error(`expected one op to read ${input.name}, found two`);
        this.#gradients.set(input, this.getGradient(node.output));
      },
      gradient: (input) => {
        if (!input.trainable) return undefined;
        const accumulate = claim(input);
        parameters.sparseTables.delete(input.name);
        return { view: this.getGradient(input), accumulate, activation: input.activation };
      },
      partials: (parameter) => {
        const place = parameter.parameter;
        if (!place || place.table || place.statistic) {
          throw new Error(`expected a parameter other than a table or average, got ${parameter.name}`);
        }
        const accumulate = claim(parameter);
        return { view: parameters.partials, stride: parameters.summed, at: place.offset, accumulate };
      },
      sparseGradient: (table, count, list) => {
        if (!this.options.sparseGradients) return undefined;
        // Only one op may have a sparse gradient of a table, because Adam must update each row once.
        if (this.sparseRows.has(table)) {
          throw new Error(`expected one op with a sparse gradient of ${table.name}, got two`);
        }
        const most = typeof count === "object" ? count.most : count;
        const gradient = this.saved(`sparse gradient of ${table.name}`, most, table.stride);
        const rows = { count, list, gradient };
        this.sparseRows.set(table, rows);
        parameters.sparseTables.add(table.name);
        return rows;
      },
    };
  }
}

function tagDispatches<S extends BatchSizes, R>(
  { op, inputs, output }: TapeNode<S, R>,
  direction: DispatchNode["direction"],
  dispatches: readonly DispatchSpec<S>[],
): DispatchSpec<S>[] {
  const node = { op, direction, inputs: inputs.map(formatShape), output: formatShape(output) };
  return dispatches.map((spec) => ({ ...spec, node }));
}
