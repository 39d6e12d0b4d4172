/** All cases of the self-test, by the kernels for a kind of adapter. */

import type { Gpu } from "../gpu/device.ts";
import {
  type AdapterKind,
  type KernelShapes,
  lstmKey,
  type LstmVariant,
  type MatmulVariant,
  sumVariantsFor,
} from "../gpu/kernel_shapes.ts";
import { batchCases } from "./batch_cases.ts";
import { type Checking, Checks, type Finding } from "./finding.ts";
import { networkCases } from "./slates/network_cases.ts";
import { runOp } from "./ops/op_run.ts";
import { optimiserCases } from "./optimiser_cases.ts";
import { pageCases } from "./pages/page_cases.ts";
import { replayCases } from "./slates/replay_cases.ts";
import { slateCases } from "./slates/slate_cases.ts";
import { readFloats } from "../gpu/readback.ts";
import { outcomeSum } from "../ops/loss.ts";
import { CanaryArena, kernelsOf, recordStep, twice } from "./harness.ts";
import { dimensions, normals } from "./optimiser_bench.ts";
import {
  lstmOf,
  lstmOfTable,
  pwStateOf,
  pwTableByEvent,
  pwTableOf,
  recentClicksOf,
  rowCountsOf,
  usualPw,
} from "./ops/encoder_recipes.ts";
import {
  batchNormOf,
  firstLayerOf,
  firstLayerOfCounts,
  firstLayerOfState,
  firstLayerOfTable,
  itemTermOf,
  linearOf,
  type Make,
  mixedProductOf,
  rowDotOf,
  rowDotOfLayer,
  rowDotWithSums,
} from "./ops/layer_recipes.ts";
import { choiceOf, choiceOfLayer, exactMinimaxOf, minimaxOf } from "./ops/loss_recipes.ts";
import {
  type Batch,
  chunks,
  clicks,
  few,
  further,
  given,
  mixed,
  oneHot,
  rareItems,
  rareTokens,
} from "./ops/op_batches.ts";

/** One event; a workgroup's, one less and one more; and more than a turn of all. */
const EVENTS = [1, 255, 256, 257, 1000];
/** The step's place in the ring; others stay as they were. */
const SLOT = 2;

/** @param columns of an event's outcome */
async function checkSums(gpu: Gpu, checks: Checks, columns: number): Promise<void> {
  const choice = { shapes: gpu.shapes, workgroupBytes: 16384, subgroups: gpu.hasSubgroups };
  for (const variant of sumVariantsFor(choice)) {
    for (const events of EVENTS) {
      using arena = new CanaryArena(gpu, "sums");
      const values = normals(events * columns, "outcome", events);
      const view = arena.allocate("outcome", 4 * values.length);
      const ring = arena.allocate("ring", 4 * columns * (SLOT + 2));
      const sizes = { rows: 1, events, items: 1 };
      const shapes = { ...gpu.shapes, sum: { outcome_sum: variant } };
      const outcome = { name: "outcome", rows: "events" as const, columns, view };
      const specs = [outcomeSum({ dimensions, choice: { ...choice, shapes } }, { outcome, ring })];
      const encode = await recordStep(arena, dimensions, specs, { sizes, counted: 1 }, { slot: SLOT });
      const before = normals(columns * (SLOT + 2), "ring", events);
      const [found] = await twice(arena, checks, specs, {
        start() {
          gpu.queue.writeBuffer(view.buffer, view.offset, values);
          gpu.queue.writeBuffer(ring.buffer, ring.offset, before);
        },
        encode,
        read: async () => [await readFloats(gpu, ring)],
      });
      const wanted = Float64Array.from(before);
      wanted.fill(0, columns * SLOT, columns * (SLOT + 1));
      values.forEach((x, k) => wanted[columns * SLOT + k % columns]! += x);
      checks.numbers(found?.subarray(0, wanted.length), wanted, {
        kernels: kernelsOf(specs),
        what: `sums of ${events} events`,
        columns,
        tolerance: (k) => Math.floor(k / columns) === SLOT ? 1e-5 * Math.sqrt(events) : 0,
      });
    }
  }
}

