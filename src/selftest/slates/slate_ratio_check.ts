/** Checks that slates of the kernel slate_ratio are as good as the best slates of an exhaustive search. */

import type { Gpu } from "../../gpu/device.ts";
import { countPanels, PANEL } from "../../policy/network/slate_score.ts";
import { recordBestSlate, recordSlateWorth } from "../../policy/network/best_slate.ts";
import type { CheckCollector } from "../finding.ts";
import { listIndices, makeMaskBits, toFloats } from "../harness.ts";
import { createSlateBench, drawSlateNormals, type SlateBench } from "./slate_bench.ts";

const [ITEMS, ETA] = [12, 0.5];
const STRIDE = PANEL * countPanels(ITEMS);

export interface RatioSizes {
  readonly rows: number;
  readonly slate: number;
  /** True if the value of a click is the item's utility; false if a network computes this value. */
  readonly utility: boolean;
  /** True for hard inputs: pairs of equal items in every 4th row, extreme probabilities in every 5th. */
  readonly hard?: boolean;
  /** Allowed error of a slate's expected value, relative to the row's largest value (default: 2^-18). */
  readonly tolerance?: number;
}

/** Masks all but `slate` items in every seventh row, and a quarter of the items in every third row. */
function isTaken({ slate }: RatioSizes) {
  return (row: number, item: number): boolean =>
    row % 7 === 0 ? item >= slate : row % 3 === 0 && (item * 5 + row) % 4 === 0;
}

/** Draws inputs. A row of `values` has an offset of all scores, the value of no click, and padding. */
function ratioInputs({ rows, slate, hard = false }: RatioSizes) {
  const drawn = (name: string, scale: (row: number) => number) => {
    const all = drawSlateNormals(rows * ITEMS, name, slate);
    return all.map((x, i) => {
      const row = Math.floor(i / ITEMS);
      const own = hard && row % 4 === 0 ? all[i - i % ITEMS % 2] ?? NaN : x;
      return Math.fround(own * scale(row));
    });
  };
  const scores = new Float32Array(rows * STRIDE);
  drawn("q", () => 3).forEach((x, i) => scores[Math.floor(i / ITEMS) * STRIDE + i % ITEMS] = x);
  return {
    u: drawn("u", (row) => (hard && row % 5 === 0 ? 40 : 2)),
    scores,
    values: drawSlateNormals(rows * 4, "values", slate).map((x, i) => (i % 4 === 1 ? 3 * x : x)),
  };
}
type Inputs = ReturnType<typeof ratioInputs>;

/** Functions that compute utilities of items, and values of clicks and slates, in f64. */
type Worth = ReturnType<typeof worth64>;

function worth64({ u, scores, values }: Inputs, utility: boolean) {
  const getUtility = (row: number, item: number) => u[row * ITEMS + item] ?? NaN;
  const getValue = (row: number, item: number) =>
    utility ? getUtility(row, item) : (scores[row * STRIDE + item] ?? NaN) + (values[4 * row] ?? NaN);
  const getZero = (row: number) => (utility ? 0 : values[4 * row + 1] ?? NaN);
  const getSlate = (row: number, items: readonly number[]) => {
    let [sum, share] = [getZero(row), 1];
    for (const item of items) {
      const v = Math.exp(ETA * getUtility(row, item));
      sum += v * getValue(row, item);
      share += v;
    }
    return sum / share;
  };
  return { utility: getUtility, item: getValue, noClick: getZero, slate: getSlate };
}

function* listSlates(
  items: readonly number[],
  k: number,
  chosen: readonly number[] = [],
): Generator<readonly number[]> {
  if (chosen.length === k) return yield chosen;
  for (let i = 0; i + k - chosen.length <= items.length; i++) {
    yield* listSlates(items.slice(i + 1), k, [...chosen, items[i] ?? NaN]);
  }
}

