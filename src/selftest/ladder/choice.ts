/** The choice softmax with its loss and gradient: the problem of a ladder, and its steps. */

import choiceText from "../../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import choiceNaive from "../../../kernels/choice/choice_nll_1_naive.wgsl" with { type: "text" };
import choiceWorkgroup from "../../../kernels/choice/choice_nll_2_workgroup.wgsl" with { type: "text" };
import choiceOnline from "../../../kernels/choice/choice_nll_3_online.wgsl" with { type: "text" };
import type { ReferenceBatch } from "../../batch/reference_batch.ts";
import { NONE } from "../../data/click_log.ts";
import { randomStream } from "../../data/random.ts";
import { kernel } from "../../gpu/kernel.ts";
import { reference as choiceReference } from "../../ops/choice_nll.ts";
import { type Matrix, matrix } from "../../tape/reference.ts";
import type { Step } from "./check.ts";
import { noBatch, type Output, output, type Problem, ROUNDING, type Size, uploadEvents } from "./problem.ts";

/** The utility of row k of page e, which has `length` rows; an f32. */
export type Utility = (k: number, e: number, length: number) => number;

/**
 * `events` pages of about `page` rows, some without a click.
 * @param utility without one: some with ties, one of 90.
 * @returns u [R, 1]
 */
export function choicePages(size: Size, utility?: Utility): { events: ReferenceBatch["events"]; u: Matrix } {
  const [E = 1, page = 1] = size;
  const random = randomStream(3, "ladder", ...size);
  const drawn: Utility = (k, e) => k === 0 && e === 0 ? 90 : Math.round(8 * random.normal()) / 4;
  const events: ReferenceBatch["events"] = [];
  const u: number[] = [];
  for (let e = 0; e < E; e++) {
    const [first, length] = [u.length, Math.max(1, page + e % 3 - 1)];
    for (let k = 0; k < length; k++) u.push((utility ?? drawn)(k, e, length));
    events.push({ first, end: u.length, click: e % 5 === 4 ? NONE : first + (e * 7) % length, fed: NONE });
  }
  return { events, u: matrix(u.length, 1, (r) => u[r] ?? NaN) };
}

/** A page in words: its utilities, the first twelve of many, and the click. */
export function pageText({ events, u }: ReturnType<typeof choicePages>, e: number): string {
  const { first = 0, end = 0, click = NONE } = events[e] ?? {};
  const own = Array.from(u.data.subarray(first, Math.min(end, first + 12)), (x) => Number(x.toPrecision(6)));
  const clicked = click === NONE ? "no click" : `a click on row ${click}`;
  return `page ${e}, rows ${first} to ${end - 1}: u = ` +
    `${own.join(", ")}${end > first + 12 ? ", ..." : ""}; ${clicked}`;
}

/** A number a row. @param terms of the longest sum */
export function rowOutput(pages: ReturnType<typeof choicePages>, expected: Matrix, terms: number): Output {
  return {
    length: pages.u.rows,
    expected,
    dense: (found) => found,
    tolerance: 4 * ROUNDING * terms,
    named: (row) => pageText(pages, pages.events.findIndex(({ end }) => row < end)),
  };
}

/** The choice on {@link choicePages}. */
export function choiceProblem(size: Size, utility?: Utility): Problem {
  const [E = 1, page = 1] = size;
  const pages = choicePages(size, utility);
  const { events, u } = pages;
  const R = u.rows;
  const result = choiceReference(1)([u], { ...noBatch, events });
  const [gradient = matrix(0, 0)] = result.backward(matrix(E, 4));
  return {
    inputs: {
      u: new Float32Array(u.data),
      // Utilities are there, and places have no effect: nothing is made of these.
      dots: new Float32Array(4),
      bias: new Float32Array(1),
      place: new Float32Array(1),
      event: uploadEvents(events),
    },
    outputs: {
      outcome: { ...output(result.output, page + 16), named: (e) => pageText(pages, e) },
      u_gradient: rowOutput(pages, gradient, page + 16),
    },
    constants: { ETA: 1 },
    sizes: { users: 1, events: E, rows: R, items: 1 },
    cost: { flops: 20 * R, bytes: 8 * R + 32 * E },
  };
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
