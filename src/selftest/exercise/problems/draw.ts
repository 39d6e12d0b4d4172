/** A click or none, drawn for every simulated user. */

import starter from "../../../../kernels/exercises/draw.wgsl" with { type: "text" };
import shippedText from "../../../../kernels/simulate/choose.wgsl" with { type: "text" };
import { NONE } from "../../../data/click_log.ts";
import { keyOf, philox, purposes, uniform24 } from "../../../data/philox.ts";
import { randomStream } from "../../../data/random.ts";
import { kernel } from "../../../gpu/kernel.ts";
import { type Output, output, type Problem, type Size } from "../../ladder/problem.ts";
import { type Choice, choose } from "../../../simulate/host/dynamics.ts";
import { matrix } from "../../../tape/reference.ts";
import { UserError } from "../../../user_error.ts";
import { type Exercise, floatsOf, type HardCase, shipped, wordsOutput } from "../exercise.ts";

export const draw: Exercise = {
  name: "draw",
  what: "a click or none, drawn for every simulated user",
  chapter: "10-simulated-users.md",
  starter,
  ladder: shipped({
    kernel: kernel("choose", shippedText),
    invocations: ([U = 1]) => [U],
  }, {
    title: "a click or none, U users x k items",
    size: [4096, 10],
    oddSizes: [[1, 1], [37, 3], [301, 7]],
    problem: (size) => problem(size),
  }),
  solution: "choose",
  hard: [
    hard("utilities of 90 and -90", (z) => z > 0 ? 90 + z : z - 90),
    hard("all utilities about -200", (z) => z - 200),
    hard("all utilities about 30: nobody clicks nothing", (z) => z + 30),
  ],
  letters: ([U = 1, k = 1]) => ({ U, K: k }),
};

type Utility = (normal: number) => number;

function hard(what: string, utility: Utility): HardCase {
  return { what, size: [130, 3], problem: (size) => problem(size, utility) };
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
function problem(size: Size, utility: Utility = (normal) => normal): Problem {
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
