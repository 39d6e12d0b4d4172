/** Self-test cases of kernels that choose slates: item scores, best items, and optimal slates. */

import { NONE } from "../../data/click_log.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import {
  countPanels,
  PANEL,
  recordSlatePick,
  recordSlateScore,
  uploadPlace,
} from "../../policy/network/slate_score.ts";
import { recordStateInput, type SlateRows } from "../../policy/network/slate_rows.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import { padRows } from "../../tape/tensor.ts";
import type { CheckCollector, NamedCheck } from "../finding.ts";
import { createSlateBench, drawSlateNormals, type SlateBench } from "./slate_bench.ts";
import { checkRatio } from "./slate_ratio_check.ts";
import { CANARY, type KernelTrial, listIndices, makeMaskBits, runTrial, toFloats } from "../harness.ts";

/** Returns a function that computes an item's score in f64, and an upper bound of the kernel's error. */
function score64(base: ArrayLike<number>, table: ArrayLike<number>, weights: ArrayLike<number>) {
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

export interface ScoreSizes {
  readonly rows: number;
  readonly items: number;
  readonly units: number;
  /** True if the value of the best item must be exactly its score; false to allow rounding errors. */
  readonly exact?: boolean;
}

/** Sets every second unused bit (after the last item) of a mask. No result may depend on these bits. */
function withNoise(words: Uint32Array<ArrayBuffer>, rows: number, items: number): Uint32Array<ArrayBuffer> {
  if (items % PANEL === 0) return words;
  return words.map((word, k) =>
    k < words.length - rows ? word : (word | (0x55555555 << (items % PANEL))) >>> 0
  );
}

export interface ScoreTrialRows {
  readonly base: Float32Array<ArrayBuffer>;
  readonly table: Float32Array<ArrayBuffer>;
  readonly weights: Float32Array<ArrayBuffer>;
  readonly taken: (row: number, item: number) => boolean;
  /** Returns the first item whose table row equals that of `item`: kernels choose this item. */
  readonly equal: (item: number) => number;
}

function isTaken(items: number) {
  return (row: number, item: number): boolean =>
    [item !== (7 * row) % items, (item * 7 + row) % 3 === 0, false, true, item < items - 1][row % 5] ?? false;
}

/** Draws rows and items. In every eight items, 0, 1, 4, 5 share one table row, and 2, 3, 6, 7 another. */
export function createScoreTrialRows({ rows, items, units }: ScoreSizes): ScoreTrialRows {
  const [base, table] = [
    drawSlateNormals(rows * units, "base", units),
    drawSlateNormals(items * units, "table", units),
  ];
  const equal = (item: number) => item & ~5;
  for (let item = 0; item < items; item++) {
    table.copyWithin(item * units, equal(item) * units, (equal(item) + 1) * units);
  }
  return { base, table, weights: drawSlateNormals(units, "weights", units), taken: isTaken(items), equal };
}

/**
 * Creates a test of the scores of all items, and of the best item of each panel (32 items).
 * @param more.plain - true if table rows are adjacent in memory; false if other numbers lie between them
 */
export function scoreTrial<S extends BatchSizes>(
  { gpu, arena, rows, textured }: Pick<SlateBench, "gpu" | "arena" | "textured"> & { rows: SlateRows<S> },
  step: Pick<KernelTrial<S>, "sizes" | "headers" | "offsets">,
  { rows: R, items, units, exact = false }: ScoreSizes,
  { scored, plain = false }: { readonly scored: ScoreTrialRows; readonly plain?: boolean },
): KernelTrial<S> {
  const { base, table, weights, taken, equal } = scored;
  const kernels = [gpu.variants.kind === "cpu" ? "slate_score_panel" : "slate_score_tiled"];
  const panels = countPanels(items);
  const best = arena.allocate("best", 8 * panels * R);
  const scores = arena.allocate("scores", 4 * PANEL * panels * R);
  const views = {
    base: textured("base", base),
    table: arena.upload("table", plain ? table : padTableRows(table, units)),
    weights: arena.upload("weights", weights),
    place: uploadPlace(arena, "score", {
      ...{ items, maskStride: R, tableStride4: units / 4 + (plain ? 0 : 1), tableAt4: plain ? 0 : 1 },
      scoresStride4: 8 * panels,
    }),
  };
  const masked = arena.upload("masked", withNoise(makeMaskBits(R, items, taken), R, items));
  const own = { label: "score", items, units, views };
  const [what, which] = ["scores of each panel's best item", "the first of equal items"];
  return {
    ...{ arena, ...step, views: [best, scores], named: new Map([[best, what]]) },
    specs: [
      recordSlateScore(rows, { ...own, to: { best, masked } }),
      recordSlateScore(rows, { ...own, to: { scores } }),
    ],
    compare(words, _specs, checks) {
      const of = score64(base, table, weights);
      const all = toFloats(words(scores));
      const getStored = (row: number, item: number) => all[row * PANEL * panels + item] ?? NaN;
      const at = (k: number): [row: number, item: number] => [Math.floor(k / items), k % items];
      checks.numbers(
        Float32Array.from({ length: R * items }, (_, k) => getStored(...at(k))),
        Float64Array.from({ length: R * items }, (_, k) => of(...at(k)).score),
        { kernels, what: "scores of all items", tolerance: (k) => of(...at(k)).bound, columns: items },
      );
      // A panel's best item must have the largest score (within rounding), be the first of equal items, and
      // have the stored score as its value.
      const values = toFloats(words(best));
      const winners = listIndices(panels * R).map((k) => {
        const [panel, row] = [Math.floor(k / R), k % R];
        const free = listIndices(items).filter((item) =>
          Math.floor(item / PANEL) === panel && !taken(row, item)
        );
        const winner = words(best)[2 * k + 1] ?? NaN;
        if (free.length === 0) {
          return { most: NONE, score: winner, bound: 0, value: 0, stored: 0, first: 0, is: 0, winner };
        }
        return {
          most: Math.max(...free.map((item) => of(row, item).score)),
          // A masked item gets a score of -Infinity, so that the check fails.
          score: free.includes(winner) ? of(row, winner).score : winner === CANARY ? NaN : -Infinity,
          bound: 2 * Math.max(...free.map((item) => of(row, item).bound)),
          value: values[2 * k] ?? NaN,
          stored: getStored(row, winner),
          first: free.find((item) => equal(item) === equal(winner)) ?? NaN,
          is: winner,
          winner,
        };
      });
      const column = (name: keyof typeof winners[number]) => winners.map((winner) => winner[name]);
      const tolerance = (k: number) => winners[k]?.bound ?? NaN;
      const named = (k: number) => {
        const { winner = NONE } = winners[k] ?? {};
        const item = winner === NONE ? "NONE" : `item ${winner}`;
        return ` (of panel ${Math.floor(k / R)} and user ${k % R}: ${item})`;
      };
      const by = { kernels, tolerance, columns: R, named };
      checks.numbers(column("score"), column("most"), { ...by, what });
      checks.numbers(column("value"), column("stored"), {
        ...by,
        ...(exact && { tolerance: 0 }),
        what: "values of each panel's best",
      });
      checks.same(column("is"), column("first"), { ...by, what: which });
    },
    [Symbol.dispose]: () => arena.destroy(),
  };
}

export async function checkScore(gpu: Gpu, checks: CheckCollector, sizes: ScoreSizes): Promise<void> {
  using bench = createSlateBench(gpu, { rows: sizes.rows, items: sizes.items }, checks);
  await runTrial(scoreTrial(bench, bench.step(), sizes, { scored: createScoreTrialRows(sizes) }), checks);
}

/** Checks a network's input: state, and share of pages already shown. @param columns - width of the state */
export async function checkInput(gpu: Gpu, checks: CheckCollector, columns: number): Promise<void> {
  const [R, pages] = [70, 20];
  using bench = createSlateBench(gpu, { rows: R, items: 1 }, checks);
  const { rows, textured, run } = bench;
  const values = drawSlateNormals(R * columns, "states", columns);
  const view = textured("state", padRows(values, R, columns, 1));
  const { input, dispatch } = recordStateInput(
    rows,
    makePlainTensor("state", "rows", columns, 4, view),
    pages,
  );
  const page = { page: 5, episode: 0, firstUser: 0 };
  const [found] = await run([dispatch], [input.view], { purpose: { page } });
  const expected = listIndices(R).flatMap((
    row,
  ) => [...values.subarray(row * columns, (row + 1) * columns), 5 / pages]);
  const padded = padRows(Float64Array.from(expected), R, columns + 1, 1);
  const by = { kernels: ["state_input"], what: "state and time", columns: input.stride };
  checks.numbers(toFloats(found), padded, { ...by, tolerance: (k) => (padded[k] === 0 ? 0 : 2e-7) });
}

/** Sizes for the kernel slate_pick, which puts the best item into slot POSITION of each row's slate. */
const [R, ITEMS, UNITS, SLATE, POSITION] = [70, 71, 8, 4, 2];
const PANELS = countPanels(ITEMS);

type Inputs = ReturnType<typeof pickInputs>;

function pickInputs() {
  return {
    // A table row has the columns of two parts of an item's vector.
    table: drawSlateNormals(ITEMS * 2 * UNITS, "table"),
    // A row of `bases` has the bases (partial sums) of four positions.
    bases: drawSlateNormals(R * 4 * UNITS, "bases"),
    q: drawSlateNormals(R * SLATE, "q"),
    slates: Uint32Array.from(
      { length: R * SLATE },
      (_, i) => i % SLATE < POSITION ? (i % SLATE) + (i % 3) : 77,
    ),
    masked: makeMaskBits(R, ITEMS, (row, item) => (row + item) % 5 === 0),
    best: bestOfPanels(),
  };
}

/** Draws the largest value and its item (or NONE) for each row and each panel of 32 items. */
function bestOfPanels(): Uint32Array<ArrayBuffer> {
  const best = new Uint32Array(2 * PANELS * R);
  const values = new Float32Array(best.buffer);
  // Values are integers, so that some are equal.
  const random = drawSlateNormals(PANELS * R, "best");
  for (let i = 0; i < PANELS * R; i++) {
    const [panel, row] = [Math.floor(i / R), i % R];
    const none = row % 7 === 0 || (row + panel) % 4 === 0;
    values[2 * i] = none ? -3.4e38 : Math.round(random[i] ?? 0);
    best[2 * i + 1] = none ? NONE : PANEL * panel + row % 7;
  }
  return best;
}

/** Runs slate_pick. @returns words of all buffers that the kernel writes */
function runPick(
  { gpu: { queue }, arena, rows, upload, run }: SlateBench,
  { table, bases, q, slates, masked, best }: Inputs,
): Promise<readonly Uint32Array<ArrayBuffer>[]> {
  const U4 = UNITS / 4;
  const views = {
    ...{ best: upload("best", best), table: upload("table", table) },
    ...{ bases: upload("bases", bases), masked: upload("masked", masked), slates: upload("slates", slates) },
    ...{ q: upload("q", q), current: arena.allocate("current", 4 * R * UNITS) },
    place: uploadPlace(arena, "pick", {
      ...{ items: ITEMS, maskStride: R, slate: SLATE, position: POSITION, baseStride4: 4 * U4 },
      ...{ nextAt4: 3 * U4, tableStride4: 2 * U4, chosenAt4: U4, laterAt4: 3 * U4, later4: U4 },
      ...{ qStride: SLATE, panels: PANELS },
    }),
  };
  const reset = () => {
    queue.writeBuffer(views.bases.buffer, 0, bases);
    queue.writeBuffer(views.masked.buffer, 0, masked);
    queue.writeBuffer(views.slates.buffer, 0, slates);
    queue.writeBuffer(views.q.buffer, 0, q);
  };
  const spec = recordSlatePick(rows, { label: "pick", units: UNITS, views });
  return run([spec], [views.bases, views.masked, views.slates, views.q, views.current], { reset });
}

/** Returns the item that the kernel must choose for a row, and the item's value. */
function findPick({ best, slates }: Inputs, row: number): { item: number; value: number } {
  const values = new Float32Array(best.buffer);
  let [value, item] = [-Infinity, NONE];
  for (let panel = 0; panel < PANELS; panel++) {
    const i = panel * R + row;
    if (best[2 * i + 1] !== NONE && (values[2 * i] ?? NaN) > value) {
      [value, item] = [values[2 * i] ?? NaN, best[2 * i + 1] ?? NONE];
    }
  }
  if (item !== NONE) return { item, value };
  // If no item is left, the kernel chooses the first item that is not in the slate.
  const shown = slates.slice(row * SLATE, row * SLATE + POSITION);
  return { item: listIndices(3).find((item) => !shown.includes(item)) ?? NONE, value: 0 };
}

/** Computes the kernel's results, with the same bits: a result has at most one f32 addition. */
function pickOnHost(inputs: Inputs) {
  const { table } = inputs;
  const masked = inputs.masked.slice();
  const slates = inputs.slates.slice();
  const [bases, q] = [inputs.bases.slice(), inputs.q.slice()];
  for (let row = 0; row < R; row++) {
    const { item, value } = findPick(inputs, row);
    const slot = row * SLATE + POSITION;
    slates[slot] = item;
    const word = Math.floor(item / PANEL) * R + row;
    masked[word] = ((masked[word] ?? 0) | (1 << (item % PANEL))) >>> 0;
    q[slot] = (q[slot] ?? NaN) + value;
    for (let n = 0; n < UNITS; n++) {
      const at = row * 4 * UNITS + 3 * UNITS + n;
      bases[at] = (bases[at] ?? NaN) + (table[item * 2 * UNITS + UNITS + n] ?? NaN);
    }
  }
  const current = Float32Array.from({ length: R * UNITS }, (_, i) => {
    const [row, n] = [Math.floor(i / UNITS), i % UNITS];
    return bases[row * 4 * UNITS + 3 * UNITS + n] ?? NaN;
  });
  return { bases, masked, slates, q, current };
}

async function checkPick(gpu: Gpu, checks: CheckCollector): Promise<void> {
  using bench = createSlateBench(gpu, { rows: R, items: ITEMS }, checks);
  const inputs = pickInputs();
  const [bases, masked, slates, q, current] = await runPick(bench, inputs);
  const wanted = pickOnHost(inputs);
  const by = { kernels: ["slate_pick"] };
  checks.same(slates, wanted.slates, { ...by, what: "slates", columns: SLATE });
  checks.same(masked, wanted.masked, { ...by, what: "masked items" });
  checks.same(toFloats(q), wanted.q, { ...by, what: "values", columns: SLATE });
  checks.same(toFloats(bases), wanted.bases, { ...by, what: "bases of later positions", columns: 4 * UNITS });
  checks.same(toFloats(current), wanted.current, { ...by, what: "the next position's base", columns: UNITS });
}

export const slateCases: readonly NamedCheck[] = [
  {
    name: "slates: scores of all items",
    check: (gpu, checks) => checkScore(gpu, checks, { rows: 131, items: 75, units: 20 }),
  },
  { name: "slates: the best item into the next slot", check: checkPick },
  {
    name: "slates: exact",
    async check(gpu, checks) {
      for (const utility of [false, true]) await checkRatio(gpu, checks, { rows: 140, slate: 3, utility });
    },
  },
  { name: "slates: state inputs of networks", check: (gpu, checks) => checkInput(gpu, checks, 3) },
];

/** Puts four unrelated numbers before each row of the table. */
function padTableRows(table: Float32Array, units: number): Float32Array<ArrayBuffer> {
  const wide = new Float32Array(table.length / units * (units + 4)).fill(7);
  for (let at = 0; at < table.length; at += units) {
    wide.set(table.subarray(at, at + units), at / units * (units + 4) + 4);
  }
  return wide;
}
