/** Simulated users who click as a learned model predicts. The device stores their states between pages. */

import { materialize } from "../ops/row_dot.ts";
import type { Gpu } from "../gpu/device.ts";
import type { UserModel } from "../model/user_model.ts";
import { UserError } from "../user_error.ts";
import { countPassWords, encodeEmptyEvents, PageBatch } from "./page_buffers.ts";
import type { ClickLists, PageBuffers } from "./page_buffers.ts";
import { makePlainTensor } from "./users.ts";
import type { CatalogueUtilities, SimulatedUsers, SlateUtilities, UsersSource } from "./users.ts";
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { type ClickBatch, ClickTape } from "../batch/click_tape.ts";
import { DeviceItems } from "../batch/device_items.ts";
import { LAGS as COUNTED_LAGS } from "../counts/count_columns.ts";
import type { Arena } from "../gpu/arena.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { RECENT } from "../model/model_counts.ts";
import { recordItemFeatures, recordItemProduct } from "../model/item_features.ts";
import { LSTM } from "../model/encoders.ts";
import { type EncodedState, evaluating } from "../model/model_program.ts";
import { recordPositionEffect } from "../model/position_effect.ts";
import { LAGS as WIDE_LAGS } from "../model/utility.ts";
import { linear } from "../ops/linear.ts";
import { padColumns, padRows, type Tensor } from "../tape/tensor.ts";
import type { LstmStep, StoredState } from "./recurrent_state.ts";
import {
  copyState,
  createClickLists,
  createStoredState,
  passOver,
  pushClick,
  recordLstmStep,
  takeRows,
} from "./recurrent_state.ts";
import type { SimulatedContexts } from "./contexts.ts";
import { fill } from "./pool.ts";

/** Trained model that can be loaded on a device; `openRun` returns one. */
export interface TrainedModel<Data> {
  /** Path of the run or snapshot, for messages. */
  readonly path: string;
  /** Metadata of the model. `game` is defined only for a model of the adversarial stage. */
  readonly info: { readonly game?: unknown };
  /** Loads the model for the items of a data set. */
  model(gpu: Gpu, data: Data): UserModel;
}

/** Source of simulated users who click as a learned model predicts. */
export class LearnedSource implements UsersSource {
  /** I, the number of items in the catalogue. */
  readonly itemCount: number;

  /**
   * Creates the users of a model. @param name - name in reports. @param contexts - contexts of the pages; by
   * default, each context feature has its mean. @throws UserError for a model with the logistic loss.
   */
  constructor(
    readonly model: UserModel,
    readonly name = "the model",
    private readonly contexts?: SimulatedContexts,
  ) {
    this.itemCount = model.shape.count;
    if (model.config.loss === "logistic") {
      throw new UserError(
        `Expected a model trained with --loss choice, got ${name}, which was trained with --loss logistic.`,
      );
    }
  }

  /**
   * Creates the users of a trained model. @param options.uncalibrated - true to accept a model of the
   * adversarial stage, whose utilities are not log-odds of a click. @throws UserError for a model of the
   * adversarial stage without this option.
   */
  static ofRun<Data>(
    gpu: Gpu,
    run: TrainedModel<Data>,
    data: Data,
    { uncalibrated = false, contexts }: {
      readonly uncalibrated?: boolean;
      readonly contexts?: SimulatedContexts | undefined;
    } = {},
  ): LearnedSource {
    if (run.info.game && !uncalibrated) {
      throw new UserError(
        `Expected a model of the Shannon stage, got ${run.path} of the adversarial stage, whose click ` +
          "probabilities are not calibrated. Use best-loss.safetensors of its run, or --uncalibrated.",
      );
    }
    const model = run.model(gpu, data);
    try {
      return new LearnedSource(model, run.path, contexts);
    } catch (error) {
      model.destroy();
      throw error;
    }
  }

  /**
   * Allocates memory for the users of a page.
   * @internal
   */
  users(page: PageBuffers, arena = page.arena): SimulatedUsers {
    return new LearnedUsers(page, arena, this.model, this.contexts);
  }
}

/** Maximum rows (users x items) per chunk. The larger limit for GPUs is an estimate, not measured. */
const CHUNK_ROWS = { cpu: 2 ** 15, gpu: 2 ** 18 } as const;

/** Returns how many recent clicks a model reads; 0 for a model that reads only an LSTM's state. */
function countLags(config: ModelConfig): number {
  return Math.max(
    config.encoder === "pw" ? config.pwLags : 0,
    config.wide > 0 ? WIDE_LAGS : 0,
    config.counts ? COUNTED_LAGS : 0,
  );
}

