/** Law: a log that a model's users wrote is, to the model, what it expects: its loss on it is the entropy of its choices. */

import assert from "node:assert/strict";
import { NONE } from "../../src/data/click_log.ts";
import { writePrepared } from "../../src/data/sets/prepared_writer.ts";
import { sinkOf } from "../../src/simulate/commands/files.ts";
import { keyOf } from "../../src/data/philox.ts";
import { choiceProbabilities } from "../../src/model/choice.ts";
import { defaultModel } from "../../src/model/config.ts";
import { modelParameters, UserModel } from "../../src/model/user_model.ts";
import { randomStream } from "../../src/data/random.ts";
import { randomPolicy } from "../../src/policy/named.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { episodeLog } from "../../src/simulate/episode_log.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { startOf } from "../../src/simulate/start.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { Evaluation } from "../../src/train/evaluation.ts";
import { withCopy } from "../foreign_set.ts";
import { withGpu } from "../op_check.ts";

const config = { ...defaultModel, lstmUnits: 5, dims: [7, 18, 5] };

Deno.test("what a model's users did is as likely to the model as it says, pages of a log that it reads by itself", () =>
  withCopy((folder) =>
    withGpu(undefined, async (gpu) => {
      const { source, items: itemIds } = await openDataset(folder);
      const weights = new Map(
        modelParameters(source.items.shape, config).map(({ name, rows, columns }) => {
          const random = randomStream(8, "weights", name);
          return [name, Float32Array.from({ length: rows * columns }, () => 0.7 * random.normal())];
        }),
      );
      using model = new UserModel(gpu, source.items, config, { weights });
      const start = [[3, 1], [], [5]]; // given events: they move users, and are not predicted
      const options = { users: 600, slate: 3, pages: 6, seed: 4, leave: 0.1, start, repeats: true };
      using simulator = await Simulator.create(gpu, new LearnedSource(model), options);
      const startedWith = (user: number) => startOf(start, user, 0, keyOf(options.seed));
      await Deno.mkdir(`${folder}/log`);
      const contents = { name: "simulated", items: source.items, itemIds, notes: [], command: [] };
      const pages = sinkOf((from: AsyncIterable<ReturnType<typeof episodeLog>>) =>
        writePrepared(`${folder}/log`, contents, from)
      );
      let said: number[] = [];
      await simulator.run(randomPolicy, {
        onLog: async (log) => {
          said = said.concat(
            Array.from({ length: log.users }, (_, u) =>
              Array.from({ length: log.pages }, (_, t) =>
                t * log.users + u)
                .filter((at) => log.present[at]).map((at) => log.probabilities[at] ?? NaN)).flat(),
          );
          await pages.put(
            episodeLog([log], {
              name: "simulated",
              items: { kind: "one-hot", count: 12 },
              startOf: startedWith,
            }),
          );
        },
      });
      await pages.finish();

      const own = await openDataset(`${folder}/log`);
      const { eventRows, eventClick, eventGiven } = own.source.log ?? assert.fail();
      const users = Uint32Array.from({ length: 600 }, (_, user) =>
        user);
      using evaluation = await Evaluation.ofModel(model, undefined, own.source, users, 0);
      const utilities = await evaluation.utilities();
      let [events, surprise, variance] = [0, 0, 0];
      eventClick.forEach((click, e) => {
        if (eventGiven?.[e]) return;
        const [first, end] = [eventRows[e]!, eventRows[e + 1]!];
        const { items, noClick } = choiceProbabilities(model.config, utilities.subarray(first, end));
        const all = [...items, noClick];
        const entropy = all.reduce((sum, p) => sum - p * Math.log(p), 0);
        surprise += -Math.log(all[click === NONE ? 3 : click - first]!) - entropy;
        variance += all.reduce((sum, p) => sum + p * (-Math.log(p) - entropy) ** 2, 0);
        const apart = Math.abs((said[events++] ?? NaN) - (1 - noClick));
        assert.ok(apart < 1e-4, `P(any click) of event ${e}: ${apart} apart`);
      });
      assert.equal(events, said.length);
      assert.ok(events > 2000 && events < 3600, String(events));
      const [z, bits] = [surprise / Math.sqrt(variance), Math.sqrt(variance / events)];
      assert.ok(Math.abs(z) < 3, `the loss is ${z} standard errors from the entropy`);
      assert.ok(bits > 0.3, "clicks that are sure would show nothing");
    })
  ));

Deno.test("a sink's pages arrive in order, one at a time; what ends the writing ends whoever puts, and the other way round", async () => {
  const seen: number[] = [];
  const sink = sinkOf<number>(async (from) => {
    for await (const value of from) seen.push(value);
  });
  for (let k = 0; k < 5; k++) {
    await sink.put(k);
    assert.ok(seen.length >= k - 1); // no more than one is on the way
  }
  await sink.finish();
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  const full = sinkOf<number>(async (from) => {
    for await (const value of from) if (value === 1) throw new Error("the disk is full");
  });
  await full.put(0);
  await full.put(1);
  for (let k = 0; k < 2; k++) await assert.rejects(full.put(2), /the disk is full/);
  await assert.rejects(full.finish(), /the disk is full/);
  let why: unknown;
  const stopped = sinkOf<number>((from) => Array.fromAsync(from).catch((error) => why = error));
  await stopped.put(0);
  await stopped.abandon(new Error("stopped"));
  assert.match(String(why), /stopped/);
});
