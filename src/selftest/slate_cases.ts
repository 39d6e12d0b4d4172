/** Kernels that choose slates: scores of all items, the best of them, and exact slates. */

import { NONE } from "../data/click_log.ts";
import type { Gpu } from "../gpu/device.ts";
import { PANEL, panelsOf, uploadPlace } from "../policy/network/place.ts";
import { slatePick } from "../policy/network/slate_pick.ts";
import { bestSlate, slateWorth } from "../policy/network/slate_ratio.ts";
import { slateScore } from "../policy/network/slate_score.ts";
import { inputState, stateInput } from "../policy/network/state_input.ts";
import { padRows } from "../tape/tensor.ts";
import type { Checking, Checks } from "./finding.ts";
import { floatsOf, maskBits, normals, withBench } from "./slate_bench.ts";
import { range } from "./words.ts";

/** Score of an item for a row in f64, and a bound of the kernel's rounding. */
export function score64(base: ArrayLike<number>, table: ArrayLike<number>, weights: ArrayLike<number>) {
  const units = weights.length;
  return (row: number, item: number): { score: number; bound: number } => {
    let [score, most] = [0, 0];
    for (let n = 0; n < units; n++) {
      const h = Math.max(0, (base[row * units + n] ?? NaN) + (table[item * units + n] ?? NaN));
      score += (weights[n] ?? NaN) * h;
      most += Math.abs((weights[n] ?? NaN) * h);
    }
    return { score, bound: 2 ** -24 * (units + 2) * most };
  };
}

async function checkScore(gpu: Gpu, checks: Checks): Promise<void> {
  const [R, items, units] = [131, 75, 20];
  const kernels = [gpu.shapes.kind === "cpu" ? "slate_score_panel" : "slate_score_tiled"];
  // Of some rows all items are masked, of others all but one, some, or none.
  const taken = (row: number, item: number) =>
    [item !== (7 * row) % items, (item * 7 + row) % 3 === 0, false, true][row % 4] ?? false;
  await withBench(gpu, { rows: R, items }, async ({ rows, upload, textured, arena, run }) => {
    const [base, table] = [normals(R * units, "base"), normals(items * units, "table")];
    const weights = normals(units, "weights");
    const panels = panelsOf(items);
    const best = arena.allocate("best", 8 * panels * R);
    const scores = arena.allocate("scores", 4 * PANEL * panels * R);
    const place = uploadPlace(arena, "score", {
      ...{ items, maskStride: R, tableStride4: units / 4, scoresStride4: 8 * panels },
    });
    const views = {
      base: textured("base", base),
      table: upload("table", table),
      weights: upload("weights", weights),
      place,
    };
    const masked = upload("masked", maskBits(R, items, taken));
    const own = { label: "score", items, units, views };
    const specs = [
      slateScore(rows, { ...own, to: { best, masked } }),
      slateScore(rows, { ...own, to: { scores } }),
    ];
    const [found, stored] = await run(specs, [best, scores]);
    const of = score64(base, table, weights);
    const all = floatsOf(stored);
    const at = (k: number): [row: number, item: number] => [Math.floor(k / items), k % items];
    checks.numbers(
      Float32Array.from({ length: R * items }, (_, k) => all[at(k)[0] * PANEL * panels + at(k)[1]] ?? NaN),
      Float64Array.from({ length: R * items }, (_, k) => of(...at(k)).score),
      { kernels, what: "scores of all items", tolerance: (k) => of(...at(k)).bound, columns: items },
    );
    // The best of a panel: as good as any other, within the rounding; and its value.
    const values = floatsOf(found);
    const winners = range(panels * R).map((k) => {
      const [panel, row] = [Math.floor(k / R), k % R];
      const free = range(items).filter((item) => Math.floor(item / PANEL) === panel && !taken(row, item));
      const winner = found?.[2 * k + 1] ?? NaN;
      const most = Math.max(...free.map((item) => of(row, item).score));
      const bound = Math.max(...free.map((item) => of(row, item).bound));
      if (free.length === 0) return { expected: NONE, got: winner, value: 0, own: 0, bound: 0 };
      const score = free.includes(winner) ? of(row, winner).score : NaN;
      return { expected: most, got: score, value: values[2 * k] ?? NaN, own: score, bound };
    });
    const tolerance = (k: number) => 2 * (winners[k]?.bound ?? NaN);
    const by = { kernels, tolerance, columns: R };
    checks.numbers(winners.map(({ got }) => got), winners.map(({ expected }) => expected), {
      ...by,
      what: "scores of each panel's best item",
    });
    checks.numbers(winners.map(({ value }) => value), winners.map(({ own }) => own), {
      ...by,
      what: "values of each panel's best",
    });
  }, checks);
}

