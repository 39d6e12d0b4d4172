/**
 * The kernels that choose slates, each alone: scores, the best of them, exact slates. The kernels of both kinds of adapter
 * against f64, with canaries behind every buffer and two runs bit for bit.
 */

import assert from "node:assert/strict";
import { NONE } from "../../src/data/click_log.ts";
import { PANEL, panelsOf, slatePick, slateScore, uploadPlace } from "../../src/policy/network/slate_score.ts";
import { bestSlate, slateWorth } from "../../src/policy/network/slate_ratio.ts";
import { score64 } from "../../src/selftest/slates/slate_cases.ts";
import { slatesOf } from "../../src/selftest/slates/slate_ratio_check.ts";
import { withGpu } from "../op_check.ts";
import { maskBits, normals, withBench } from "../../src/selftest/slates/slate_bench.ts";
import { floats } from "../../src/selftest/words.ts";

/** Bits past the catalogue are noise, as nobody has to clear them. */
function withNoise(words: Uint32Array<ArrayBuffer>, rows: number, items: number): Uint32Array<ArrayBuffer> {
  if (items % PANEL === 0) return words;
  return words.map((word, k) =>
    k < words.length - rows ? word : (word | (0x55555555 << (items % PANEL))) >>> 0
  );
}

for (const kind of ["cpu", "gpu"] as const) {
  for (const units of [64, 20]) {
    Deno.test(`slate_score: the best of each panel is that of f64, ${units} units, kernels for a ${kind}`, () =>
      withGpu(kind, async (gpu) => {
        for (const items of [1, 31, 32, 33, 500]) {
          const R = items === 500 ? 131 : 5;
          // Of some rows all items but one are masked, of others some, of others none; and all.
          const taken = (row: number, item: number) =>
            [
              item !== (7 * row) % items,
              (item * 7 + row) % 3 === 0,
              false,
              true,
              item < items - 1,
            ][row % 5] ?? false;
          await withBench(gpu, { rows: R, items }, async ({ rows, upload, textured, arena, run }) => {
            const base = normals(R * units, "base", units);
            const table = normals(items * units, "table", units);
            const weights = normals(units, "weights", units);
            // Items 0, 1, 4 and 5 of every eight are equal, and so are the other four: the lowest one wins.
            for (let item = 0; item < items; item++) {
              const same = item & ~5;
              table.copyWithin(item * units, same * units, (same + 1) * units);
            }
            const masked = withNoise(maskBits(R, items, taken), R, items);
            const panels = panelsOf(items);
            const best = arena.allocate("best", 8 * panels * R);
            const scores = arena.allocate("scores", 4 * PANEL * panels * R);
            const place = uploadPlace(arena, "score", {
              items,
              maskStride: R,
              tableStride4: units / 4,
              scoresStride4: 8 * panels,
            });
            const views = {
              base: textured("base", base),
              table: upload("table", table),
              weights: upload("weights", weights),
              place,
            };
            const label = "score";
            const [found, all] = await run([
              slateScore(rows, {
                label,
                items,
                units,
                views,
                to: { best, masked: upload("masked", masked) },
              }),
              slateScore(rows, { label, items, units, views, to: { scores } }),
            ], [best, scores]);
            const of = score64(base, table, weights);
            const values = floats(found);
            const stored = floats(all);
            for (let row = 0; row < R; row++) {
              for (let panel = 0; panel < panels; panel++) {
                const own = Array.from(
                  { length: Math.min(PANEL, items - PANEL * panel) },
                  (_, i) => PANEL * panel + i,
                );
                for (const item of own) {
                  const { score, bound } = of(row, item);
                  const x = stored[row * PANEL * panels + item] ?? NaN;
                  assert.ok(Math.abs(x - score) <= bound, `score of ${item}: ${x}, expected ${score}`);
                }
                const free = own.filter((item) => !taken(row, item));
                const at = 2 * (panel * R + row);
                const winner = found?.[at + 1] ?? assert.fail();
                if (free.length === 0) {
                  assert.equal(winner, NONE);
                  continue;
                }
                assert.ok(free.includes(winner), `${winner} of panel ${panel} for row ${row} is masked`);
                const { score, bound } = of(row, winner);
                for (const item of free) {
                  const other = of(row, item);
                  assert.ok(other.score <= score + bound + other.bound, `${item} beats ${winner}`);
                  if (item < winner) {
                    assert.ok((stored[row * PANEL * panels + item] ?? NaN) < (values[at] ?? NaN));
                  }
                }
                assert.equal(values[at], stored[row * PANEL * panels + winner]);
              }
            }
          });
        }
      }));
  }
}