export const sumCases: readonly Checking[] = [4, 12].map((columns) => ({
  name: `sums of losses, ${columns} an event`,
  check: (gpu, checks) => checkSums(gpu, checks, columns),
}));

/** Other kernels than the fixed table's. */
type Chosen = Partial<Pick<KernelShapes, "matmul" | "lstm">>;

/** Of forward and of the gradient of the input, instead of the fixed table's. */
function products(forward: MatmulVariant, input: MatmulVariant): Chosen {
  return { matmul: { "forward 20x20": forward, "input 20x20": input, "weight 20x20": "rows" } };
}

/** Of the gradient of the weights. */
function ofWeights(variant: MatmulVariant): Chosen {
  return { matmul: { "weight 20x20": variant } };
}

/** Of 8 units, padded. */
function lstmShapes(variant: LstmVariant): Chosen {
  return { lstm: { [lstmKey("forward", 2)]: variant, [lstmKey("backward", 2)]: variant } };
}

/** Of the tokens of mixed batches. */
const TWO_FIELDS = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];

/** An op, on some batches. */
function opCase(name: string, make: Make, batches: readonly Batch[], chosen?: Chosen): Checking {
  return {
    name,
    async check(gpu, checks) {
      const before = gpu.shapes;
      if (chosen) gpu.useShapes({ ...before, ...chosen });
      try {
        for (const batch of batches) await runOp(gpu, make(batch), checks);
      } finally {
        gpu.useShapes(before);
      }
    },
  };
}

/**
 * All ops, by the kernels of one kind of adapter: forward and gradients, a few sizes each. What compiles long is the number of
 * shader texts, so the batches of a case share theirs as far as its kernels allow.
 */