/** Returns the expected value of a slate (NaN if invalid) and of the best slate, and the largest |value|. */
function compareWithBest(worth: Worth, sizes: RatioSizes, shown: readonly number[], row: number) {
  const taken = isTaken(sizes);
  const free = listIndices(ITEMS).filter((item) => !taken(row, item));
  const allowed = new Set(shown).size === sizes.slate && shown.every((item) => free.includes(item));
  return {
    own: allowed ? worth.slate(row, shown) : NaN,
    best: Math.max(...[...listSlates(free, sizes.slate)].map((slate) => worth.slate(row, slate))),
    largest: Math.max(Math.abs(worth.noClick(row)), ...free.map((item) => Math.abs(worth.item(row, item)))),
  };
}

/** Runs slate_ratio; returns the slates, their expected values, and the mask after the run, as u32 words. */
function runBest(
  { gpu, arena, rows, upload, run }: SlateBench,
  { u, scores, values }: Inputs,
  { rows: R, slate, utility }: RatioSizes,
  bits: Uint32Array<ArrayBuffer>,
): Promise<readonly Uint32Array<ArrayBuffer>[]> {
  const masked = { view: upload("masked", bits), stride: R };
  const slates = arena.allocate("slates", 4 * slate * R);
  const worth = arena.allocate("worth", 4 * R);
  const worthOf = utility ? "utility" as const : {
    ...{ scores: upload("scores", scores), stride: STRIDE },
    ...{ values: upload("values", values), valueStride: 4 },
  };
  const model = { label: "ratio", slate, eta: ETA };
  const spec = recordBestSlate(rows, { ...model, utilities: upload("u", u), worthOf, masked, slates, worth });
  const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
  return run([spec], [slates, worth, masked.view], { reset });
}

/** Returns the expected value of each given slate, computed by a kernel. */
async function runFixedSlates(
  { arena, rows, upload, run }: SlateBench,
  worth: Worth,
  slates: readonly (readonly number[])[],
): Promise<Float32Array> {
  const slots = slates.flatMap((slate, row) => slate.map((item) => worth.utility(row, item)));
  const columns = slates.flatMap((slate, row) => [
    ...slate.map((item) => worth.item(row, item)),
    worth.noClick(row),
  ]);
  const again = arena.allocate("worth again", 4 * slates.length);
  const slate = slates[0]?.length ?? NaN;
  const spec = recordSlateWorth(rows, {
    ...{ label: "ratio", slate, eta: ETA, stride: slate + 1, worth: again },
    utilities: upload("slots", Float32Array.from(slots)),
    values: upload("columns", Float32Array.from(columns)),
  });
  const [valued] = await run([spec], [again]);
  return toFloats(valued);
}

export async function checkRatio(gpu: Gpu, checks: CheckCollector, sizes: RatioSizes): Promise<void> {
  const { rows: R, slate: k, utility, tolerance: share = 2 ** -18 } = sizes;
  using bench = createSlateBench(gpu, { rows: R, items: ITEMS }, checks);
  const inputs = ratioInputs(sizes);
  const worth = worth64(inputs, utility);
  const taken = isTaken(sizes);
  const [shown, lambda, after] = await runBest(bench, inputs, sizes, makeMaskBits(R, ITEMS, taken));
  const slates = listIndices(R).map((row) => Array.from(shown?.subarray(row * k, (row + 1) * k) ?? []));
  const rows = slates.map((slate, row) => compareWithBest(worth, sizes, slate, row));
  const own = rows.map(({ own }) => own);
  const by = { kernels: ["slate_ratio"], tolerance: (row: number) => share * (rows[row]?.largest ?? NaN) };
  const what = utility ? "by utility" : "by value";
  checks.numbers(own, rows.map(({ best }) => best), { ...by, what: `worth of the slate, ${what}` });
  checks.numbers(toFloats(lambda), own, { ...by, what: `worth that the kernel reports, ${what}` });
  checks.numbers(await runFixedSlates(bench, worth, slates), own, {
    ...by,
    what: `worth of fixed slates, ${what}`,
  });
  const bits = makeMaskBits(
    R,
    ITEMS,
    (row, item) => taken(row, item) || (slates[row]?.includes(item) ?? false),
  );
  checks.same(after, bits, { ...by, what: "masked items afterwards" });
}