for (const kind of ["cpu", "gpu"] as const) {
  Deno.test(`slate_pick: the slot, its bit, its value, and what later positions get, kernels for a ${kind}`, () =>
    withGpu(kind, async (gpu) => {
      const [R, items, units, k, position] = [70, 71, 8, 4, 2];
      const panels = panelsOf(items);
      const U4 = units / 4;
      await withBench(gpu, { rows: R, items }, async ({ rows, upload, arena, run }) => {
        // A table of an item's own part and of those of two later positions; bases of four positions; a bias of each.
        const table = normals(items * 2 * units, "table");
        const bases = normals(R * 4 * units, "bases");
        const weights = normals(8 * units, "weights");
        const q = normals(R * k, "q");
        const slates = Uint32Array.from(
          { length: R * k },
          (_, i) => i % k < position ? (i % k) + (i % 3) : 77,
        );
        const masked = maskBits(R, items, (row, item) => (row + item) % 5 === 0);
        const best = new Uint32Array(2 * panels * R);
        const values = new Float32Array(best.buffer);
        // Whole numbers, so that some are equal; some panels have no item left, some rows none at all.
        const random = normals(panels * R, "best");
        for (let i = 0; i < panels * R; i++) {
          const [panel, row] = [Math.floor(i / R), i % R];
          const none = row % 7 === 0 || (row + panel) % 4 === 0;
          values[2 * i] = none ? -3.4e38 : Math.round(random[i] ?? 0);
          best[2 * i + 1] = none ? NONE : PANEL * panel + row % 7;
        }
        const write = (
          view: { buffer: GPUBuffer },
          data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
        ) => gpu.queue.writeBuffer(view.buffer, 0, data);
        const views = {
          best: upload("best", best),
          table: upload("table", table),
          weights: upload("weights", weights),
          bases: upload("bases", bases),
          masked: upload("masked", masked),
          slates: upload("slates", slates),
          q: upload("q", q),
          current: arena.allocate("current", 4 * R * units),
          place: uploadPlace(arena, "pick", {
            items,
            maskStride: R,
            slate: k,
            position,
            baseStride4: 4 * U4,
            nextAt4: 3 * U4,
            tableStride4: 2 * U4,
            chosenAt4: U4,
            laterAt4: 3 * U4,
            later4: U4,
            nextBias4: 5 * U4,
            qStride: k,
            panels,
          }),
        };
        const reset = () => {
          write(views.bases, bases);
          write(views.masked, masked);
          write(views.slates, slates);
          write(views.q, q);
        };
        const spec = slatePick(rows, { label: "pick", units, panels, later4: U4, views });
        const found = await run([spec], [views.bases, views.masked, views.slates, views.q, views.current], {
          reset,
        });
        for (let row = 0; row < R; row++) {
          let [value, winner] = [-Infinity, NONE];
          for (let panel = 0; panel < panels; panel++) {
            const i = panel * R + row;
            if (best[2 * i + 1] !== NONE && (values[2 * i] ?? NaN) > value) {
              [value, winner] = [values[2 * i] ?? NaN, best[2 * i + 1] ?? NONE];
            }
          }
          const shown = slates.slice(row * k, row * k + position);
          if (winner === NONE) [value, winner] = [0, [0, 1, 2].find((item) => !shown.includes(item)) ?? NONE];
          slates[row * k + position] = winner;
          const word = Math.floor(winner / PANEL) * R + row;
          masked[word] = ((masked[word] ?? 0) | (1 << (winner % PANEL))) >>> 0;
          q[row * k + position] = (q[row * k + position] ?? 0) + value;
          for (let n = 0; n < units; n++) {
            const at = row * 4 * units + 3 * units + n;
            bases[at] = (bases[at] ?? 0) + (table[winner * 2 * units + units + n] ?? 0);
          }
        }
        const current = Float32Array.from(
          { length: R * units },
          (_, i) =>
            (bases[Math.floor(i / units) * 4 * units + 3 * units + i % units] ?? 0) +
            (weights[5 * units + i % units] ?? 0),
        );
        assert.deepEqual(floats(found[0]).subarray(0, bases.length), bases);
        assert.deepEqual(found[1]?.subarray(0, masked.length), masked);
        assert.deepEqual(found[2]?.subarray(0, slates.length), slates);
        assert.deepEqual(floats(found[3]).subarray(0, q.length), q);
        assert.deepEqual(floats(found[4]).subarray(0, current.length), current);
      });
    }));
}

