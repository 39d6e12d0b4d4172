/** The kernel of exact slates, by utilities and by values of a network: as good as the best of all slates. */

import type { Gpu } from "../../gpu/device.ts";
import { PANEL, panelsOf } from "../../policy/network/slate_score.ts";
import { bestSlate, slateWorth } from "../../policy/network/slate_ratio.ts";
import type { Checks } from "../finding.ts";
import { type Bench, maskBits, normals, withBench } from "./slate_bench.ts";
import { floats, range } from "../words.ts";

const [R, ITEMS, SLATE] = [140, 12, 3];
const MODEL = { label: "ratio", slate: SLATE, eta: 0.5 };
/** Floats from a row of scores to the next. */
const STRIDE = PANEL * panelsOf(ITEMS);

/** In some rows as many items are left as are shown. */
function taken(row: number, item: number): boolean {
  return row % 7 === 0 ? item >= SLATE : row % 3 === 0 && (item * 5 + row) % 4 === 0;
}

/** Utilities [R, I], and the values of a network: scores of items beside the row's own, and that of no click. */
function ratioInputs() {
  const u = normals(R * ITEMS, "u").map((x) => 2 * x);
  const scores = new Float32Array(R * STRIDE);
  const drawn = normals(R * ITEMS, "q");
  drawn.forEach((x, i) => scores[Math.floor(i / ITEMS) * STRIDE + i % ITEMS] = 3 * x);
  return { u, scores, values: normals(R * 4, "values") };
}
type Inputs = ReturnType<typeof ratioInputs>;

/** What clicks of a row are worth, and by that its slates. */
interface Worth {
  utility(row: number, item: number): number;
  item(row: number, item: number): number;
  noClick(row: number): number;
  slate(row: number, items: readonly number[]): number;
}

/** The same in f64. @param utility a click is worth the item's utility, no click nothing */
function worth64({ u, scores, values }: Inputs, utility: boolean): Worth {
  const uOf = (row: number, item: number) => u[row * ITEMS + item] ?? NaN;
  const qOf = (row: number, item: number) =>
    utility ? uOf(row, item) : (scores[row * STRIDE + item] ?? NaN) + (values[4 * row] ?? NaN);
  const zeroOf = (row: number) => (utility ? 0 : values[4 * row + 1] ?? NaN);
  const slateOf = (row: number, items: readonly number[]) => {
    let [sum, share] = [zeroOf(row), 1];
    for (const item of items) {
      const v = Math.exp(MODEL.eta * uOf(row, item));
      sum += v * qOf(row, item);
      share += v;
    }
    return sum / share;
  };
  return { utility: uOf, item: qOf, noClick: zeroOf, slate: slateOf };
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

/** What a row's slate is worth, NaN where it may not be shown; what the best one is; and the largest value in them. */
function besideBest(worth: Worth, slate: readonly number[], row: number) {
  const free = range(ITEMS).filter((item) => !taken(row, item));
  const allowed = new Set(slate).size === SLATE && slate.every((item) => free.includes(item));
  return {
    own: allowed ? worth.slate(row, slate) : NaN,
    best: Math.max(...[...slatesOf(free, SLATE)].map((slate) => worth.slate(row, slate))),
    largest: Math.max(Math.abs(worth.noClick(row)), ...free.map((item) => Math.abs(worth.item(row, item)))),
  };
}

/** Words of the slates that the kernel finds, and of what it says that they are worth. */
function runBest(
  { gpu, arena, rows, upload, run }: Bench,
  { u, scores, values }: Inputs,
  utility: boolean,
): Promise<Uint32Array<ArrayBuffer>[]> {
  const bits = maskBits(R, ITEMS, taken);
  const masked = { view: upload("masked", bits), stride: R };
  const slates = arena.allocate("slates", 4 * SLATE * R);
  const worth = arena.allocate("worth", 4 * R);
  const worthOf = utility ? "utility" as const : {
    ...{ scores: upload("scores", scores), stride: STRIDE },
    ...{ values: upload("values", values), valueStride: 4 },
  };
  const spec = bestSlate(rows, { ...MODEL, utilities: upload("u", u), worthOf, masked, slates, worth });
  const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
  return run([spec], [slates, worth], { reset });
}

/** What the kernel says that given slates are worth, by what it is told of their items. */
async function runGiven(
  { arena, rows, upload, run }: Bench,
  worth: Worth,
  slates: readonly (readonly number[])[],
): Promise<Float32Array> {
  const slots = slates.flatMap((slate, row) => slate.map((item) => worth.utility(row, item)));
  const columns = slates.flatMap((slate, row) => [
    ...slate.map((item) => worth.item(row, item)),
    worth.noClick(row),
  ]);
  const again = arena.allocate("worth again", 4 * R);
  const spec = slateWorth(rows, {
    ...{ ...MODEL, stride: SLATE + 1, worth: again },
    utilities: upload("slots", Float32Array.from(slots)),
    values: upload("columns", Float32Array.from(columns)),
  });
  const [valued] = await run([spec], [again]);
  return floats(valued);
}

async function checkBest(gpu: Gpu, checks: Checks, utility: boolean): Promise<void> {
  await withBench(gpu, { rows: R, items: ITEMS }, async (bench) => {
    const inputs = ratioInputs();
    const worth = worth64(inputs, utility);
    const [shown, lambda] = await runBest(bench, inputs, utility);
    const slates = range(R).map((row) => Array.from(shown?.subarray(row * SLATE, (row + 1) * SLATE) ?? []));
    const rows = slates.map((slate, row) => besideBest(worth, slate, row));
    const own = rows.map(({ own }) => own);
    // A mean of values by weights that exponentials of up to 4 give.
    const tolerance = (row: number) => 2 ** -18 * (rows[row]?.largest ?? NaN);
    const by = { kernels: ["slate_ratio"], tolerance };
    const what = utility ? "by utility" : "by value";
    checks.numbers(own, rows.map(({ best }) => best), { ...by, what: `what the slate is worth, ${what}` });
    checks.numbers(floats(lambda), own, { ...by, what: `its worth as the kernel has it, ${what}` });
    if (utility) return;
    checks.numbers(await runGiven(bench, worth, slates), own, { ...by, what: "worth of given slates" });
  }, checks);
}

export async function checkRatio(gpu: Gpu, checks: Checks): Promise<void> {
  for (const utility of [false, true]) await checkBest(gpu, checks, utility);
}