async function checkPick(gpu: Gpu, checks: Checks): Promise<void> {
  const [R, items, units, k, position] = [70, 71, 8, 4, 2];
  const panels = panelsOf(items);
  const U4 = units / 4;
  await withBench(gpu, { rows: R, items }, async ({ rows, upload, arena, run }) => {
    // A table of an item's own part and of those of two later positions; bases of four positions; a bias of each.
    const [table, bases] = [normals(items * 2 * units, "table"), normals(R * 4 * units, "bases")];
    const [weights, q] = [normals(8 * units, "weights"), normals(R * k, "q")];
    const slates = Uint32Array.from({ length: R * k }, (_, i) => i % k < position ? (i % k) + (i % 3) : 77);
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
    const views = {
      ...{ best: upload("best", best), table: upload("table", table), weights: upload("weights", weights) },
      ...{
        bases: upload("bases", bases),
        masked: upload("masked", masked),
        slates: upload("slates", slates),
      },
      ...{ q: upload("q", q), current: arena.allocate("current", 4 * R * units) },
      place: uploadPlace(arena, "pick", {
        ...{ items, maskStride: R, slate: k, position, baseStride4: 4 * U4, nextAt4: 3 * U4 },
        ...{ tableStride4: 2 * U4, chosenAt4: U4, laterAt4: 3 * U4, later4: U4, nextBias4: 5 * U4 },
        ...{ qStride: k, panels },
      }),
    };
    const { queue } = gpu;
    const reset = () => {
      queue.writeBuffer(views.bases.buffer, 0, bases);
      queue.writeBuffer(views.masked.buffer, 0, masked);
      queue.writeBuffer(views.slates.buffer, 0, slates);
      queue.writeBuffer(views.q.buffer, 0, q);
    };
    const spec = slatePick(rows, { label: "pick", units, panels, later4: U4, views });
    const written = [views.bases, views.masked, views.slates, views.q, views.current];
    const found = await run([spec], written, { reset });
    const wanted = {
      bases: Float64Array.from(bases),
      masked: masked.slice(),
      slates: slates.slice(),
      q: Float64Array.from(q),
    };
    for (let row = 0; row < R; row++) {
      let [value, winner] = [-Infinity, NONE];
      for (let panel = 0; panel < panels; panel++) {
        const i = panel * R + row;
        if (best[2 * i + 1] !== NONE && (values[2 * i] ?? NaN) > value) {
          [value, winner] = [values[2 * i] ?? NaN, best[2 * i + 1] ?? NONE];
        }
      }
      const shown = slates.slice(row * k, row * k + position);
      // Where nothing is left: the first item that the slate does not have.
      if (winner === NONE) [value, winner] = [0, range(3).find((item) => !shown.includes(item)) ?? NONE];
      wanted.slates[row * k + position] = winner;
      const word = Math.floor(winner / PANEL) * R + row;
      wanted.masked[word] = ((wanted.masked[word] ?? 0) | (1 << (winner % PANEL))) >>> 0;
      wanted.q[row * k + position] = (q[row * k + position] ?? NaN) + value;
      for (let n = 0; n < units; n++) {
        const at = row * 4 * units + 3 * units + n;
        wanted.bases[at] = (bases[at] ?? NaN) + (table[winner * 2 * units + units + n] ?? NaN);
      }
    }
    const current = Float64Array.from({ length: R * units }, (_, i) => {
      const [row, n] = [Math.floor(i / units), i % units];
      return (wanted.bases[row * 4 * units + 3 * units + n] ?? NaN) + (weights[5 * units + n] ?? NaN);
    });
    // A sum of two or three numbers near 1.
    const by = { kernels: ["slate_pick"], tolerance: 2e-6 };
    checks.same(found[2], wanted.slates, { ...by, what: "slates", columns: k });
    checks.same(found[1], wanted.masked, { ...by, what: "what may not be shown" });
    checks.numbers(floatsOf(found[3]), wanted.q, { ...by, what: "values", columns: k });
    checks.numbers(floatsOf(found[0]), wanted.bases, {
      ...by,
      what: "bases of later positions",
      columns: 4 * units,
    });
    checks.numbers(floatsOf(found[4]), current, { ...by, what: "the next position's base", columns: units });
  }, checks);
}

/** All slates of k of these items. */
export function* slatesOf(
  items: readonly number[],
  k: number,
  chosen: readonly number[] = [],
): Generator<readonly number[]> {
  if (chosen.length === k) return yield chosen;
  for (let i = 0; i + k - chosen.length <= items.length; i++) {
    yield* slatesOf(items.slice(i + 1), k, [...chosen, items[i] ?? NaN]);
  }
}

