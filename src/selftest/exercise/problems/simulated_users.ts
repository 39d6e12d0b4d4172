/**
 * Simulated users and their slates: a click or none, drawn for every user; and the best of every 32 items for each, a maximum over
 * a product that is never stored.
 */

import drawStarter from "../../../../kernels/exercises/draw.wgsl" with { type: "text" };
import chooseText from "../../../../kernels/simulate/choose.wgsl" with { type: "text" };
import { NONE } from "../../../data/click_log.ts";
import { keyOf, philox, purposes, uniform24 } from "../../../data/philox.ts";
import { randomStream } from "../../../data/random.ts";
import { constantOf, kernel } from "../../../gpu/kernel.ts";
import {
  drawing,
  type Output,
  output,
  type Problem,
  ROUNDING,
  type Size,
  upload,
} from "../../ladder/problem.ts";
import { type Choice, choose } from "../../../simulate/host/dynamics.ts";
import { at, type Matrix, matrix } from "../../../tape/reference.ts";
import { UserError } from "../../../user_error.ts";
import { type Exercise, floatsOf, fours, type HardCase, shipped, wordsOutput } from "../exercise.ts";
import slateStarter from "../../../../kernels/exercises/slate_score.wgsl" with { type: "text" };
import panelText from "../../../../kernels/slates/slate_score_panel.wgsl" with { type: "text" };
import tiledText from "../../../../kernels/slates/slate_score_tiled.wgsl" with { type: "text" };
import { bitsOf, CANARY, maskBits } from "../../harness.ts";
import type { Ladder } from "../../ladder/check.ts";
import { MOST_UNITS, PANEL, panelsOf, placeWords } from "../../../policy/network/slate_score.ts";

export const draw: Exercise = {
  name: "draw",
  what: "a click or none, drawn for every simulated user",
  chapter: "10-simulated-users.md",
  starter: drawStarter,
  ladder: shipped({
    kernel: kernel("choose", chooseText),
    invocations: ([U = 1]) => [U],
  }, {
    title: "a click or none, U users x k items",
    size: [4096, 10],
    oddSizes: [[1, 1], [37, 3], [301, 7]],
    problem: (size) => drawProblem(size),
  }),
  solution: "choose",
  hard: [
    draws("utilities of 90 and -90", (z) => z > 0 ? 90 + z : z - 90),
    draws("all utilities about -200", (z) => z - 200),
    draws("all utilities about 30: nobody clicks nothing", (z) => z + 30),
  ],
  letters: ([U = 1, k = 1]) => ({ U, K: k }),
};

type Utility = (normal: number) => number;

function draws(what: string, utility: Utility): HardCase {
  return { what, size: [130, 3], problem: (size) => drawProblem(size, utility) };
}

const STEP = { noise: 7, page: { page: 1, episode: 2, firstUser: 1000 } };
/** A draw nearer to another outcome is left out: rounding may decide it. */
const LEAST_MARGIN = 1e-5;
const MOST_TRIES = 100;
/** What the log holds of earlier pages. */
const BEFORE = 7;
const COLUMNS = ["slot", "reward", "P(any click)", "1"];

interface User extends Choice {
  readonly utilities: readonly number[];
}

/** Users with their slates and what they click. */
function usersOf(size: Size, utility: Utility): User[] {
  const [users = 1, k = 1] = size;
  const random = randomStream(3, "draw", ...size);
  const { page, episode, firstUser } = STEP.page;
  return Array.from({ length: users }, (_, u) => {
    const [word] = philox([firstUser + u, episode, page, purposes.CHOICE], keyOf(STEP.noise));
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const utilities = Array.from({ length: k }, () => Math.fround(utility(random.normal())));
      const choice = choose(utilities, uniform24(word));
      if (choice.margin > LEAST_MARGIN) return { utilities, ...choice };
    }
    throw new UserError(`Expected shorter slates than ${k} items: rounding would decide what is drawn.`);
  });
}

/** @param size [users, items of a slate] */
function drawProblem(size: Size, utility: Utility = (normal) => normal): Problem {
  const [U = 1, k = 1] = size;
  const users = usersOf(size, utility);
  const items = 16 * k;
  const slate = Uint32Array.from({ length: U * k }, (_, r) => (r * 7) % items);
  const { page } = STEP.page;
  // Pages before this one are there and stay.
  const outcome = matrix((page + 1) * U, 4, (row) => row < page * U ? BEFORE : NaN);
  users.forEach(({ slot, clickChance }, u) =>
    outcome.data.set([slot, slot < k ? 1 : 0, clickChance, 1], 4 * (page * U + u))
  );
  return {
    inputs: {
      utility: Float32Array.from(users.flatMap(({ utilities }) => utilities)),
      slate,
      // Places have no effect.
      place: new Float32Array(1),
    },
    outputs: {
      log_outcome: {
        ...output(outcome, k + 16),
        initial: new Float32Array(4 * page * U).fill(BEFORE),
        named: (row, column) => `page ${Math.floor(row / U)}, user ${row % U}, ${COLUMNS[column]}`,
      },
      ...carriedOn(users, slate, items),
    },
    constants: { SLATE: k, USERS: U, ETA: 1 },
    sizes: { users: U, events: U, rows: U * k, items },
    header: STEP,
    cost: { flops: 30 * U * k, bytes: 12 * U * k + 40 * U },
  };
}

