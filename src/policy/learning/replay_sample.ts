/** Batches of B pages from the replay buffer, with user states before and after the pages. */

import drawText from "../../../kernels/slates/replay_draw.wgsl" with { type: "text" };
import masksText from "../../../kernels/slates/replay_sample_masks.wgsl" with { type: "text" };
import sampleText from "../../../kernels/slates/replay_sample.wgsl" with { type: "text" };
import statesText from "../../../kernels/slates/replay_sample_states.wgsl" with { type: "text" };
import type { PhiloxKey } from "../../data/philox.ts";
import type { Arena } from "../../gpu/arena.ts";
import { parseKernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import { createPool } from "../../simulate/pool.ts";
import { drawStartHistory, type StartOptions } from "../../simulate/start.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";
import { countPanels } from "../network/slate_score.ts";
import type { ReplayBuffer } from "./replay_buffer.ts";

const drawKernel = parseKernel("replay_draw", drawText);
const sampleKernel = parseKernel("replay_sample", sampleText);
const masksKernel = parseKernel("replay_sample_masks", masksText);
const statesKernel = parseKernel("replay_sample_states", statesText);

/** Batch sizes: B `pages`, B `rows`, B x slate size `slots`, and as `items` the size of the catalogue. */
export type LearnSizes = Readonly<Record<"pages" | "rows" | "slots" | "items", number>>;

// Shaders that also run on batches of click logs read the number of items at index 3.
export const learnDimensions = new Dimensions<LearnSizes>(["pages", "rows", "slots", "items"], "rows");

export interface ReplaySampleOptions {
  readonly rows: number;
  readonly items: number;
  /** Number of columns of a user state, without padding and without the input's page number. */
  readonly stateColumns: number;
  readonly repeats: boolean;
  /** Mask of the items that are never shown, 32 items per word; by default all items may be shown. */
  readonly leftOut?: Uint32Array<ArrayBuffer>;
  /** Clicks that users have made before an episode; no clicks by default. */
  readonly start?: StartOptions;
}

/** B pages sampled for a training step. */
export class ReplaySample {
  readonly sizes: LearnSizes;
  /** [2 x rows, columns + 1] f32: `before`, followed by `after`. The last column: pages seen / all pages. */
  readonly inputs: View;
  /** [rows, columns + 1] network input for the user states before the pages: the first half of `inputs`. */
  readonly before: Tensor;
  /** [rows, columns + 1] network input for the user states after the pages: the second half of `inputs`. */
  readonly after: Tensor;
  /** [items / 32, rows] u32: bit mask of the items that the sampled page could not show. */
  readonly maskBefore: View;
  /** [items / 32, rows] u32: bit mask of the items that the next page could not show. */
  readonly maskAfter: View;
  readonly slates: View;
  /** [rows] vec4f: clicked slot (slate size: no click), reward, 0 if the user left (else 1), page number. */
  readonly outcome: View;
  /** [rows] vec4u per sampled page: (index of its episode in the replay buffer, page, user, unused). */
  readonly drawn: View;
  readonly #masks: View;
  readonly #leftOut: View;
  /** [episodes, users] vec2u: start and end, in `#history`, of the user's clicks before the episode. */
  readonly #begun: View;
  readonly #history: View;
  readonly #ranges = new Map<ArrayLike<number>, readonly [first: number, end: number]>();

  constructor(
    private readonly arena: Arena,
    private readonly replay: ReplayBuffer,
    readonly options: ReplaySampleOptions,
  ) {
    const { rows, items, stateColumns, leftOut, start = "empty" } = options;
    // With a multiple of 64 rows, the offset of a buffer's second half is aligned as bindings require.
    if (rows % 64 !== 0) throw new Error(`sample: expected rows to be a multiple of 64, got ${rows}`);
    this.sizes = { pages: rows, rows, slots: rows * replay.size.slate, items };
    const panels = countPanels(items);
    const columns = stateColumns + 1;
    const stride = padColumns(columns);
    this.inputs = arena.allocate("replayed states", 8 * rows * stride);
    const [before, after] = halves(this.inputs, 4 * rows * stride);
    this.before = makePlainTensor("input before", "rows", columns, stride, before);
    this.after = makePlainTensor("input after", "rows", columns, stride, after);
    this.#masks = arena.allocate("masks of replayed pages", 8 * panels * rows);
    [this.maskBefore, this.maskAfter] = halves(this.#masks, 4 * panels * rows);
    this.slates = arena.allocate("replayed slates", 4 * rows * replay.size.slate);
    this.outcome = arena.allocate("replayed outcomes", 16 * rows);
    this.drawn = arena.allocate("drawn pages", 16 * rows);
    this.#leftOut = arena.upload("items left out", leftOut ?? createPool("all", items).excluded);
    const { users, episodes } = replay.size;
    const histories = start === "empty" ? [] : start;
    let clicks = 0;
    for (const own of histories) this.#ranges.set(own, [clicks, clicks += own.length]);
    const history = new Uint32Array(Math.max(1, clicks));
    for (const [own, [first]] of this.#ranges) history.set(own, first);
    this.#history = arena.upload("clicks before the episodes", history);
    this.#begun = arena.upload("starts of replayed episodes", new Uint32Array(2 * episodes * users));
  }

  /** Stores the clicks that users made before an episode. @param key - key of the episode's random numbers */
  begin(episode: number, key: PhiloxKey): void {
    const { options: { start = "empty" }, replay: { size: { users, episodes } } } = this;
    if (start === "empty") return;
    const ranges = new Uint32Array(2 * users);
    for (let user = 0; user < users; user++) {
      ranges.set(this.#ranges.get(drawStartHistory(start, user, episode, key)) ?? [], 2 * user);
    }
    const { buffer, offset } = this.#begun;
    this.arena.gpu.queue.writeBuffer(buffer, offset + 8 * users * (episode % episodes), ranges);
  }

  /** Returns dispatches that sample pages at random and gather the pages' data. */
  dispatches(): DispatchSpec[] {
    const { replay, drawn, options: { rows, items, stateColumns, repeats } } = this;
    const { users, pages, slate, stateStride, episodes } = replay.size;
    const constants = { K: slate, T: pages, USERS: users };
    const panels = countPanels(items);
    const vectors = this.before.stride / 4;
    return [
      {
        kernel: drawKernel,
        label: "sample pages",
        constants: { SLOTS: episodes, USERS: users },
        views: { starts: replay.starts, drawn },
        invocations: [rows],
      },
      {
        kernel: sampleKernel,
        label: "sample pages",
        constants: { ...constants, S4: stateStride / 4, X4: vectors, TIME: stateColumns },
        views: {
          ...{ drawn, states: replay.states, shown: replay.shown, happened: replay.happened },
          ...{ inputs: this.inputs, slates: this.slates, outcome: this.outcome },
        },
        invocations: [rows * vectors],
      },
      {
        kernel: masksKernel,
        label: "masks of replayed pages",
        constants: { ...constants, PANELS: panels, REPEATS: repeats },
        views: {
          ...{ drawn, shown: replay.shown, happened: replay.happened },
          ...{ left_out: this.#leftOut, begun: this.#begun, history: this.#history, masks: this.#masks },
        },
        invocations: [rows],
      },
    ];
  }

  /** Returns a dispatch that fills `state` [rows, columns] with the users' states after sampled pages. */
  statesAfter(state: Tensor): DispatchSpec {
    const { replay, drawn, options: { rows } } = this;
    const { users, pages, stateStride } = replay.size;
    if (state.stride !== stateStride) {
      throw new Error(
        `sample: expected states of ${stateStride} floats, got ${state.stride} of ${state.name}`,
      );
    }
    const S4 = stateStride / 4;
    return {
      kernel: statesKernel,
      label: "states after pages",
      constants: { S4, T: pages, USERS: users },
      views: { drawn, states: replay.states, state: state.view },
      invocations: [rows * S4],
    };
  }
}

function halves(view: View, bytes: number): [View, View] {
  const { buffer, offset } = view;
  return [{ buffer, offset, size: bytes }, { buffer, offset: offset + bytes, size: bytes }];
}
