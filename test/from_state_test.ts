/** Utilities that follow from a remembered state, as SlateQ learns by them: beside the model's own, which knows the clicks. */

import assert from "node:assert/strict";
import { UserModel } from "../src/model/user_model.ts";
import type { ModelConfig } from "../src/model/config.ts";
import { Arena } from "../src/gpu/arena.ts";
import { Commands } from "../src/gpu/commands.ts";
import { bufferOf } from "../src/gpu/memory.ts";
import { readFloats } from "../src/gpu/readback.ts";
import { LearnedSource } from "../src/simulate/learned_source.ts";
import { Page } from "../src/simulate/page.ts";
import { PageHeaders } from "../src/simulate/page_headers.ts";
import { PageProgram } from "../src/simulate/page_program.ts";
import type { Users } from "../src/simulate/users.ts";
import { padRows } from "../src/tape/tensor.ts";
import { withGpu } from "./op_check.ts";
import {
  type Kind,
  logs,
  lstm,
  pw,
  simulated,
  someWeights,
  startedWith,
  startFor,
} from "./simulated_models.ts";

const users = 9;
const cases: readonly (readonly [name: string, Kind, ModelConfig])[] = [
  ["LSTM", "dense", lstm],
  ["PW", "dense", pw],
  ["PW", "one-hot", pw],
];

/** Writes states, and reads what users think of all items in them. */
async function utilitiesIn(
  made: Users,
  page: Page,
  arena: Arena,
  states: Float32Array,
): Promise<Float32Array> {
  const { gpu } = arena;
  const { state } = made;
  const { users: chunk, dispatches, utilities } = made.catalogue();
  assert.ok(chunk >= users);
  const program = [...made.fromState(), { chunk, rows: page.items, dispatches }];
  const headers = new PageHeaders(arena, page, 1, program);
  headers.put({ users, firstUser: 0, episode: 0, seed: 0 }, () => 0);
  const tables = await PageProgram.record(gpu, "tables", headers, made.prepare());
  const after = await PageProgram.record(gpu, "from states", headers, program);
  const { buffer, offset } = bufferOf(state.view);
  gpu.queue.writeBuffer(buffer, offset, padRows(states, users, state.columns, state.groups));
  const commands = new Commands(gpu, "from states");
  for (const one of [tables, after]) one.encode(commands, 0);
  gpu.queue.submit([commands.finish()]);
  return await readFloats(gpu, utilities);
}

for (const [name, kind, config] of cases) {
  Deno.test(`utilities in a remembered state are those of the clicks that led to it: ${name}, ${kind} items`, () =>
    withGpu("cpu", async (gpu) => {
      const log = logs[kind];
      const items = log.items.count;
      const model = new UserModel(gpu, log.items, config, { weights: someWeights(log, config) });
      const source = new LearnedSource(model);
      const start = startFor(kind);
      const histories = Array.from({ length: users }, (_, u) => Array.from(startedWith(u, 0, start)));
      const options = { users, slate: 3, pages: 5, seed: 5, repeats: true, start } as const;
      const states = await simulated(source, gpu, options, async (simulator) => {
        await simulator.reset();
        for (let page = 0; page < options.pages; page++) {
          const slates = Array.from({ length: 3 * users }, (_, k) => (7 * k + 11 * page) % items);
          const { choice } = await simulator.step(slates);
          choice.forEach((slot, u) => {
            if (slot < 3) histories[u]?.push(slates[3 * u + slot] ?? 0);
          });
        }
        return await simulator.states();
      });
      assert.ok(new Set(histories.map(({ length }) => length)).size > 2, "users differ");
      const arena = new Arena(gpu, "from states");
      const page = new Page(gpu, arena, { users, slate: 3, items, pages: 5, startClicks: 0 });
      const made = source.users(page);
      const found = await utilitiesIn(made, page, arena, states);
      const all = Array.from({ length: items }, (_, item) => item);
      for (const [u, history] of histories.entries()) {
        const wanted = await model.score({ history, page: all });
        for (const item of all) {
          const [a = NaN, b = NaN] = [found[u * items + item], wanted[item]];
          assert.ok(
            Math.abs(a - b) < 1e-4 * (1 + Math.abs(b)),
            `user ${u}, item ${item}: ${a}, expected ${b}`,
          );
        }
      }
      for (const part of [made, arena, model]) part.destroy();
    }));
}

Deno.test("a wide part looks back at clicks: its utilities do not follow from a state", () =>
  withGpu("cpu", async (gpu) => {
    const config = { ...lstm, wide: 3 };
    const model = new UserModel(gpu, logs.mixed.items, config, { weights: someWeights(logs.mixed, config) });
    const arena = new Arena(gpu, "wide");
    const page = new Page(gpu, arena, { users, slate: 3, items: 41, pages: 5, startClicks: 0 });
    const made = new LearnedSource(model).users(page);
    assert.throws(() => made.fromState(), /Expected utilities that follow from the state of lstm alone/);
    for (const part of [made, arena, model]) part.destroy();
    await Promise.resolve();
  }));