/** What the shipped kernel writes besides, for the kernels that carry users on. */
function carriedOn(
  users: readonly User[],
  slate: Uint32Array<ArrayBuffer>,
  items: number,
): Record<string, Output> {
  const [U, k] = [users.length, slate.length / users.length];
  const { page } = STEP.page;
  const log = new Uint32Array((page + 1) * slate.length);
  log.set(slate, page * slate.length);
  const event = new Uint32Array(4 * U);
  const clicked = new Uint32Array(Math.ceil(items / 32) * U);
  users.forEach(({ slot }, u) => {
    const row = u * k + slot;
    const item = slot < k ? slate[row] ?? NaN : NONE;
    event.set([u * k, u * k + k, slot < k ? row : NONE, item], 4 * u);
    if (item !== NONE) clicked[Math.floor(item / 32) * U + u] = 2 ** (item % 32);
  });
  const alive = Uint32Array.from(users, ({ slot }) => slot < k ? 1 : 2);
  const optional = (words: Uint32Array<ArrayBuffer>, columns: number, initial: number): Output => ({
    ...wordsOutput(words, columns),
    initial: floatsOf(new Uint32Array(words.length).fill(initial)),
    optional: true,
  });
  return {
    event: optional(event, 4, 0),
    clicked: optional(clicked, U, 0),
    alive: optional(alive, 1, 1),
    log_slate: optional(log, k, 0),
  };
}

const tiled = kernel("slate_score_tiled", tiledText);
const panel = kernel("slate_score_panel", panelText);

const ladder: Ladder = {
  name: "slate-score",
  title: "the best of every 32 items, U users x I items, L hidden units",
  size: [256, 1000, 64],
  oddSizes: [[1, 1, 4], [37, 33, 12], [67, 130, 64]],
  problem: (size) => slateProblem(size),
  steps: [
    {
      kernel: tiled,
      idea: "shipped for GPUs",
      invocations: ([U = 1, I = 1]) => [16 * Math.ceil(panelsOf(I) / 2), Math.ceil(U / 4)],
    },
    {
      kernel: panel,
      idea: "shipped for CPU adapters",
      invocations: ([U = 1, I = 1]) => {
        const workgroup = constantOf(panel, "WORKGROUP");
        return [workgroup * panelsOf(I), Math.ceil(U / workgroup)];
      },
      refuses: ([, , L = 1]) => L <= MOST_UNITS ? undefined : `sums over more than ${MOST_UNITS}`,
    },
  ],
};

export const slateScore: Exercise = {
  name: "slate-score",
  what: "the best of every 32 items for each user, by a network of one hidden layer",
  chapter: "11-slates.md",
  starter: slateStarter,
  ladder,
  solution: "slate_score_tiled",
  hard: [
    slates("all scores below -1,000", { output: (n) => -1000 - n, table: (i, n) => 2 + (7 * i + n) % 5 / 4 }),
    slates("equal items: the first of them", {
      table: (i, n) => (7 * (i % 5) + 3 * n) % 11 / 8,
      exact: true,
    }),
    slates("nothing but one item left in a panel", { masked: (u, i) => i % PANEL !== u % PANEL }),
  ],
  letters: ([U = 1, I = 1, L]) => ({ U, P: panelsOf(I), L4: fours(L) }),
};

/** What is not drawn. */
interface Rule {
  readonly output?: (unit: number) => number;
  readonly table?: (item: number, unit: number) => number;
  readonly masked?: (user: number, item: number) => boolean;
  /** No two items differ by rounding alone, so the item itself has to be right. */
  readonly exact?: boolean;
}

function slates(what: string, rule: Rule): HardCase {
  return { what, size: [37, 70, 8], problem: (size) => slateProblem(size, rule) };
}

