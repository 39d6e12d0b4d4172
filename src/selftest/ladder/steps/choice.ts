/** The steps to the choice softmax with its loss and gradient. */

import choiceText from "../../../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import choiceNaive from "../../../../kernels/choice/choice_nll_1_naive.wgsl" with { type: "text" };
import choiceWorkgroup from "../../../../kernels/choice/choice_nll_2_workgroup.wgsl" with { type: "text" };
import choiceOnline from "../../../../kernels/choice/choice_nll_3_online.wgsl" with { type: "text" };
import { kernel } from "../../../gpu/kernel.ts";
import type { Step } from "../check.ts";

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
