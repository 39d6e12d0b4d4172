/** Lists all cases of the self-test. */

import type { Gpu } from "../gpu/device.ts";
import type { AdapterKind, KernelVariants, LstmVariant, MatmulVariant } from "../gpu/kernel_variants.ts";
import { formatLstmKey, listSumVariants } from "../gpu/kernel_variants.ts";
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
  makeLinearWithSums,
  makeMixedProduct,
  makeRowDot,
  makeRowDotOfLayer,
  makeRowDotOnLayer,
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
  popular,
  popularOneHot,
  rareItems,
  rareTokens,
  type TestBatch,
} from "./ops/op_batches.ts";

/** Numbers of events: below, at and above 256, which is the number of invocations per workgroup. */
const EVENTS = [1, 255, 256, 257, 1000];
/** Index in the ring buffer at which a training step must write its sums. No other entry may change. */
const SLOT = 2;

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
  name: `sums of losses, ${columns} per event`,
  check: (gpu, checks) => checkSums(gpu, checks, columns),
}));

/** Kernel variants that a case uses instead of the default variants. */
type Chosen = Partial<Pick<KernelVariants, "matmul" | "lstm">>;

function products(forward: MatmulVariant, input: MatmulVariant): Chosen {
  return { matmul: { "forward 20x20": forward, "input 20x20": input, "weight 20x20": "rows" } };
}

function weightGradients(variant: MatmulVariant): Chosen {
  return { matmul: { "weight 20x20": variant } };
}

function lstmVariants(variant: LstmVariant): Chosen {
  return { lstm: { [formatLstmKey("forward", 2)]: variant, [formatLstmKey("backward", 2)]: variant } };
}

const TWO_FIELDS = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];

function testOp(name: string, make: CaseFactory, batches: readonly TestBatch[], chosen?: Chosen): NamedCheck {
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

function opCases(kind: AdapterKind): NamedCheck[] {
  const on = [few, chunks];
  return [
    testOp("linear", makeLinear(20, 17), on),
    testOp("linear, inputs that fill several tiles", makeLinear(65, 80), [few]),
    testOp(
      "linear, row by row, ReLU",
      makeLinear(20, 17, { input: "relu", output: "relu" }),
      on,
      products("rows", "rows"),
    ),
    ...(kind === "gpu"
      ? [testOp("linear, in panels", makeLinear(20, 17), [chunks], products("panel 128", "panel 128"))]
      : []),
    testOp("row_dot", makeRowDot(17, "elu"), on),
    testOp("row_dot, ReLU", makeRowDot(17, "relu"), [few]),
    ...(kind === "gpu"
      ? [
        testOp("linear, separate gradients", makeLinear(20, 17), [few], weightGradients("rows")),
        testOp("linear, with sums of a loss", makeLinearWithSums(20, 17, 2), on),
        testOp("row_dot, gradients computed by a layer", makeRowDotOnLayer(20, 17), on),
      ]
      : []),
    testOp("row_dot, computed by a layer", makeRowDotOfLayer(12, 84), [chunks]),
    testOp("row_dot, added to a layer", makeRowDotOnLayer(20, 20), [chunks], weightGradients("rows")),
    testOp("mixed_product", makeMixedProduct("items", 12), [mixed.few, mixed.many]),
    testOp("mixed_product, items for the encoder", makeMixedProduct("events", 12), [mixed.few, mixed.many]),
    testOp("mixed_product, sparse gradients", makeMixedProduct("items", 12, { sparse: true }), [rareTokens]),
    testOp("first_layer", makeFirstLayer(17), [...on, popular]),
    testOp("first_layer, item dropout", makeFirstLayer(17, 0.2), [chunks, popular]),
    testOp("first_layer, with counts", makeFirstLayerOfCounts(17, 14), on),
    testOp("first_layer, with counts and context", makeFirstLayerOfCounts(17, 23), on),
    testOp("first_layer, fused state layer", makeFirstLayerOfState(17, 5), on),
    testOp("first_layer, one-hot items", makeFirstLayerOfTable(17, false), [
      oneHot,
      rareItems,
      popularOneHot,
    ]),
    testOp("first_layer, sparse gradients", makeFirstLayerOfTable(17, true), [rareItems, popularOneHot]),
    testOp("item_term", makeItemTerm(5), [...on, popular]),
    testOp("lstm", makeLstm(5), [few, given]),
    ...(kind === "gpu"
      ? [
        testOp("lstm, four users per workgroup", makeLstm(5), [few, given], lstmVariants("group 4")),
        testOp("lstm, one user per invocation", makeLstm(5), [few], lstmVariants("user")),
      ]
      : []),
    testOp("lstm, one-hot items", makeLstm(5, { sparse: false }), [oneHot, popularOneHot]),
    testOp("lstm, sparse gradients", makeLstm(5, { sparse: true }), [rareItems, popularOneHot]),
    testOp("batch_norm", makeBatchNorm(true, "elu"), on),
    testOp("batch_norm, ReLU", makeBatchNorm(true, "relu"), [few]),
    testOp("batch_norm, evaluation", makeBatchNorm(false, "elu"), on),
    testOp("choice_nll", makeChoice({ scale: 1 }), [few, chunks, given, further]),
    testOp("choice_nll, equal utilities", makeChoice({ whole: true }), [few, given, further]),
    testOp("choice_nll, fused last layer", makeChoiceOfLayer(12, kind === "gpu" ? 60 : 84), [few]),
    testOp("choice_nll, utilities far from zero", makeChoice({ scale: 40 }), [chunks, further]),
    testOp("choice_nll, position effects", makeChoice({ place: true }), [few, chunks, further]),
    testOp("choice_nll, logistic", makeChoice({ loss: "logistic" }), [few, given, further]),
    testOp("minimax, generator", makeMinimax("generator"), [few, given]),
    testOp("minimax, reward", makeMinimax("reward"), [few, given, further]),
    testOp("exact_minimax", makeExactMinimax(), [few, given, further]),
    testOp("pw_state", makePwState(false), [clicks.long, clicks.chunks]),
    testOp("pw_state, tanh", makePwState(true), [clicks.long, clicks.chunks]),
    testOp("pw_table", makePwTable(false), [clicks.long, clicks.chunks]),
    testOp("pw_table, tanh", makePwTable(true), [clicks.long, clicks.chunks]),
    testOp("pw_table, sparse gradients", makePwTable(false, usualPw, true), [clicks.rare]),
    testOp("pw_table, by event", makePwTableByEvent(), [clicks.long, clicks.chunks]),
    testOp("recent_clicks", (batch) => makeRecentClicks(batch, TWO_FIELDS), [mixed.few, mixed.many]),
    testOp("row_counts, train users", (batch) => makeRowCounts(batch, [], 8, 5), [few, given]),
    testOp("row_counts, other users", (batch) => makeRowCounts(batch, [], 8, undefined), [few, clicks.long]),
    testOp("row_counts, categories", (batch) => makeRowCounts(batch, TWO_FIELDS, 8, 500), [mixed.many]),
  ];
}

/** Returns the cases: first the kernels of a training step in order, then simulated users and policies. */
export function listSelftestCases(kind: AdapterKind): NamedCheck[] {
  return [
    ...batchCases,
    ...opCases(kind),
    ...sumCases,
    ...optimiserCases,
    ...pageCases,
    ...slateCases,
    ...networkCases,
    ...replayCases,
  ];
}

/** Runs a case; returns errors, does not throw them. @param gpu - device with the case's kernel variants */
export async function runCase(gpu: Gpu, { name, check }: NamedCheck): Promise<CaseFinding> {
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
