import type { ItemFeatures, PastPages } from "../data/click_log.ts";
import { type ItemCatalogue, type ItemsShape, toCatalogue } from "../data/item_catalogue.ts";
import { UserError } from "../user_error.ts";
import type { Gpu } from "../gpu/device.ts";
import { type ClickScores, materialize } from "../ops/row_dot.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { LogWithCounts } from "../counts/page_counts.ts";
import {
  addLinearPart,
  FIRST_LAYER,
  type InitialWeights,
  listCountParameters,
  recordCounts,
  recordRecentClicks,
} from "./model_counts.ts";
import { type ModelConfig, modelConfigSchema, parseConfig } from "./model_config.ts";
import { listLstmParameters, listPwParameters, recordLstmState, recordPwState } from "./encoders.ts";
import { listPositionParameters } from "./position_effect.ts";
import { drawInitialWeights, type ModelParameter } from "./initial_weights.ts";
import { BLOCK_ITEMS, type ItemScorer, type StateTensors, type UserState } from "./item_blocks.ts";
import { evaluating, type RecordingOptions } from "./model_program.ts";
import { checkPage, computeScorerCapacity, roundCapacity, UtilityScorer } from "./scorer.ts";
import type { ScorerCapacity, ScoringRequest } from "./scorer.ts";
import {
  isWide,
  listUtilityParameters,
  listWideParameters,
  OUTPUT_BIAS,
  recordUtility,
  recordWideState,
  recordWideUtility,
} from "./utility.ts";
import { linear } from "../ops/linear.ts";
import { asBufferView } from "../gpu/memory.ts";

/** Lists the parameters of a model, in the order in which GPU buffers and snapshots store them. */
export function listModelParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  return [
    ...listEncoderParameters(items, config),
    ...listUtilityParameters(items, config),
    ...listWideParameters(items, config),
    ...listCountParameters(items, config),
    ...listPositionParameters(config),
  ];
}

export function resolveWeights(parameters: readonly ModelParameter[], initial: InitialWeights): Weights {
  if ("weights" in initial) return initial.weights;
  return new Map([...drawInitialWeights(parameters, initial.seed), ...(initial.start ?? [])]);
}

function listEncoderParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  switch (config.encoder) {
    case "lstm":
      return listLstmParameters(items, config);
    case "pw":
      return listPwParameters(items, config);
    case "none":
      return [];
  }
}

/**
 * Model of users who are shown pages of items (Chen et al., ICML 2019): an encoder of a user's clicks, and a
 * network that computes a utility per displayed item. Both are trained together by maximum likelihood.
 *
 * @example
 * ```ts ignore
 * const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
 * const [first, second] = await model.score({ history: [3, 8], page: [5, 9] });
 * model.destroy();
 * ```
 */
export class UserModel implements ItemScorer {
  /** Config of the model. */
  readonly config: ModelConfig;
  /** @internal Catalogue of items, with the features that {@link score} reads. */
  readonly items: ItemCatalogue;
  /** @internal Weights on the GPU. */
  readonly parameters: ParameterArena;
  #scorer: UtilityScorer | undefined;
  /** Promise that resolves after the last call of the scorer. Calls share buffers, so they run one by one. */
  #scores: Promise<unknown> = Promise.resolve();

  /**
   * Creates a model with given or random weights.
   * @param items - items with the features that {@link score} reads; the weights' sizes depend only on the
   * items' shape.
   * @param initial - all weights by name, with shape [rows, columns], or a seed from which weights are drawn.
   * Weights in `start` replace drawn weights. A model with counts needs `start` from `initializeFromCounts`.
   * @throws UserError if a config value is out of range, a weight is missing or has a wrong size, or a buffer
   * exceeds the adapter's limits.
   */
  constructor(
    /** @internal */
    readonly gpu: Gpu,
    items: ItemFeatures | ItemCatalogue,
    config: ModelConfig,
    initial: InitialWeights,
  ) {
    this.config = parseConfig(modelConfigSchema, config, "model");
    this.items = toCatalogue(items);
    const specs = listModelParameters(this.shape, this.config);
    if ("weights" in initial) checkWeights(specs, initial.weights);
    this.parameters = new ParameterArena(gpu, specs);
    this.parameters.write(resolveWeights(specs, initial));
  }