function opCases(kind: AdapterKind): Checking[] {
  const on = [few, chunks];
  return [
    opCase("linear", linearOf(20, 17), on),
    opCase("linear, inputs that fill several tiles", linearOf(65, 80), [few]),
    opCase(
      "linear, row by row, ReLU",
      linearOf(20, 17, { input: "relu", output: "relu" }),
      on,
      products("rows", "rows"),
    ),
    ...(kind === "gpu"
      ? [opCase("linear, in panels", linearOf(20, 17), [chunks], products("panel 128", "panel 128"))]
      : []),
    opCase("row_dot", rowDotOf(17, "elu"), on),
    opCase("row_dot, ReLU", rowDotOf(17, "relu"), [few]),
    ...(kind === "gpu"
      ? [
        opCase("linear, gradients by themselves", linearOf(20, 17), [few], ofWeights("rows")),
        opCase("row_dot, with the sums of a loss", rowDotWithSums(17, 2, "elu"), on),
      ]
      : []),
    opCase("row_dot, made by a layer", rowDotOfLayer(12, 84), [chunks]),
    opCase("mixed_product", mixedProductOf("items", 12), [mixed.few, mixed.many]),
    opCase("mixed_product, of fed items", mixedProductOf("events", 12), [mixed.few, mixed.many]),
    opCase("mixed_product, touched rows", mixedProductOf("items", 12, { touchedOnly: true }), [rareTokens]),
    opCase("first_layer", firstLayerOf(17), on),
    opCase("first_layer, rows that hide their items", firstLayerOf(17, 0.2), [chunks]),
    opCase("first_layer, with counts", firstLayerOfCounts(17, 9), on),
    opCase("first_layer, over a small layer", firstLayerOfState(17, 5), on),
    opCase("first_layer, one-hot items", firstLayerOfTable(17, false), [oneHot, rareItems]),
    opCase("first_layer, touched rows", firstLayerOfTable(17, true), [rareItems]),
    opCase("item_term", itemTermOf(5), on),
    opCase("lstm", lstmOf(5), [few, given]),
    ...(kind === "gpu"
      ? [
        opCase("lstm, four users a workgroup", lstmOf(5), [few, given], lstmShapes("group 4")),
        opCase("lstm, a user an invocation", lstmOf(5), [few], lstmShapes("user")),
      ]
      : []),
    opCase("lstm, one-hot items", lstmOfTable(5, false), [oneHot]),
    opCase("lstm, touched rows", lstmOfTable(5, true), [rareItems]),
    opCase("batch_norm", batchNormOf(true, "elu"), on),
    opCase("batch_norm, ReLU", batchNormOf(true, "relu"), [few]),
    opCase("batch_norm, evaluation", batchNormOf(false, "elu"), on),
    opCase("choice_nll", choiceOf({ scale: 1 }), [few, chunks, given, further]),
    opCase("choice_nll, utilities that are equal", choiceOf({ whole: true }), [few, given, further]),
    opCase("choice_nll, of a fused last layer", choiceOfLayer(12, kind === "gpu" ? 60 : 84), [few]),
    opCase("choice_nll, utilities far from zero", choiceOf({ scale: 40 }), [chunks, further]),
    opCase("choice_nll, places", choiceOf({ place: true }), [few, chunks, further]),
    opCase("choice_nll, logistic", choiceOf({ loss: "logistic" }), [few, given, further]),
    opCase("minimax, the generator", minimaxOf("generator"), [few, given]),
    opCase("minimax, the reward", minimaxOf("reward"), [few, given, further]),
    opCase("exact_minimax", exactMinimaxOf(), [few, given, further]),
    opCase("pw_state", pwStateOf(false), [clicks.long, clicks.chunks]),
    opCase("pw_state, tanh", pwStateOf(true), [clicks.long, clicks.chunks]),
    opCase("pw_table", pwTableOf(false), [clicks.long, clicks.chunks]),
    opCase("pw_table, tanh", pwTableOf(true), [clicks.long, clicks.chunks]),
    opCase("pw_table, touched rows", pwTableOf(false, usualPw, true), [clicks.rare]),
    opCase("pw_table, by event", pwTableByEvent(), [clicks.long, clicks.chunks]),
    opCase("recent_clicks", (batch) => recentClicksOf(batch, TWO_FIELDS), [mixed.few, mixed.many]),
    opCase("row_counts, train users", (batch) => rowCountsOf(batch, [], 8, 5), [few, given]),
    opCase("row_counts, other users", (batch) => rowCountsOf(batch, [], 8, undefined), [few, clicks.long]),
    opCase("row_counts, categories", (batch) => rowCountsOf(batch, TWO_FIELDS, 8, 500), [mixed.many]),
  ];
}

/** Some kernels, run on numbers whose results are known in f64. */
export interface SelftestCase {
  readonly name: string;
  /** Runs it. Throws nothing: what fails is in the finding. @param gpu with the kernel shapes of the case's kind */
  readonly run: (gpu: Gpu) => Promise<Finding>;
}

/** The cases, in the order of a training step; then simulated users and policies. */
export function selftestCases(kind: AdapterKind): SelftestCase[] {
  const all: Checking[] = [
    ...batchCases,
    ...opCases(kind),
    ...sumCases,
    ...optimiserCases,
    ...pageCases,
    ...slateCases,
    ...networkCases,
    ...replayCases,
  ];
  return all.map((checking) => ({ name: checking.name, run: (gpu) => findingOf(gpu, checking) }));
}

async function findingOf(gpu: Gpu, { name, check }: Checking): Promise<Finding> {
  const checks = new Checks();
  let error: string | undefined;
  try {
    await check(gpu, checks);
    gpu.check();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const kernels = [...new Set(checks.all.flatMap(({ kernels }) => kernels))];
  return { name, kernels, checks: checks.all, ...(error === undefined ? {} : { error }) };
}
