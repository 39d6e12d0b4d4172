/** The choice softmax with its loss and gradient: what a ladder records, and its steps. */

import choiceText from "../../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import choiceNaive from "../../../kernels/choice/choice_nll_1_naive.wgsl" with { type: "text" };
import choiceWorkgroup from "../../../kernels/choice/choice_nll_2_workgroup.wgsl" with { type: "text" };
import choiceOnline from "../../../kernels/choice/choice_nll_3_online.wgsl" with { type: "text" };
import { randomStream } from "../../data/random.ts";
import type { Gpu } from "../../gpu/device.ts";
import { kernel } from "../../gpu/kernel.ts";
import { choiceOf } from "../ops/loss_recipes.ts";
import type { OpCase } from "../ops/op_bench.ts";
import { inBuffers, opTrial } from "../ops/op_run.ts";
import { logOf, oneHotItems } from "../small_logs.ts";
import type { Size, Step } from "./check.ts";

/** The utility of row k of page e, which has `length` rows; an f32. */
export type Utility = (k: number, e: number, length: number) => number;

/**
 * `events` pages of about `page` rows, some without a click: a user for each.
 * @param utility without one: some with ties, one of 90.
 */
export function choicePages(
  size: Size,
  utility?: Utility,
): Pick<OpCase, "log" | "users" | "values" | "named"> {
  const [E = 1, page = 1] = size;
  const random = randomStream(3, "ladder", ...size);
  const drawn: Utility = (k, e) => k === 0 && e === 0 ? 90 : Math.round(8 * random.normal()) / 4;
  const pages = Array.from({ length: E }, (_, e) => {
    const length = Math.max(1, page + e % 3 - 1);
    const u = Array.from({ length }, (_, k) => (utility ?? drawn)(k, e, length));
    return { u, items: u.map(() => 0), click: e % 5 === 4 ? undefined : (e * 7) % length };
  });
  const ofRow = pages.flatMap(({ u }, e) => u.map(() => e));
  return {
    log: logOf(pages.map((page) => [page]), oneHotItems(1)),
    users: pages.map((_, e) => e),
    values: new Map([["u", Float32Array.from(pages.flatMap(({ u }) => u))]]),
    named: (rows, row) => {
      const e = rows === "events" ? row : ofRow[row] ?? NaN;
      const { u = [], click } = pages[e] ?? {};
      const own = u.slice(0, 12).map((x) => Number(x.toPrecision(6)));
      const clicked = click === undefined ? "no click" : `a click on its row ${click}`;
      return ` (page ${e}: u = ${own.join(", ")}${u.length > 12 ? ", ..." : ""}; ${clicked})`;
    },
  };
}

/** The choice on {@link choicePages}. */
export function choiceTrial(gpu: Gpu, size: Size, utility?: Utility) {
  const pages = choicePages(size, utility);
  return opTrial(gpu, { ...choiceOf({ eta: 1 })(pages), ...pages }, inBuffers(gpu));
}

export function choiceSteps(): Step[] {
  const oneEach: Step["invocations"] = ([events = 1]) => [events];
  return [
    {
      kernel: kernel("choice_nll_1_naive", choiceNaive),
      idea: "one row an invocation",
      // A page has at most one row more than it has on average.
      invocations: ([events = 1, page = 1]) => [page + 1, events],
    },
    {
      kernel: kernel("choice_nll_2_workgroup", choiceWorkgroup),
      idea: "a workgroup an event, sums by halves",
      invocations: ([events = 1]) => [32 * events],
    },
    {
      kernel: kernel("choice_nll_3_online", choiceOnline),
      idea: "one event an invocation, online sum",
      changes: 1,
      invocations: oneEach,
    },
    { kernel: kernel("choice_nll", choiceText), idea: "maximum first (shipped)", invocations: oneEach },
  ];
}
