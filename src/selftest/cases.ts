/** All cases of the self-test, by the kernels for a kind of adapter. */

import type { Gpu } from "../gpu/device.ts";
import {
  type AdapterKind,
  formatLstmKey,
  type KernelVariants,
  listSumVariants,
  type LstmVariant,
  type MatmulVariant,
} from "../gpu/kernel_variants.ts";
import { batchCases } from "./batch_cases.ts";
import { type CaseFinding, CheckCollector, type NamedCheck } from "./finding.ts";
import { networkCases } from "./slates/network_cases.ts";
import { runOp } from "./ops/op_run.ts";
import { optimiserCases } from "./optimiser_cases.ts";
import { pageCases } from "./pages/page_cases.ts";
import { replayCases } from "./slates/replay_cases.ts";
import { slateCases } from "./slates/slate_cases.ts";
import { readFloats } from "../gpu/readback.ts";
import { outcomeSum } from "../ops/loss.ts";
import { CanaryArena, listKernels, recordStep, runTwice } from "./harness.ts";
import { dimensions, drawNormals } from "./optimiser_bench.ts";
import {
  makeLstm,
  makeLstmOverTable,
  makePwState,
  makePwTable,
  makePwTableByEvent,
  makeRecentClicks,
  makeRowCounts,
  usualPw,
} from "./ops/encoder_recipes.ts";
import {
  type CaseFactory,
  makeBatchNorm,
  makeFirstLayer,
  makeFirstLayerOfCounts,
  makeFirstLayerOfState,
  makeFirstLayerOfTable,
  makeItemTerm,
  makeLinear,
  makeMixedProduct,
  makeRowDot,
  makeRowDotOfLayer,
  makeRowDotWithSums,
} from "./ops/layer_recipes.ts";
import { makeChoice, makeChoiceOfLayer, makeExactMinimax, makeMinimax } from "./ops/loss_recipes.ts";
import {
  chunks,
  clicks,
  few,
  further,
  given,
  mixed,
  oneHot,
  rareItems,
  rareTokens,
  type TestBatch,
} from "./ops/op_batches.ts";

/** One event; a workgroup's, one less and one more; and more than a turn of all. */
const EVENTS = [1, 255, 256, 257, 1000];
/** The step's place in the ring; others stay as they were. */
const SLOT = 2;

/** @param columns of an event's outcome */
async function checkSums(gpu: Gpu, checks: CheckCollector, columns: number): Promise<void> {
  const choice = { variants: gpu.variants, workgroupBytes: 16384, subgroups: gpu.hasSubgroups };
  for (const variant of listSumVariants(choice)) {
    for (const events of EVENTS) {
      using arena = new CanaryArena(gpu, "sums");
      const values = drawNormals(events * columns, "outcome", events);
      const view = arena.allocate("outcome", 4 * values.length);
      const ring = arena.allocate("ring", 4 * columns * (SLOT + 2));
      const sizes = { rows: 1, events, items: 1 };
      const variants = { ...gpu.variants, sum: { outcome_sum: variant } };
      const outcome = { name: "outcome", rows: "events" as const, columns, view };
      const specs = [outcomeSum({ dimensions, choice: { ...choice, variants } }, { outcome, ring })];
      const encode = await recordStep(arena, dimensions, specs, { sizes, counted: 1 }, { slot: SLOT });
      const before = drawNormals(columns * (SLOT + 2), "ring", events);
      const [found] = await runTwice(arena, checks, specs, {
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
        kernels: listKernels(specs),
        what: `sums of ${events} events`,
        columns,
        tolerance: (k) => Math.floor(k / columns) === SLOT ? 1e-5 * Math.sqrt(events) : 0,
      });
    }
  }
}

export const sumCases: readonly NamedCheck[] = [4, 12].map((columns) => ({
  name: `sums of losses, ${columns} an event`,
  check: (gpu, checks) => checkSums(gpu, checks, columns),
}));

/** Other kernels than the fixed table's. */
type Chosen = Partial<Pick<KernelVariants, "matmul" | "lstm">>;

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
  return { lstm: { [formatLstmKey("forward", 2)]: variant, [formatLstmKey("backward", 2)]: variant } };
}

/** Of the tokens of mixed batches. */
const TWO_FIELDS = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];

/** An op, on some batches. */
function opCase(name: string, make: CaseFactory, batches: readonly TestBatch[], chosen?: Chosen): NamedCheck {
  return {
    name,
    async check(gpu, checks) {
      const before = gpu.variants;
      if (chosen) gpu.setVariants({ ...before, ...chosen });
      try {
        for (const batch of batches) await runOp(gpu, make(batch), checks);
      } finally {
        gpu.setVariants(before);
      }
    },
  };
}

/**
 * All ops, by the kernels of one kind of adapter: forward and gradients, a few sizes each. What compiles long is the number of
 * shader texts, so the batches of a case share theirs as far as its kernels allow.
 */
