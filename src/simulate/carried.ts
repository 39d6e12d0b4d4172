/** What carries users on from page to page on the device: a step of an LSTM, lists of clicks, rows of some users. */

import pushText from "../../kernels/push_click.wgsl" with { type: "text" };
import stepText from "../../kernels/lstm_step.wgsl" with { type: "text" };
import takeText from "../../kernels/take_rows.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ClickLists, Page } from "./page.ts";

const stepKernel = kernel("lstm_step", stepText);
const pushKernel = kernel("push_click", pushText);
const takeKernel = kernel("take_rows", takeText);

/** What a step of an LSTM reads and changes. */
export interface LstmStep {
  /** [items, 4H] or a table [I, 4H]: what an item feeds into the gates. */
  readonly input: Tensor;
  /** [events, 4H] W_h h + b */
  readonly product: Tensor;
  /** [events, H] */
  readonly state: Tensor;
  /** [U, H], laid out like the state. */
  readonly cell: View;
}

/** Users move on by the item that they clicked. */
export function lstmStep(page: Page, { input, product, state, cell }: LstmStep): ClickDispatch {
  const H4 = state.stride / 4;
  return {
    kernel: stepKernel,
    label: "encoder/lstm/state step",
    constants: { H4 },
    views: { event: page.event, input: input.view, product: product.view, state: bufferOf(state.view), cell },
    invocations: [{ of: "events", times: H4 }],
    cost: (s) => ({ flops: 40 * s.events * state.columns, bytes: 192 * s.events * H4 }),
  };
}

/** Room for the clicks of all users, before an episode and in it. @throws UserError for more than the adapter holds. */
export function clickLists({ users, pages, startClicks }: Page, arena: Arena): ClickLists {
  return {
    history: arena.allocate("history", 8 * users),
    clicks: arena.allocate("clicks", 16 * users * (startClicks + pages)),
  };
}

/** The item that each user clicked goes to the end of the user's list. */
export function pushClick(page: Page, { history, clicks }: ClickLists): ClickDispatch {
  return {
    kernel: pushKernel,
    label: "push click",
    constants: { LIST: page.startClicks + page.pages },
    views: { event: page.event, history, clicks },
    invocations: ["users"],
    cost: (s) => ({ flops: 0, bytes: 40 * s.users }),
  };
}

/** The rows of a chunk of users. @param input [events, N] of all users @param output as large as a chunk */
export function takeRows(input: Tensor, output: View): ClickDispatch {
  const N4 = input.stride / 4;
  return {
    kernel: takeKernel,
    label: `${input.name} of some users`,
    constants: { N4 },
    views: { input: bufferOf(input.view), output },
    invocations: [{ of: "events", times: N4 }],
    cost: (s) => ({ flops: 0, bytes: 32 * s.events * N4 }),
  };
}