/** @param size [users, items, hidden units]; an eighth of the items is masked, and all of the first panel for user 5. */
function slateProblem(size: Size, rule: Rule = {}): Problem {
  const [U = 1, I = 1, L = 1] = size;
  const draw = drawing(size);
  const eighths = ({ rows, columns, data }: Matrix) =>
    rule.exact
      ? matrix(rows, columns, (i, j) => Math.round(8 * (data[i * columns + j] ?? NaN)) / 8)
      : { rows, columns, data };
  const base = eighths(draw(U, L));
  const drawn = [draw(I, L), eighths(draw(1, L))] as const;
  const table = matrix(I, L, rule.table ?? ((i, n) => at(drawn[0], i, n)));
  const weights = matrix(1, L, (_, n) => rule.output?.(n) ?? at(drawn[1], 0, n));
  const random = randomStream(3, "slate score", ...size);
  const masked = rule.masked ??
    ((u: number, i: number) => random.uniform() < 1 / 8 || (u === 5 && i < PANEL));
  const scores = matrix(U, I, (u, i) => {
    let sum = 0;
    for (let n = 0; n < L; n++) sum += at(weights, 0, n) * Math.max(0, at(base, u, n) + at(table, i, n));
    return masked(u, i) ? -Infinity : sum;
  });
  const bits = maskBits(U, I, (u, i) => at(scores, u, i) === -Infinity);
  return {
    inputs: {
      base: upload(base),
      table: upload(table),
      weights: upload(weights),
      masked: bits,
      // All scores are stored by another dispatch.
      scores: new Float32Array(4),
      place: placeWords({ items: I, maskStride: U, tableStride4: fours(L) }),
    },
    outputs: { best: bestOfPanels(scores, L + 8, rule.exact ?? false) },
    constants: { M: 0, L4: fours(L), ITEMS: I },
    sizes: { users: U, events: 1, rows: 1, items: I },
    cost: { flops: 3 * U * I * L, bytes: 4 * L * (U + I) + 12 * panelsOf(I) * U },
  };
}

/** The items of a panel, and which of them is the best for a user. */
interface UserPanel {
  readonly user: number;
  readonly panel: number;
  /** Of the items that are not masked, the first of equal ones; undefined where all are masked. */
  readonly best: number | undefined;
}

/**
 * [panels U, 2]: the largest score of each panel, and the score of the item that is named; zeros where none is left.
 * @param scores [U, I], -Infinity for items that are masked. @param exact the second column is the item's number.
 */
function bestOfPanels(scores: Matrix, terms: number, exact: boolean): Output {
  const { rows: U, columns: I } = scores;
  const panels = Array.from({ length: panelsOf(I) * U }, (_, row): UserPanel => {
    const [panel, user] = [Math.floor(row / U), row % U];
    let [best, most]: [number | undefined, number] = [undefined, -Infinity];
    for (let i = panel * PANEL; i < Math.min(I, (panel + 1) * PANEL); i++) {
      if (at(scores, user, i) > most) [best, most] = [i, at(scores, user, i)];
    }
    return { user, panel, best };
  });
  /** What is compared of an item that is named. */
  const of = (user: number, item: number) => exact ? item : at(scores, user, item);
  const expected = panels.flatMap(({ user, best }) =>
    best === undefined ? [0, 0] : [at(scores, user, best), of(user, best)]
  );
  return {
    length: expected.length,
    expected: matrix(panels.length, 2, (row, column) => expected[2 * row + column] ?? NaN),
    dense(found) {
      const items = bitsOf(found);
      return panels.flatMap(({ user, best }, row) => {
        const item = items[2 * row + 1] ?? NaN;
        if (best === undefined) return item === CANARY ? [NaN, NaN] : [0, 0];
        return [found[2 * row] ?? NaN, item < I ? of(user, item) : NaN];
      });
    },
    tolerance: 4 * ROUNDING * terms,
    named: (row, column) =>
      `panel ${Math.floor(row / U)}, user ${row % U}, ${column === 0 ? "score" : "item"}`,
    fault: (found) => wrongItem(scores, panels, bitsOf(found)),
  };
}

/** What is wrong with an item that cannot be chosen. @param words (score, item) of each panel. */
function wrongItem(scores: Matrix, panels: readonly UserPanel[], words: Uint32Array): string | undefined {
  for (const [row, { user, panel, best }] of panels.entries()) {
    const item = words[2 * row + 1] ?? NaN;
    if (item === CANARY) continue;
    const place = `best[${panel} U + ${user}], of panel ${panel} and user ${user}`;
    const named = item === NONE ? "NONE" : `item ${item}`;
    if (best === undefined) {
      if (item !== NONE) {
        return `${place}: all its items are masked, so the item has to be NONE; got ${named}.`;
      }
    } else if (Math.floor(item / PANEL) !== panel || item >= scores.columns) {
      return `${place}: expected one of its items, got ${named}.`;
    } else if (at(scores, user, item) === -Infinity) {
      return `${place}: ${named} is masked for this user.`;
    }
  }
}
