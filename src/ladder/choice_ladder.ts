/** The ladder (kernel versions, each faster) for the softmax over a page's items: loss and gradient. */

import choiceText from "../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import choiceNaive from "../../kernels/choice/choice_nll_1_naive.wgsl" with { type: "text" };
import choiceWorkgroup from "../../kernels/choice/choice_nll_2_workgroup.wgsl" with { type: "text" };
import choiceOnline from "../../kernels/choice/choice_nll_3_online.wgsl" with { type: "text" };
import { createRandomStream } from "../data/random.ts";
import type { Gpu } from "../gpu/device.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { makeChoice } from "../selftest/ops/loss_recipes.ts";
import type { OpCase } from "../selftest/ops/op_bench.ts";
import { createOpTrial, useBuffers } from "../selftest/ops/op_run.ts";
import { createOneHotItems, logOfPages } from "../selftest/small_logs.ts";
import type { LadderSize, LadderStep } from "./check_ladder.ts";

/** Returns the utility (f32) of item k on page e, which has `length` items. */
export type UtilityFunction = (k: number, e: number, length: number) => number;

/** Creates E pages of K - 1 to K + 1 items; `size` is [E, K]. @param utility - default: random, with ties */
export function createChoicePages(
  size: LadderSize,
  utility?: UtilityFunction,
): Pick<OpCase, "log" | "users" | "values" | "named"> {
  const [E = 1, page = 1] = size;
  const random = createRandomStream(3, "ladder", ...size);
  const drawn: UtilityFunction = (k, e) => k === 0 && e === 0 ? 90 : Math.round(8 * random.normal()) / 4;
  const pages = Array.from({ length: E }, (_, e) => {
    const length = Math.max(1, page + e % 3 - 1);
    const u = Array.from({ length }, (_, k) => (utility ?? drawn)(k, e, length));
    return { u, click: e % 5 === 4 ? -1 : (e * 7) % length };
  });
  const pageOfRow = pages.flatMap(({ u }, e) => u.map(() => e));
  return {
    log: logOfPages(createOneHotItems(1), pages.map(({ u, click }) => [[u.map(() => 0), click]])),
    users: pages.map((_, e) => e),
    values: new Map([["u", Float32Array.from(pages.flatMap(({ u }) => u))]]),
    named: (rows, row) => {
      const e = rows === "events" ? row : pageOfRow[row] ?? NaN;
      const { u = [], click = -1 } = pages[e] ?? {};
      const own = u.slice(0, 12).map((x) => Number(x.toPrecision(6)));
      const clicked = click < 0 ? "no click" : `a click on its row ${click}`;
      return ` (page ${e}: u = ${own.join(", ")}${u.length > 12 ? ", ..." : ""}; ${clicked})`;
    },
  };
}

export function createChoiceTrial(gpu: Gpu, size: LadderSize, utility?: UtilityFunction) {
  const pages = createChoicePages(size, utility);
  return createOpTrial(gpu, { ...makeChoice({ eta: 1 })(pages), ...pages }, useBuffers(gpu));
}

export function listChoiceSteps(): LadderStep[] {
  const oneEach: LadderStep["invocations"] = ([events = 1]) => [events];
  return [
    {
      kernel: parseKernel("choice_nll_1_naive", choiceNaive),
      idea: "one row per invocation",
      // The longest page has one row more than the average page.
      invocations: ([events = 1, page = 1]) => [page + 1, events],
    },
    {
      kernel: parseKernel("choice_nll_2_workgroup", choiceWorkgroup),
      idea: "one workgroup per event, sums by halves",
      invocations: ([events = 1]) => [32 * events],
    },
    {
      kernel: parseKernel("choice_nll_3_online", choiceOnline),
      idea: "one event per invocation, online sum",
      changes: 1,
      invocations: oneEach,
    },
    { kernel: parseKernel("choice_nll", choiceText), idea: "maximum first (shipped)", invocations: oneEach },
  ];
}