async function checkRatio(gpu: Gpu, checks: Checks): Promise<void> {
  const [R, items, k, eta] = [140, 12, 3, 0.5];
  const kernels = ["slate_ratio"];
  for (const utility of [false, true]) {
    await withBench(gpu, { rows: R, items }, async ({ rows, upload, arena, run }) => {
      const u = normals(R * items, "u").map((x) => 2 * x);
      const stride = PANEL * panelsOf(items);
      const scores = new Float32Array(R * stride);
      const drawn = normals(R * items, "q");
      drawn.forEach((x, i) => scores[Math.floor(i / items) * stride + i % items] = 3 * x);
      const values = normals(R * 4, "values");
      // In some rows as many items are left as are shown.
      const taken = (row: number, item: number) =>
        row % 7 === 0 ? item >= k : row % 3 === 0 && (item * 5 + row) % 4 === 0;
      const bits = maskBits(R, items, taken);
      const masked = { view: upload("masked", bits), stride: R };
      const slates = arena.allocate("slates", 4 * k * R);
      const worth = arena.allocate("worth", 4 * R);
      const worthOf = utility
        ? "utility" as const
        : { scores: upload("scores", scores), stride, values: upload("values", values), valueStride: 4 };
      const own = { label: "ratio", slate: k, eta };
      const spec = bestSlate(rows, { ...own, utilities: upload("u", u), worthOf, masked, slates, worth });
      const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
      const [shown, lambda] = await run([spec], [slates, worth], { reset });
      const uOf = (row: number, item: number) => u[row * items + item] ?? NaN;
      const qOf = (row: number, item: number) =>
        utility ? uOf(row, item) : (scores[row * stride + item] ?? NaN) + (values[4 * row] ?? NaN);
      const zeroOf = (row: number) => (utility ? 0 : values[4 * row + 1] ?? NaN);
      const worth64 = (row: number, slate: readonly number[]) => {
        let [sum, share] = [zeroOf(row), 1];
        for (const item of slate) {
          const v = Math.exp(eta * uOf(row, item));
          sum += v * qOf(row, item);
          share += v;
        }
        return sum / share;
      };
      const rowsOf = range(R).map((row) => {
        const free = range(items).filter((item) => !taken(row, item));
        const slate = Array.from(shown?.subarray(row * k, (row + 1) * k) ?? []);
        const allowed = new Set(slate).size === k && slate.every((item) => free.includes(item));
        const best = Math.max(...[...slatesOf(free, k)].map((slate) => worth64(row, slate)));
        const largest = Math.max(Math.abs(zeroOf(row)), ...free.map((item) => Math.abs(qOf(row, item))));
        return { slate, best, own: allowed ? worth64(row, slate) : NaN, largest };
      });
      // A mean of values by weights that exponentials of up to 4 give.
      const tolerance = (row: number) => 2 ** -18 * (rowsOf[row]?.largest ?? NaN);
      const by = { kernels, tolerance };
      const what = utility ? "by utility" : "by value";
      checks.numbers(rowsOf.map(({ own }) => own), rowsOf.map(({ best }) => best), {
        ...by,
        what: `what the slate is worth, ${what}`,
      });
      checks.numbers(floatsOf(lambda), rowsOf.map(({ own }) => own), {
        ...by,
        what: `its worth as the kernel has it, ${what}`,
      });
      if (utility) return;
      // The same of given slates.
      const slots = rowsOf.flatMap(({ slate }, row) => slate.map((item) => uOf(row, item)));
      const columns = rowsOf.flatMap((
        { slate },
        row,
      ) => [...slate.map((item) => qOf(row, item)), zeroOf(row)]);
      const again = arena.allocate("worth again", 4 * R);
      const [valued] = await run([
        slateWorth(rows, {
          ...{ ...own, stride: k + 1, worth: again },
          ...{
            utilities: upload("slots", Float32Array.from(slots)),
            values: upload("columns", Float32Array.from(columns)),
          },
        }),
      ], [again]);
      checks.numbers(floatsOf(valued), rowsOf.map(({ own }) => own), {
        ...by,
        what: "worth of given slates",
      });
    }, checks);
  }
}

async function checkInput(gpu: Gpu, checks: Checks): Promise<void> {
  const [R, columns, pages] = [70, 3, 20];
  await withBench(gpu, { rows: R, items: 1 }, async ({ rows, textured, arena, run }) => {
    const values = normals(R * columns, "states");
    const state = {
      ...{ name: "state", rows: "rows", columns, groups: 1, stride: 4, trainable: false },
      view: textured("state", padRows(values, R, columns, 1)),
    };
    const { input, dispatch } = stateInput(rows, state, pages);
    const back = { ...state, view: arena.allocate("back", 16 * R) };
    const page = { page: 5, episode: 0, firstUser: 0 };
    const [found, again] = await run([dispatch, inputState(rows, input, back)], [input.view, back.view], {
      purpose: { page },
    });
    const expected = range(R).flatMap((
      row,
    ) => [...values.subarray(row * columns, (row + 1) * columns), 5 / pages]);
    const by = { tolerance: 2e-7, columns: columns + 1 };
    checks.numbers(floatsOf(found), expected, { ...by, kernels: ["state_input"], what: "state and time" });
    const whole = padRows(values, R, columns, 1);
    checks.same(floatsOf(again), whole, { columns: 4, kernels: ["input_state"], what: "state" });
  }, checks);
}

export const slateCases: readonly Checking[] = [
  { name: "slates: scores of all items", check: checkScore },
  { name: "slates: the best item into the next slot", check: checkPick },
  { name: "slates: exact", check: checkRatio },
  { name: "slates: what networks see of users", check: checkInput },
];