  /** Kind and number of the model's items, and the widths of their features. */
  get shape(): ItemsShape {
    return this.items.shape;
  }

  /** @internal */
  record(tape: ClickTape, options: RecordingOptions): ClickScores {
    return recordModel(tape, this.config, options);
  }

  /** @internal */
  recordStates(tape: ClickTape): StateTensors {
    const { config } = this;
    return {
      first: config.dims.length > 0 ? recordStateTerm(tape, config, evaluating) : undefined,
      wide: recordWideState(tape, tape.batch.items, config),
      recent: config.counts ? recordRecentClicks(tape, config.counts) : undefined,
    };
  }

  /** @internal Settings of count features; undefined for a model without count features. */
  get counted(): LogWithCounts | undefined {
    return this.config.counts ?? undefined;
  }

  /** Reads all weights, by name, after waiting for the GPU. */
  weights(): Promise<Weights> {
    return this.parameters.read();
  }

  /** Replaces all weights. @throws UserError if names or sizes differ from the model's. */
  setWeights(weights: Weights): void {
    checkWeights(this.parameters.specs, weights);
    this.parameters.write(weights);
  }

  /**
   * Reads all gradients of the last training step, by name, after waiting for the GPU. Tables with
   * row-sparse Adam are omitted, because only rows in the batch have gradients.
   */
  async gradients(): Promise<Weights> {
    const gradients = await this.parameters.read(this.parameters.gradient.buffer);
    for (const name of this.parameters.sparseTables) gradients.delete(name);
    for (const { name, constant } of this.parameters.specs) if (constant) gradients.delete(name);
    return gradients;
  }

  /**
   * Returns a page's utilities u. With the choice loss, P(click a) = exp(eta u_a) / (1 + sum exp(eta u)).
   * @param request - clicked items (oldest first, possibly none) and displayed items (at least one)
   * @throws UserError for an item that is not in the catalogue
   */
  async score(request: ScoringRequest): Promise<number[]> {
    const [utilities = new Float32Array()] = await this.scoreAll([request]);
    return Array.from(utilities);
  }

  /**
   * Returns the utilities of the pages of several requests, with one submission to the GPU.
   * @throws UserError as {@link score}, or if the adapter has not enough memory for all requests at once.
   */
  async scoreAll(requests: readonly ScoringRequest[]): Promise<Float32Array<ArrayBuffer>[]> {
    for (const request of requests) checkPage(this, request);
    if (requests.length === 0) return [];
    return await this.#withScorer(computeScorerCapacity(requests), (scorer) => scorer.scoreAll(requests));
  }

  /** See {@link ItemScorer}. */
  get blockItems(): number {
    return this.#scorer?.blockItems ?? BLOCK_ITEMS.first;
  }

  /** See {@link ItemScorer}. @throws UserError as {@link score}. */
  async encode(history: ArrayLike<number>, past?: PastPages): Promise<UserState> {
    const request = { history, page: [0] };
    checkPage(this, request);
    return await this.#withScorer(computeScorerCapacity([request]), (scorer) => scorer.encode(history, past));
  }

  /** See {@link ItemScorer}. @param state - result of {@link encode} with the model's current weights */
  async scoreItems(state: UserState, items: Uint32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    const room = { users: 1, events: 1, rows: 1 };
    return await this.#withScorer(room, (scorer) => scorer.scoreItems(state, items));
  }

