import assert from "node:assert/strict";
import { clickRateBaseline, randomBaseline } from "../src/data/baselines.ts";
import { type ClickLog, NONE, usersOf } from "../src/data/click_log.ts";
import { readPaperFile } from "../src/data/paper_file.ts";
import { realData } from "./real_data.ts";

/** Train: item 1 clicked in {0, 1}, nothing in {0, 2}. Test: item 2 clicked in {0, 1, 2}. */
const log: ClickLog = {
  name: "tiny",
  items: { kind: "one-hot", count: 3 },
  userSplit: Uint8Array.of(0, 2),
  userEvents: Uint32Array.of(0, 2, 3),
  eventRows: Uint32Array.of(0, 2, 4, 7),
  eventClick: Uint32Array.of(1, NONE, 6),
  rowItem: Uint32Array.of(0, 1, 0, 2, 0, 1, 2),
};

Deno.test("randomBaseline: chance, and the log of the number of choices", () => {
  const all = randomBaseline(log, [0, 1]);
  assert.ok(Math.abs(all.nll - (2 * Math.log(3) + Math.log(4)) / 3) < 1e-12);
  assert.ok(Math.abs(all.prec1 - (1 / 2 + 1 / 3) / 2) < 1e-12);
  assert.ok(Math.abs(all.prec2 - (1 + 2 / 3) / 2) < 1e-12);
});

Deno.test("clickRateBaseline: counts train users only", () => {
  // Rates: item 0: .1/3, item 1: 1.1/2, item 2: .1/2 (the test user's click is not counted).
  assert.deepEqual(clickRateBaseline(log, [1]), { nll: null, prec1: 0, prec2: 1 });
});

for (
  const { file, nll, random, clickRate } of [
    { file: "yelp.txt", nll: 1.492, random: [.397, .636], clickRate: [.627, .824] },
    { file: "rsc.txt", nll: 1.300, random: [.490, .721], clickRate: [.504, .753] },
  ]
) {
  const path = realData(file);
  Deno.test({
    name: `baselines of ${file} on its test users`,
    ignore: path === undefined,
    fn() {
      const real = readPaperFile(path!);
      const test = usersOf(real, "test");
      const chance = randomBaseline(real, test);
      assert.equal(chance.nll.toFixed(3), nll.toFixed(3));
      for (
        const [figures, expected] of [[chance, random], [clickRateBaseline(real, test), clickRate]] as const
      ) {
        assert.equal(figures.prec1.toFixed(3), expected[0]!.toFixed(3));
        assert.equal(figures.prec2.toFixed(3), expected[1]!.toFixed(3));
      }
    },
  });
}
