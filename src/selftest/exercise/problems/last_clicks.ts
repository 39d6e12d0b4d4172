/** Position weights: the last clicks before every event, under four weightings. */

import starter from "../../../../kernels/exercises/last_clicks.wgsl" with { type: "text" };
import shippedText from "../../../../kernels/pw/pw_state_forward.wgsl" with { type: "text" };
import type { ReferenceBatch } from "../../../batch/reference_batch.ts";
import { NONE } from "../../../data/click_log.ts";
import { kernel } from "../../../gpu/kernel.ts";
import {
  drawing,
  noBatch,
  output,
  type Problem,
  type Size,
  upload,
  uploadEvents,
} from "../../ladder/problem.ts";
import { reference } from "../../../ops/pw_state.ts";
import { type Exercise, fours, shipped, withOnesBehind } from "../exercise.ts";

export const lastClicks: Exercise = {
  name: "last-clicks",
  what: "the last clicks before every event, under learned weights",
  chapter: "8-position-weights.md",
  starter,
  ladder: shipped({
    kernel: kernel("pw_state_forward", shippedText),
    invocations: (size) => [eventsOf(size) * fours(size[2])],
  }, {
    title: "position weights, B users x T events, F features under four weightings",
    size: [128, 20, 64],
    oddSizes: [[1, 1, 5], [11, 5, 7], [3, 9, 20]],
    problem: (size) => problem(size),
  }),
  solution: "pw_state_forward",
  hard: [{
    what: "more clicks than the window has lags, and users without clicks",
    size: [5, 40, 6],
    problem: (size) => problem(size, true),
  }],
  letters: (size) => ({ E: eventsOf(size), F: size[2] ?? 1, F4: fours(size[2]) }),
};

const [ITEMS, LAGS, WEIGHTINGS] = [50, 8, 4];

/** Events of a user: every second one has one less. */
function lengthOf(user: number, most: number): number {
  return Math.max(1, most - user % 2);
}

function eventsOf([users = 1, most = 1]: Size): number {
  const pairs = lengthOf(0, most) + lengthOf(1, most);
  return Math.floor(users / 2) * pairs + users % 2 * lengthOf(0, most);
}

/** Now and then nothing is clicked. @param hard every other user never clicks, the others on two of three pages. */
function batchOf([users = 1, most = 1]: Size, hard = false): ReferenceBatch {
  const events: ReferenceBatch["events"] = [];
  const history: ReferenceBatch["history"] = [];
  const userFirst = [0];
  for (let user = 0; user < users; user++) {
    const end = events.length + lengthOf(user, most);
    for (let clicks = 0, e = events.length; e < end; e++) {
      // The click of a user's last event is fed to nobody.
      const feeds = e + 1 < end && (hard ? user % 2 === 0 && e % 3 !== 1 : e % 7 !== 3);
      events.push({ first: 0, end: 0, click: NONE, fed: feeds ? (e * 13) % ITEMS : NONE });
      history.push({ clicks, end });
      if (feeds) clicks++;
    }
    userFirst.push(end);
  }
  return { ...noBatch, userFirst, events, history };
}

/** @param size [users, events of each, features] */
function problem(size: Size, hard = false): Problem {
  const [users = 1, , F = 1] = size;
  const draw = drawing(size);
  const [features, weights] = [draw(ITEMS, F), draw(LAGS, WEIGHTINGS)];
  const batch = batchOf(size, hard);
  const { events, history } = batch;
  const { output: state } = reference([features, weights], batch);
  const E = events.length;
  return {
    inputs: {
      event: uploadEvents(events),
      history: Uint32Array.from(history.flatMap(({ clicks, end }) => [clicks, end])),
      features: upload(features),
      // Behind them stand other parameters, as in an arena: a read past the end would give 0, and be right by chance.
      weights: withOnesBehind(upload(weights), 64 * WEIGHTINGS),
      // Without tanh there is none.
      bias: new Float32Array(4),
    },
    outputs: {
      state: {
        ...output(state, LAGS + 8),
        named: (e, column) =>
          `event ${e}, feature ${Math.floor(column / WEIGHTINGS)}, weighting ${column % WEIGHTINGS}`,
      },
    },
    constants: { F, F4: fours(F), LAGS, WEIGHTINGS, COLUMNS4: F },
    sizes: { users, events: E, rows: 1, items: ITEMS },
    cost: { flops: 2 * E * LAGS * WEIGHTINGS * F, bytes: 4 * F * (Math.min(E, ITEMS) + E * WEIGHTINGS) },
  };
}
