/** Self-test cases of the kernels that build a batch from a click log. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { BatchPlan, computeBatchCapacity } from "../batch/plan.ts";
import { padBitWords, rankBits } from "../batch/rank_bits.ts";
import { buildReferenceBatch, type ReferenceBatch } from "../batch/reference_batch.ts";
import type { TokenPairs } from "../batch/token_pairs.ts";
import { type ClickLog, type ItemTokens, NONE } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import type { Gpu } from "../gpu/device.ts";
import { readViews } from "../gpu/readback.ts";
import type { CheckCollector, NamedCheck } from "./finding.ts";
import { CanaryArena, computePrefixSums, recordStep, runTrial, runTwice } from "./harness.ts";
import type { KernelTrial } from "./harness.ts";
import { chunks, few, further, given, mixed, oneHot, type TestBatch } from "./ops/op_batches.ts";

const EXPAND = ["batch_expand"];
const rankKernel = ({ variants: { kind } }: Gpu) => kind === "gpu" ? "batch_rank_blocks" : "batch_rank";

/** Compares batch number `slice` in the buffers `batch` to the f64 reference. */
export async function compareBatch(
  gpu: Gpu,
  log: ClickLog,
  batch: BatchIndexBuffers,
  slice: number,
  expected: ReferenceBatch,
  sizes: ClickSizes,
  checks: CheckCollector,
): Promise<void> {
  const { event, eventItem, row, rowItem, slotItem, slotFirst, sorted, history } = batch;
  const own = [event, eventItem, row, rowItem, slotItem, slotFirst, sorted, history].map((
    { buffer, offset, size, slices },
  ) => ({ buffer, offset: offset + slice * (slices?.stride ?? 0), size }));
  const read = await readViews(gpu, own);
  const [events, eventItems, rows, rowItems, slotItems, slotFirsts, order, histories] = read;
  const GROUP = ["batch_group", rankKernel(gpu), "batch_expand"];
  const same = (
    what: string,
    kernels: readonly string[],
    found: ArrayLike<number> | undefined,
    wanted: readonly number[],
    columns?: number,
  ) => checks.same(found, wanted, { kernels, what, columns });
  same("events", EXPAND, events, expected.events.flatMap((e) => [e.first, e.end, e.click, e.fed]), 4);
  same("items for the encoder", EXPAND, eventItems, expected.events.map((e) => (e.fed === NONE ? 0 : e.fed)));
  same("history", EXPAND, histories, expected.history.flatMap((h) => [h.clicks, h.end]), 2);
  // The third word of a row is not compared, because no kernel reads it.
  same(
    "rows",
    EXPAND,
    rows,
    expected.rows.flatMap(({ event, logRow, fedEvent }, r) => [
      event,
      logRow,
      rows?.[4 * r + 2] ?? NaN,
      fedEvent,
    ]),
    4,
  );
  const byId = log.items.kind === "one-hot";
  same("items of rows", GROUP, rowItems, byId ? expected.rows.map((row) => row.item) : expected.rowSlot);
  same("distinct items", GROUP, slotItems, expected.slotItem);
  // Rows are sorted by item. The order of rows with the same item is arbitrary.
  const ofItem = expected.slotItem.map((item) =>
    expected.rows.flatMap((row, r) => row.item === item ? [r] : [])
  );
  const firsts = computePrefixSums(ofItem.map(({ length }) => length));
  same("first rows of items", GROUP, slotFirsts?.subarray(0, sizes.items + 1), firsts);
  const segments = ofItem.flatMap((_, slot) =>
    Array.from(order?.subarray(firsts[slot], firsts[slot + 1]) ?? []).sort((a, b) => a - b)
  );
  same("rows by item", GROUP, segments, ofItem.flat());
}

/** Compares the (item, token) pairs to the reference, for all items and for the encoder's items. */
async function compareTokens(
  gpu: Gpu,
  { first, token, count }: ItemTokens,
  { pair }: TokenPairs,
  { slotItem, rows, rowSlot }: ReferenceBatch,
  checks: CheckCollector,
): Promise<void> {
  const fed = new Set(rowSlot.filter((_, r) => rows[r]?.fedEvent !== NONE));
  const buildPairs = (slots: readonly number[], more: number) =>
    slots.flatMap((slot) => {
      const item = slotItem[slot] ?? NaN;
      return Array.from(token.subarray(first[item], first[item + 1]), (id) => [slot, more + id] as const);
    }).sort(([a, s], [b, t]) => s - t || a - b);
  const all = buildPairs(slotItem.map((_, slot) => slot), 0);
  const expected = [...all, ...buildPairs([...fed], count)].flat();
  const [found] = await readViews(gpu, [pair]);
  const kernels = ["token_group", rankKernel(gpu), "token_mark"];
  checks.same(found, expected, { kernels, what: "pairs of items and tokens", columns: 2 });
}