  /** Waits for all earlier calls; then calls `use` with a scorer that has at least the capacity `room`. */
  async #withScorer<T>(room: ScorerCapacity, use: (scorer: UtilityScorer) => Promise<T>): Promise<T> {
    const next = this.#scores.then(async () => {
      const old = this.#scorer;
      if (old && !old.holds(room)) {
        this.#scorer = undefined;
        old[Symbol.dispose]();
      }
      this.#scorer ??= await UtilityScorer.create(this, roundCapacity(room, old?.room));
      return await use(this.#scorer);
    });
    this.#scores = next.catch(() => {});
    return await next;
  }

  /** Frees the model's GPU memory. Call it only after all calls of {@link score} have ended. */
  destroy(): void {
    this.#scorer?.[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }
  /** Calls `destroy`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}

export function recordModel(tape: ClickTape, config: ModelConfig, options: RecordingOptions): ClickScores {
  const { items } = tape.batch;
  const counts = recordCounts(tape, config, options.encoded?.recent);
  const hidden = config.dims.length > 0
    ? recordUtility(tape, items, config, {
      state: recordStateTerm(tape, config, options),
      counts: counts && { input: counts, weights: tape.parameter(FIRST_LAYER) },
    }, options)
    : tape.parameter(OUTPUT_BIAS);
  const base = isWide(config) ? recordWideUtility(tape, items, config, materialize(hidden), options) : hidden;
  return counts ? addLinearPart(tape, counts, base) : base;
}

/** Adds ops for the product of the user's state and the first layer's weights, plus bias, [events, N]. */
function recordStateTerm(tape: ClickTape, config: ModelConfig, { encoded }: RecordingOptions): Tensor {
  const { items } = tape.batch;
  if (encoded?.first) return encoded.first;
  switch (config.encoder) {
    case "lstm":
      return recordLstmState(tape, items, encoded?.lstm);
    case "pw":
      return recordPwState(tape, items, config);
    case "none":
      return recordBiasTerm(tape);
  }
}

/**
 * Rejects tensors with the expected number of values but another shape, such as a transposed matrix.
 * {@link checkWeights} checks the number of values.
 * @param shapes - shapes of the tensors, by parameter name.
 * @param what - name of the file with the tensors
 * @throws UserError that lists these tensors
 */
export function checkShapes(
  specs: readonly ParameterSpec[],
  shapes: ReadonlyMap<string, readonly number[]>,
  what: string,
): void {
  const problems = specs.flatMap(({ name, rows, columns }) => {
    const shape = shapes.get(name);
    if (!shape || (shape.length === 2 && shape[0] === rows && shape[1] === columns)) return [];
    const values = shape.reduce((product, size) => product * size, 1);
    return values === rows * columns
      ? [`${name}: expected the shape [${rows}, ${columns}], found [${shape.join(", ")}]`]
      : [];
  });
  if (problems.length === 0) return;
  throw new UserError(
    `${what} does not fit the model:\n  ${problems.join("\n  ")}\n` +
      "Write each tensor with the expected shape; transpose the tensor if necessary.",
  );
}

/** Checks the weights' names and sizes. @param what - subject of the message @throws UserError if wrong */
export function checkWeights(specs: readonly ParameterSpec[], weights: Weights, what = "The weights"): void {
  const problems: string[] = [];
  const known = new Set(specs.map((spec) => spec.name));
  for (const { name, rows, columns } of specs) {
    const values = weights.get(name);
    if (!values) problems.push(`${name} [${rows}, ${columns}] is missing`);
    else if (values.length !== rows * columns) {
      problems.push(`${name}: expected ${rows * columns} values [${rows}, ${columns}], got ${values.length}`);
    }
  }
  for (const name of weights.keys()) {
    if (!known.has(name)) problems.push(`${name} is not a parameter of this model`);
  }
  if (problems.length > 0) {
    throw new UserError(`${what} do not fit the model:\n  ${problems.join("\n  ")}`);
  }
}

/** Adds ops for the bias of the first layer, as a tensor [events, N] with equal rows. */
function recordBiasTerm(tape: ClickTape): Tensor {
  const { arena, capacity } = tape.options;
  const ones = tape.tensor("encoder/none", "events", 1, {
    view: arena.allocate("a one for each event", 16 * capacity.events),
    trainable: false,
  });
  const values = Float32Array.from({ length: 4 * capacity.events }, (_, k) => (k % 4 === 0 ? 1 : 0));
  arena.gpu.queue.writeBuffer(asBufferView(ones.view).buffer, asBufferView(ones.view).offset, values);
  return linear(tape, "utility/layer1/state_part", {
    input: ones,
    weights: tape.parameter("utility/layer1/bias"),
  });
}
