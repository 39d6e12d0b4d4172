/** Utilities that follow from a remembered state, as SlateQ learns by them: beside the model's own, which knows the clicks. */

import assert from "node:assert/strict";
import { UserModel } from "../../src/model/user_model.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { Commands } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { AdapterKind } from "../../src/gpu/kernel_shapes.ts";
import { bufferOf } from "../../src/gpu/memory.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { randomPolicy } from "../../src/policy/named.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { Page } from "../../src/simulate/page.ts";
import { PageHeaders, PageProgram } from "../../src/simulate/page_program.ts";
import type { PageContext } from "../../src/simulate/policy.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import type { Users } from "../../src/simulate/users.ts";
import { withGpu } from "../op_check.ts";
import {
  counted,
  type Kind,
  logs,
  lstm,
  none,
  played,
  pw,
  someWeights,
  startedWith,
  tanh,
} from "../simulated_models.ts";

const [users, slate, pages] = [9, 3, 12];
/** Some start with more clicks than are looked at. */
const start = [[3, 17], [], Array.from({ length: 26 }, (_, k) => 7 * k % 41), [8]];
const cases: readonly (readonly [name: string, Kind, ModelConfig, AdapterKind?])[] = [
  ["LSTM", "dense", lstm],
  ["PW", "dense", pw],
  ["PW", "one-hot", pw],
  ["PW of more clicks", "dense", { ...pw, pwLags: 23 }],
  ["wide LSTM", "mixed", { ...lstm, wide: 3 }],
  ["counts, wide LSTM", "mixed", counted("mixed", { ...lstm, wide: 3 })],
  ["counts, wide LSTM", "mixed", counted("mixed", { ...lstm, lstmUnits: 8, wide: 3 }), "gpu"],
  ["counts, wide PW", "dense", counted("dense", { ...pw, wide: 3 })],
  ["counts, PW with tanh", "one-hot", counted("one-hot", tanh)],
  ["counts, wide, no history", "mixed", counted("mixed", { ...none, wide: 3 })],
  ["counts alone", "dense", counted("dense", { ...none, dims: [] })],
];

/** Random slates, until the users have some history. @returns it, and the states that they are in. */
async function lived(gpu: Gpu, source: LearnedSource) {
  const options = { users, slate, pages, seed: 5, repeats: true, start } as const;
  using simulator = await Simulator.create(gpu, source, options);
  let context: PageContext | undefined;
  const record = (page: PageContext) => randomPolicy.record(context = page);
  const [log] = await played(simulator, { ...randomPolicy, record });
  assert.ok(log && context);
  const states = await readFloats(gpu, bufferOf(context.observer.state.view));
  const histories = Array.from({ length: users }, (_, u) => {
    const history = Array.from(startedWith(u, 0, start));
    for (let at = u; at < pages * users; at += users) {
      const slot = log.choices[at] ?? slate;
      if (slot < slate) history.push(log.slates[slate * at + slot] ?? 0);
    }
    return history;
  });
  return { states, histories };
}

/** Writes whole states, and reads what users think of all items in them. */
async function utilitiesIn(
  made: Users,
  page: Page,
  arena: Arena,
  states: Float32Array<ArrayBuffer>,
): Promise<Float32Array> {
  const { gpu } = arena;
  const { users: chunk, dispatches, utilities } = made.catalogue();
  assert.ok(chunk >= users);
  const program = [...made.fromState(), { chunk, rows: page.items, dispatches }];
  const headers = new PageHeaders(arena, page, 1, program);
  headers.put({ users, firstUser: 0, episode: 0, seed: 0 }, () => 0);
  const tables = await PageProgram.record(gpu, "tables", headers, made.prepare());
  const after = await PageProgram.record(gpu, "from states", headers, program);
  const { buffer, offset } = bufferOf(made.state.view);
  gpu.queue.writeBuffer(buffer, offset, states);
  Commands.submit(gpu, "from states", (commands) => {
    for (const one of [tables, after]) one.encode(commands, 0);
  });
  return await readFloats(gpu, utilities);
}

for (const [name, kind, config, shapes = "cpu"] of cases) {
  Deno.test(`utilities in a remembered state are those of the clicks that led to it: ${name}, ${kind} items, ${shapes}`, () =>
    withGpu(shapes, async (gpu) => {
      const log = logs[kind];
      const items = log.items.count;
      using model = new UserModel(gpu, log.items, config, { weights: someWeights(log, config) });
      const source = new LearnedSource(model);
      const { states, histories } = await lived(gpu, source);
      const lengths = histories.map(({ length }) => length);
      assert.ok(new Set(lengths).size > 2 && Math.max(...lengths) > 26, `users differ: ${lengths}`);
      using arena = new Arena(gpu, "from states");
      const page = new Page(gpu, arena, { users, slate, items, pages: 5, startClicks: 0 });
      const made = source.users(page);
      const found = await utilitiesIn(made, page, arena, states);
      made.destroy();
      // On pages of a slate's length, which counts know of.
      const all = Array.from({ length: items }, (_, item) => item);
      const wanted = await model.scoreAll(
        histories.flatMap((history) =>
          all.map((item) => ({ history, page: all.map((k) => (item + k) % items).slice(0, slate) }))
        ),
      );
      wanted.forEach(([b = NaN], at) => {
        const a = found[at] ?? NaN;
        assert.ok(
          Math.abs(a - b) < 1e-4 * (1 + Math.abs(b)),
          `user ${Math.floor(at / items)}, item ${at % items}: ${a}, expected ${b}`,
        );
      });
    }));
}