export function createBatchTrial(gpu: Gpu, { log, users }: TestBatch): KernelTrial<ClickSizes> {
  using stack = new DisposableStack();
  const arena = stack.use(new CanaryArena(gpu, "batch"));
  const deviceLog = stack.use(new DeviceLog(gpu, log));
  const capacity = computeBatchCapacity(log, users, users.length);
  const plan = stack.use(new BatchPlan(gpu, log, capacity, 1));
  const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0 });
  plan.upload(0, 1);
  const steps = { slices: 1, headersEach: 1, multiple: 1 };
  const batch = new BatchIndexBuffers(arena, plan.view, deviceLog, capacity, steps);
  const tokens = log.items.kind === "mixed" ? log.items.tokens : undefined;
  const pairs = tokens && batch.tokenPairs;
  const expected = buildReferenceBatch(log, users);
  const kept = stack.move();
  return {
    ...{ arena, sizes, headers: plan.steps, offsets: [plan.offset(0)] },
    views: [batch.event, batch.row, batch.rowItem, batch.slotItem, batch.slotFirst, batch.sorted],
    specs: [...batch.layout(), ...batch.ownDispatches()],
    async compare(_words, _specs, checks) {
      await compareBatch(gpu, log, batch, 0, expected, sizes, checks);
      if (tokens && pairs) await compareTokens(gpu, tokens, pairs, expected, checks);
    },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

async function checkBatch(gpu: Gpu, batch: TestBatch, checks: CheckCollector): Promise<void> {
  using trial = createBatchTrial(gpu, batch);
  // The dispatches run twice, so the check fails if the first run leaves bits that change the second run.
  await runTrial(trial, checks);
}

function createCase(name: string, batch: TestBatch): NamedCheck {
  return { name: `batch, ${name}`, check: (gpu, checks) => checkBatch(gpu, batch, checks) };
}

/** Tested lengths in words: less than a vector (4 words), several vectors, one block (4096), more blocks. */
const WORDS = [1, 37, 4096, 9001];

async function checkRanks(gpu: Gpu, checks: CheckCollector): Promise<void> {
  for (const words of WORDS) {
    using arena = new CanaryArena(gpu, "ranks");
    const random = createRandomStream(1, "ranks", words);
    const padded = new Uint32Array(padBitWords(words));
    for (let w = 0; w < words; w++) padded[w] = random.integer(2 ** 32);
    const bits = arena.allocate("bits", padded.byteLength);
    const ranked = arena.allocate("ranked", 2 * padded.byteLength);
    const spec = rankBits(gpu.variants, {
      label: "ranks",
      constants: { WORDS: words },
      views: { bits, ranked },
    });
    const sizes = { users: 1, events: 1, rows: 1, items: 1 };
    const [found, left] = await runTwice(arena, checks, [spec], {
      start: () => gpu.queue.writeBuffer(bits.buffer, bits.offset, padded),
      encode: await recordStep(arena, clickDimensions, [spec], { sizes, counted: 1 }),
      read: () => readViews(gpu, [ranked, bits]),
    });
    const counts = Array.from(padded, (word) => word.toString(2).replaceAll("0", "").length);
    const before = computePrefixSums(counts);
    const expected = Array.from(padded.subarray(0, words)).flatMap((word, w) => [word, before[w] ?? NaN]);
    const kernels = [spec.kernel.name];
    checks.same(found?.subarray(0, 2 * words), expected, {
      kernels,
      what: `ranks of ${words} words`,
      columns: 2,
    });
    checks.same(left?.subarray(0, words), expected.slice(0, words).fill(0), {
      kernels,
      what: "bits, which the kernel clears",
    });
  }
}

export const batchCases: readonly NamedCheck[] = [
  { name: "batch, bits before each word", check: checkRanks },
  createCase("few rows", few),
  createCase("several chunks", chunks),
  createCase("context events", given),
  createCase("several clicks per page", further),
  createCase("one-hot items", oneHot),
  createCase("items with tokens", mixed.many),
];