for (const k of [1, 2, 3, 4]) {
  for (const utility of k === 2 ? [false, true] : [false]) {
    const what = utility ? ", a click is worth its utility" : "";
    Deno.test(`slate_ratio: the best of all slates of ${k}${what}`, () =>
      withGpu(undefined, async (gpu) => {
        const [R, items] = [500, 12];
        await withBench(gpu, { rows: R, items }, async ({ rows, upload, arena, run }) => {
          const random = normals(R * items, "u", k);
          // In every fourth row all items are alike in pairs, in every fifth chances differ a lot.
          const u = random.map((x, i) => {
            const [row, item] = [Math.floor(i / items), i % items];
            const pair = row % 4 === 0 ? random[row * items + item - item % 2] ?? NaN : x;
            return Math.fround(pair * (row % 5 === 0 ? 40 : 2));
          });
          const stride = PANEL * panelsOf(items);
          const scores = new Float32Array(R * stride);
          const drawn = normals(R * items, "q", k);
          for (let i = 0; i < R * items; i++) {
            const [row, item] = [Math.floor(i / items), i % items];
            scores[row * stride + item] = 3 * (drawn[row % 4 === 0 ? i - item % 2 : i] ?? NaN);
          }
          const values = normals(R * 4, "values", k).map((x, i) => i % 4 === 1 ? 3 * x : x);
          // In some rows as many items are left as are shown.
          const taken = (row: number, item: number) =>
            row % 7 === 0 ? item >= k : row % 3 === 0 && (item * 5 + row) % 4 === 0;
          const bits = maskBits(R, items, taken);
          const masked = { view: upload("masked", bits), stride: R };
          const [slates, worth, again] = [4 * k, 4, 4].map((bytes, i) =>
            arena.allocate(`out ${i}`, bytes * R)
          );
          if (!slates || !worth || !again) assert.fail();
          const worthOf = utility
            ? "utility" as const
            : { scores: upload("scores", scores), stride, values: upload("values", values), valueStride: 4 };
          const ratio = { slate: k, eta: 0.5, label: "ratio" };
          const [shown, lambda, after] = await run(
            [
              bestSlate(rows, { ...ratio, utilities: upload("u", u), worthOf, masked, slates, worth }),
            ],
            [slates, worth, masked.view],
            { reset: () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits) },
          );
          // The same of the slates that it found, by slot.
          const bySlot = (of: (row: number, item: number) => number) =>
            Float32Array.from(
              { length: R * k },
              (_, i) => of(Math.floor(i / k), shown?.[i] ?? NaN),
            );
          const utilities = bySlot((row, item) => u[row * items + item] ?? NaN);
          const own = bySlot((row, item) =>
            utility
              ? u[row * items + item] ?? NaN
              : (scores[row * stride + item] ?? NaN) + (values[4 * row] ?? NaN)
          );
          const columns = Float32Array.from(
            { length: R * (k + 1) },
            (_, i) =>
              i % (k + 1) < k
                ? own[Math.floor(i / (k + 1)) * k + i % (k + 1)] ?? NaN
                : utility
                ? 0
                : values[4 * Math.floor(i / (k + 1)) + 1] ?? NaN,
          );
          const [valued] = await run([
            slateWorth(rows, {
              ...{ ...ratio, stride: k + 1, worth: again },
              ...{ utilities: upload("slots", utilities), values: upload("columns", columns) },
            }),
          ], [again]);
          const chosen = (row: number) => Array.from(shown?.subarray(row * k, (row + 1) * k) ?? []);
          let rounds = 0;
          for (let row = 0; row < R; row++) {
            const uOf = (item: number) => u[row * items + item] ?? NaN;
            const qOf = (item: number) =>
              utility ? uOf(item) : (scores[row * stride + item] ?? NaN) + (values[4 * row] ?? NaN);
            const zero = utility ? 0 : values[4 * row + 1] ?? NaN;
            const worthOf = (slate: readonly number[]) => {
              let [sum, share] = [zero, 1];
              for (const item of slate) {
                const v = Math.exp(0.5 * uOf(item));
                sum += v * qOf(item);
                share += v;
              }
              return sum / share;
            };
            const free = Array.from({ length: items }, (_, item) => item).filter((item) => !taken(row, item));
            const best = Math.max(...[...slatesOf(free, k)].map(worthOf));
            const own = chosen(row);
            assert.equal(new Set(own).size, k);
            assert.ok(own.every((item) => free.includes(item)), `row ${row}: ${own} of ${free}`);
            const largest = Math.max(Math.abs(zero), ...free.map((item) => Math.abs(qOf(item))));
            const bound = 2 ** -20 * largest;
            assert.ok(
              worthOf(own) >= best - bound,
              `row ${row}: ${own} is worth ${worthOf(own)}, the best ${best}`,
            );
            for (const found of [lambda, valued]) {
              const x = floats(found)[row] ?? NaN;
              assert.ok(Math.abs(x - worthOf(own)) <= bound, `row ${row}: ${x}, expected ${worthOf(own)}`);
            }
            // The method in f64: each round is worth more than the one before, and there are few. Where chances differ by
            // 1e17 one f64 is not enough for it, either.
            if (row % 5 === 0) continue;
            const topBy = (key: (item: number) => number) =>
              [...free].sort((a, b) => key(b) - key(a) || a - b).slice(0, k);
            let [slate, lower] = [topBy(uOf), -Infinity];
            for (let round = 1;; round++) {
              const now = worthOf(slate);
              if (!(now > lower + 1e-12)) break;
              rounds = Math.max(rounds, round);
              lower = now;
              slate = topBy((item) => Math.exp(0.5 * uOf(item)) * (qOf(item) - now));
            }
            assert.ok(
              Math.abs(lower - best) < 1e-9 * largest + 1e-12,
              `row ${row}: the method found ${lower} of ${best}`,
            );
          }
          assert.ok(rounds >= 2 && rounds <= 8, `${rounds} rounds`);
          const expected = maskBits(R, items, (row, item) => taken(row, item) || chosen(row).includes(item));
          assert.deepEqual(after?.subarray(0, expected.length), expected);
        });
      }));
  }
}