function opCases(kind: AdapterKind): NamedCheck[] {
  const on = [few, chunks];
  return [
    opCase("linear", makeLinear(20, 17), on),
    opCase("linear, inputs that fill several tiles", makeLinear(65, 80), [few]),
    opCase(
      "linear, row by row, ReLU",
      makeLinear(20, 17, { input: "relu", output: "relu" }),
      on,
      products("rows", "rows"),
    ),
    ...(kind === "gpu"
      ? [opCase("linear, in panels", makeLinear(20, 17), [chunks], products("panel 128", "panel 128"))]
      : []),
    opCase("row_dot", makeRowDot(17, "elu"), on),
    opCase("row_dot, ReLU", makeRowDot(17, "relu"), [few]),
    ...(kind === "gpu"
      ? [
        opCase("linear, gradients by themselves", makeLinear(20, 17), [few], ofWeights("rows")),
        opCase("row_dot, with the sums of a loss", makeRowDotWithSums(17, 2, "elu"), on),
      ]
      : []),
    opCase("row_dot, made by a layer", makeRowDotOfLayer(12, 84), [chunks]),
    opCase("mixed_product", makeMixedProduct("items", 12), [mixed.few, mixed.many]),
    opCase("mixed_product, of fed items", makeMixedProduct("events", 12), [mixed.few, mixed.many]),
    opCase("mixed_product, touched rows", makeMixedProduct("items", 12, { sparse: true }), [rareTokens]),
    opCase("first_layer", makeFirstLayer(17), on),
    opCase("first_layer, rows that hide their items", makeFirstLayer(17, 0.2), [chunks]),
    opCase("first_layer, with counts", makeFirstLayerOfCounts(17, 9), on),
    opCase("first_layer, over a small layer", makeFirstLayerOfState(17, 5), on),
    opCase("first_layer, one-hot items", makeFirstLayerOfTable(17, false), [oneHot, rareItems]),
    opCase("first_layer, touched rows", makeFirstLayerOfTable(17, true), [rareItems]),
    opCase("item_term", makeItemTerm(5), on),
    opCase("lstm", makeLstm(5), [few, given]),
    ...(kind === "gpu"
      ? [
        opCase("lstm, four users a workgroup", makeLstm(5), [few, given], lstmShapes("group 4")),
        opCase("lstm, a user an invocation", makeLstm(5), [few], lstmShapes("user")),
      ]
      : []),
    opCase("lstm, one-hot items", makeLstmOverTable(5, false), [oneHot]),
    opCase("lstm, touched rows", makeLstmOverTable(5, true), [rareItems]),
    opCase("batch_norm", makeBatchNorm(true, "elu"), on),
    opCase("batch_norm, ReLU", makeBatchNorm(true, "relu"), [few]),
    opCase("batch_norm, evaluation", makeBatchNorm(false, "elu"), on),
    opCase("choice_nll", makeChoice({ scale: 1 }), [few, chunks, given, further]),
    opCase("choice_nll, utilities that are equal", makeChoice({ whole: true }), [few, given, further]),
    opCase("choice_nll, of a fused last layer", makeChoiceOfLayer(12, kind === "gpu" ? 60 : 84), [few]),
    opCase("choice_nll, utilities far from zero", makeChoice({ scale: 40 }), [chunks, further]),
    opCase("choice_nll, places", makeChoice({ place: true }), [few, chunks, further]),
    opCase("choice_nll, logistic", makeChoice({ loss: "logistic" }), [few, given, further]),
    opCase("minimax, the generator", makeMinimax("generator"), [few, given]),
    opCase("minimax, the reward", makeMinimax("reward"), [few, given, further]),
    opCase("exact_minimax", makeExactMinimax(), [few, given, further]),
    opCase("pw_state", makePwState(false), [clicks.long, clicks.chunks]),
    opCase("pw_state, tanh", makePwState(true), [clicks.long, clicks.chunks]),
    opCase("pw_table", makePwTable(false), [clicks.long, clicks.chunks]),
    opCase("pw_table, tanh", makePwTable(true), [clicks.long, clicks.chunks]),
    opCase("pw_table, touched rows", makePwTable(false, usualPw, true), [clicks.rare]),
    opCase("pw_table, by event", makePwTableByEvent(), [clicks.long, clicks.chunks]),
    opCase("recent_clicks", (batch) => makeRecentClicks(batch, TWO_FIELDS), [mixed.few, mixed.many]),
    opCase("row_counts, train users", (batch) => makeRowCounts(batch, [], 8, 5), [few, given]),
    opCase("row_counts, other users", (batch) => makeRowCounts(batch, [], 8, undefined), [few, clicks.long]),
    opCase("row_counts, categories", (batch) => makeRowCounts(batch, TWO_FIELDS, 8, 500), [mixed.many]),
  ];
}

/** Some kernels, run on numbers whose results are known in f64. */
export interface SelftestCase {
  readonly name: string;
  /** Runs it. Throws nothing: what fails is in the finding. @param gpu with the kernel variants of the case's kind */
  readonly run: (gpu: Gpu) => Promise<CaseFinding>;
}

/** The cases, in the order of a training step; then simulated users and policies. */
export function listSelftestCases(kind: AdapterKind): SelftestCase[] {
  const all: NamedCheck[] = [
    ...batchCases,
    ...opCases(kind),
    ...sumCases,
    ...optimiserCases,
    ...pageCases,
    ...slateCases,
    ...networkCases,
    ...replayCases,
  ];
  return all.map((checking) => ({ name: checking.name, run: (gpu) => runCase(gpu, checking) }));
}

async function runCase(gpu: Gpu, { name, check }: NamedCheck): Promise<CaseFinding> {
  const checks = new CheckCollector();
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
