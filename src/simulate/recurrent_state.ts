/** User states that the device stores between pages: LSTM states, lists of clicks, and encoder states. */

import passText from "../../kernels/simulate/pass_over.wgsl" with { type: "text" };
import keepText from "../../kernels/simulate/keep_state.wgsl" with { type: "text" };
import pushText from "../../kernels/simulate/push_click.wgsl" with { type: "text" };
import putText from "../../kernels/simulate/put_state.wgsl" with { type: "text" };
import stepText from "../../kernels/simulate/lstm_step.wgsl" with { type: "text" };
import takeText from "../../kernels/simulate/take_rows.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { padColumns, type Tensor } from "../tape/tensor.ts";
import { type ClickLists, countPassWords, type PageBuffers } from "./page_buffers.ts";
import { makePlainTensor } from "./users.ts";

const stepKernel = parseKernel("lstm_step", stepText);
const pushKernel = parseKernel("push_click", pushText);
const passKernel = parseKernel("pass_over", passText);
const takeKernel = parseKernel("take_rows", takeText);
const keepKernel = parseKernel("keep_state", keepText);
const putKernel = parseKernel("put_state", putText);

export interface LstmStep {
  /** [items, 4H] input to the LSTM's gates after a click on the item; H is the number of units. */
  readonly input: Tensor;
  /** [events, 4H] recurrent input W_h h + b to the LSTM's gates. */
  readonly product: Tensor;
  /** [events, H] state h of the LSTM. */
  readonly state: Tensor;
  /** [U, H] cell state c of each user's LSTM, with the same layout as `state`. */
  readonly cell: View;
}

export function recordLstmStep(page: PageBuffers, { input, product, state, cell }: LstmStep): ClickDispatch {
  const H4 = state.stride / 4;
  return {
    kernel: stepKernel,
    label: "encoder/lstm/state step",
    constants: { H4 },
    views: {
      event: page.event,
      input: input.view,
      product: product.view,
      state: asBufferView(state.view),
      cell,
    },
    invocations: [{ of: "events", times: H4 }],
  };
}

/**
 * Allocates a list of clicks per user, for the clicks before and during an episode.
 * @param least - minimum capacity of a list. @throws UserError if the adapter lacks the memory.
 */
export function createClickLists(
  { users, pages, startClicks }: PageBuffers,
  arena: Arena,
  least = 1,
): ClickLists {
  const room = Math.max(least, startClicks + pages);
  return {
    history: arena.allocate("history", 8 * users),
    clicks: arena.allocate("clicks", 16 * users * room),
    capacity: room,
  };
}

export function pushClick(page: PageBuffers, { history, clicks, capacity: room }: ClickLists): ClickDispatch {
  return {
    kernel: pushKernel,
    label: "push click",
    constants: { LIST: room },
    views: { event: page.event, history, clicks },
    invocations: ["users"],
  };
}

/** Counts per user the pages, and how often each item was shown but not clicked, in `passed` [words, U]. */
export function passOver(page: PageBuffers, passed: View): ClickDispatch {
  const { event, slates, slate: SLATE, users: USERS } = page;
  return {
    kernel: passKernel,
    label: "pass over",
    constants: { SLATE, USERS, LAST: countPassWords(page) - 1 },
    views: { event, slate: slates, passed },
    invocations: ["users"],
  };
}

/** Stored user states: the state of the encoder, followed by the recent clicks. */
export interface StoredState {
  readonly encoded: Tensor;
  readonly lists: ClickLists;
  readonly lags: number;
  /** [events, columns] encoder states. In the buffer, the user's recent clicks follow each row. */
  readonly state: Tensor;
}

export function createStoredState(
  page: PageBuffers,
  arena: Arena,
  { encoded, lists, lags }: Omit<StoredState, "state">,
): StoredState {
  const stride = firstKept(encoded) + padColumns(1 + lags);
  const view = arena.allocate("state and clicks", 4 * stride * page.users);
  return {
    encoded,
    lists,
    lags,
    state: makePlainTensor(encoded.name, "events", encoded.columns, stride, view),
  };
}

/** Returns the column where the stored clicks begin: after the state and one column for the page number. */
function firstKept({ columns }: Tensor): number {
  return padColumns(columns + 1);
}

/** Copies all users' encoder states and recent clicks to `state`; with `to` = "users", copies them back. */
export function copyState(
  { encoded, lists: { history, clicks, capacity }, lags, state }: StoredState,
  to: "stored" | "users",
): ClickDispatch {
  const [S4, X4] = [encoded.stride / 4, state.stride / 4];
  const isBack = to === "users";
  return {
    kernel: isBack ? putKernel : keepKernel,
    label: isBack ? "states of users" : "keep states",
    constants: { S4, FIRST4: firstKept(encoded) / 4, X4, LAGS: lags, ...(isBack && { LIST: capacity }) },
    views: { encoded: asBufferView(encoded.view), history, clicks, state: state.view },
    invocations: [{ of: "users", times: X4 }],
  };
}

/** Copies the rows of one chunk of users to `output`. @param input - [events, N] rows of all users */
export function takeRows(input: Tensor, output: View): ClickDispatch {
  const N4 = input.stride / 4;
  return {
    kernel: takeKernel,
    label: `${input.name} of some users`,
    constants: { N4 },
    views: { input: asBufferView(input.view), output },
    invocations: [{ of: "events", times: N4 }],
  };
}