export class LearnedUsers implements SimulatedUsers {
  readonly state: Tensor;
  readonly itemVectors: Tensor;
  readonly positionEffects: Tensor | undefined;
  readonly #items: DeviceItems;
  readonly #tape: ClickTape;
  readonly #utilities: Tensor;
  readonly #lists: ClickLists | undefined;
  /** Counts of impressions without a click, by user and item; undefined for models without count features. */
  readonly #passed: View | undefined;
  readonly #contexts: ClickBatch["contexts"] | undefined;
  /** Encoder state and recent clicks, stored together; undefined if the model does not read recent clicks. */
  readonly #kept: StoredState | undefined;
  readonly #lstm: LstmStep | undefined;
  readonly #dispatches: Record<"items" | "product" | "events" | "rows", readonly ClickDispatch[]>;
  #catalogue:
    | { readonly tables: readonly ClickDispatch[]; readonly utilities: CatalogueUtilities }
    | undefined;

  constructor(
    private readonly page: PageBuffers,
    private readonly arena: Arena,
    private readonly model: UserModel,
    contexts?: SimulatedContexts,
  ) {
    const { config, items: catalogue, gpu, parameters } = model;
    const all = Uint32Array.from({ length: catalogue.shape.count }, (_, item) => item);
    this.#items = new DeviceItems(gpu, catalogue.read(all), all.length, catalogue.tokenCounts);
    try {
      const lags = countLags(config);
      this.#lists = lags > 0 ? createClickLists(page, arena, lags) : undefined;
      this.#passed = config.counts
        ? arena.allocate("passed over", 4 * padColumns(countPassWords(page) * page.users))
        : undefined;
      this.#contexts = contexts && {
        ...{ count: contexts.count, ofItem: contexts.ofItem, perItem: contexts.perItem },
        view: arena.upload("contexts", padRows(contexts.rows, 1, contexts.rows.length, 1)),
      };
      const more = { passed: this.#passed, contexts: this.#contexts };
      const batch = new PageBatch(page, this.#items, { ...more, lists: this.#lists });
      this.#tape = new ClickTape(batch, { arena, parameters, capacity: page.sizes, variants: gpu.variants });
      this.#lstm = config.encoder === "lstm" ? this.#carriedLstm(config.lstmUnits) : undefined;
      this.#utilities = materialize(
        model.record(this.#tape, { ...evaluating, storesState: true, encoded: { lstm: this.#lstm?.state } }),
      );
      this.positionEffects = recordPositionEffect(this.#tape, config);
      this.#tape.place();
      this.#dispatches = this.#byRows(this.#tape, this.#lstm?.product);
      const [encoded, lists] = [this.#encodedState(), this.#lists];
      this.#kept = lists && createStoredState(page, arena, { encoded, lists, lags });
      this.state = this.#kept?.state ?? encoded;
      this.itemVectors = this.#vectorsForPolicies();
    } catch (error) {
      this.#items.destroy();
      throw error;
    }
  }

  get eta(): number {
    return this.model.config.eta;
  }

  prepare(): ClickDispatch[] {
    return [...this.#dispatches.items, ...this.#catalogue?.tables ?? []];
  }

  reset(): ClickDispatch[] {
    const lists = this.#lists ? [fill("no clicks", this.#lists.history, 2)] : [];
    const { state, cell } = this.#lstm ?? {};
    const zeros = state && cell
      ? [asBufferView(state.view), cell].map((view) => fill("reset", view, state.stride))
      : [];
    const nothing = this.#passed
      ? [fill("nothing passed over", this.#passed, countPassWords(this.page))]
      : [];
    return [...lists, ...zeros, ...nothing, ...this.#moved()];
  }

  step(): ClickDispatch[] {
    return [
      ...(this.#lists ? [pushClick(this.page, this.#lists)] : []),
      ...(this.#lstm ? [...this.#dispatches.product, recordLstmStep(this.page, this.#lstm)] : []),
      ...this.#moved(),
    ];
  }

  shown(): ClickDispatch[] {
    return this.#passed ? [passOver(this.page, this.#passed)] : [];
  }

  fromState(): readonly ClickDispatch[] {
    return [...(this.#kept ? [copyState(this.#kept, "users")] : []), ...this.#dispatches.events];
  }

  /** Returns the dispatches that recompute user states after a click or a reset. */
  #moved(): ClickDispatch[] {
    return [...this.#dispatches.events, ...(this.#kept ? [copyState(this.#kept, "stored")] : [])];
  }

  utilities(): SlateUtilities {
    return { dispatches: this.#dispatches.rows, utilities: this.#utilities };
  }

  catalogue(): CatalogueUtilities {
    return (this.#catalogue ??= this.#makeCatalogue()).utilities;
  }

  [Symbol.dispose](): void {
    this.#items.destroy();
  }

  /** Allocates state and cell of an LSTM, and records the ops that compute the inputs of the LSTM's gates. */
  #carriedLstm(units: number): LstmStep {
    const stride = padColumns(units);
    const { users } = this.page;
    const state = this.arena.allocate("encoder/lstm/state", 4 * stride * users);
    const cell = this.arena.allocate("encoder/lstm/cell", 4 * stride * users);
    const h = makePlainTensor("encoder/lstm/state", "events", units, stride, state);
    const names = { table: LSTM.tokens, kernel: LSTM.input };
    const input = recordItemProduct(this.#tape, "encoder/lstm/item_part", this.#items, names);
    const weights = this.#tape.parameter(LSTM.recurrent);
    const bias = this.#tape.parameter(LSTM.bias);
    const product = linear(this.#tape, "encoder/lstm/product", { input: h, weights, bias });
    return { input, product, state: h, cell };
  }

  #byRows(tape: ClickTape, product: Tensor | undefined) {
    return {
      items: tape.forward({ rows: "items" }),
      product: product ? tape.forward({ upTo: product, rows: "events" }) : [],
      events: tape.forward({ after: product, rows: "events" }),
      rows: tape.forward({ rows: "rows" }),
    };
  }

  #output(name: string): Tensor | undefined {
    return this.#tape.nodes.find(({ output }) => output.name === name)?.output;
  }

  /** Returns the encoder's state [events, columns] or, if this is not stored, its product with weights. */
  #encodedState(): Tensor {
    const made = this.#lstm?.state ?? this.#output("encoder/pw/state") ??
      (this.model.config.encoder === "pw" ? this.#output("utility/layer1/state_part") : undefined) ??
      this.#output("wide/state_part");
    if (made) return { ...made, trainable: false };
    // Without an encoder, all users have the same state.
    return makePlainTensor(
      "no state",
      "events",
      1,
      4,
      this.arena.upload("no state", new Float32Array(4 * this.page.users)),
    );
  }

  /** Returns item vectors [items, columns]: dense features, or the products of features and first layer. */
  #vectorsForPolicies(): Tensor {
    const { items } = this.page;
    const features = this.model.shape.kind === "dense"
      ? recordItemFeatures(this.#tape, this.#items)
      : undefined;
    const part = this.model.config.dims.length > 0 ? "utility/layer1" : "wide";
    const made = features ?? this.#output(`${part}/item_part`) ?? this.#tape.parameter(`${part}/item_kernel`);
    const { name, columns, stride, view } = made;
    return makePlainTensor(name, items, columns, stride, view);
  }

  #makeCatalogue() {
    const { page, arena, model: { gpu, parameters } } = this;
    const { items } = page;
    const users = Math.max(1, Math.min(page.users, Math.floor(CHUNK_ROWS[gpu.variants.kind] / items)));
    const shown = {
      event: arena.upload("events of all items", encodeEmptyEvents(users, items)),
      rowItem: arena.upload(
        "rows of all items",
        Uint32Array.from({ length: users * items }, (_, r) => r % items),
      ),
    };
    const capacity = { users, events: users, rows: users * items, items };
    const batch = new PageBatch(page, this.#items, {
      ...{ passed: this.#passed, contexts: this.#contexts, all: shown },
    });
    const tape = new ClickTape(batch, { arena, parameters, capacity, variants: gpu.variants });
    const taken: ClickDispatch[] = [];
    const take = (name: string): Tensor | undefined => {
      const whole = this.#output(name);
      if (!whole) return undefined;
      const view = arena.allocate(`${name} of some users`, 4 * whole.stride * users);
      taken.push(takeRows(whole, view));
      return makePlainTensor(name, "events", whole.columns, whole.stride, view);
    };
    const encoded: EncodedState = {
      first: take("utility/layer1/state_part"),
      wide: take("wide/state_part"),
      recent: take(RECENT),
    };
    const utilities = materialize(this.model.record(tape, { ...evaluating, encoded }));
    tape.place();
    const { items: tables, rows } = this.#byRows(tape, undefined);
    return {
      tables,
      utilities: { users, dispatches: [...taken, ...rows], utilities: asBufferView(utilities.view) },
    };
  }
}
