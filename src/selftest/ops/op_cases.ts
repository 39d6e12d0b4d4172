/**
 * The ops of the self-test: forward and gradients, a few sizes each. What compiles long is the number of shader texts, so
 * the batches of a case share theirs as far as its kernels allow.
 */

import {
  type AdapterKind,
  type KernelShapes,
  lstmKey,
  type LstmVariant,
  type MatmulVariant,
} from "../../gpu/kernel_shapes.ts";
import {
  lstmOf,
  lstmOfTable,
  pwStateOf,
  pwTableByEvent,
  pwTableOf,
  recentClicksOf,
  rowCountsOf,
  usualPw,
} from "./encoder_recipes.ts";
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
  tableRowsOf,
} from "./layer_recipes.ts";
import { choiceOf, choiceOfLayer, exactMinimaxOf, minimaxOf } from "./loss_recipes.ts";
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
} from "./op_batches.ts";
import type { OpCase } from "./op_bench.ts";

/** An op, on some batches. */
export interface OpCases {
  readonly name: string;
  readonly on: readonly OpCase[];
  /** Other kernels than the fixed table's. */
  readonly chosen?: Chosen;
}

type Chosen = Partial<Pick<KernelShapes, "matmul" | "lstm">>;

/** Of forward and of the gradient of the input, instead of the fixed table's. */
function products(forward: MatmulVariant, input: MatmulVariant): Chosen {
  return { matmul: { "forward 20x20": forward, "input 20x20": input, "weight 20x20": "rows" } };
}

/** Of 8 units, padded. */
function lstmShapes(variant: LstmVariant): Chosen {
  return { lstm: { [lstmKey("forward", 2)]: variant, [lstmKey("backward", 2)]: variant } };
}

/** Of the tokens of mixed batches. */
const TWO_FIELDS = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];

/** All ops, by the kernels of one kind of adapter. */
export function opCases(kind: AdapterKind): OpCases[] {
  const own = (name: string, make: Make, batches: readonly Batch[], chosen?: Chosen): OpCases => ({
    name,
    on: batches.map(make),
    ...(chosen && { chosen }),
  });
  const on = [few, chunks];
  return [
    own("linear", linearOf(20, 17), on),
    own("linear, inputs that fill several tiles", linearOf(65, 80), [few]),
    own(
      "linear, row by row, ReLU",
      linearOf(20, 17, { input: "relu", output: "relu" }),
      on,
      products("rows", "rows"),
    ),
    ...(kind === "gpu"
      ? [own("linear, in panels", linearOf(20, 17), [chunks], products("panel 128", "panel 128"))]
      : []),
    own("row_dot", rowDotOf(17, "elu"), on),
    own("row_dot, ReLU", rowDotOf(17, "relu"), [few]),
    own("row_dot, made by a layer", rowDotOfLayer(12, 84), [chunks]),
    own("mixed_product", mixedProductOf("items", 12), [mixed.few, mixed.many]),
    own("mixed_product, of fed items", mixedProductOf("events", 12), [mixed.few, mixed.many]),
    own("mixed_product, touched rows", mixedProductOf("items", 12, { touchedOnly: true }), [rareTokens]),
    own("table_rows", tableRowsOf("items", 17), [rareItems]),
    own("table_rows, of fed items", tableRowsOf("events", 17), [rareItems]),
    own("first_layer", firstLayerOf(17), on),
    own("first_layer, rows that hide their items", firstLayerOf(17, 0.2), [chunks]),
    own("first_layer, with counts", firstLayerOfCounts(17, 9), on),
    own("first_layer, over a small layer", firstLayerOfState(17, 5), on),
    own("first_layer, one-hot items", firstLayerOfTable(17, false), [oneHot, rareItems]),
    own("first_layer, touched rows", firstLayerOfTable(17, true), [rareItems]),
    own("item_term", itemTermOf(5), on),
    own("lstm", lstmOf(5), [few, given]),
    ...(kind === "gpu"
      ? [
        own("lstm, four users a workgroup", lstmOf(5), [few, given], lstmShapes("group 4")),
        own("lstm, a user an invocation", lstmOf(5), [few], lstmShapes("user")),
      ]
      : []),
    own("lstm, one-hot items", lstmOfTable(5, false), [oneHot]),
    own("lstm, touched rows", lstmOfTable(5, true), [rareItems]),
    own("batch_norm", batchNormOf(true, "elu"), on),
    own("batch_norm, ReLU", batchNormOf(true, "relu"), [few]),
    own("batch_norm, evaluation", batchNormOf(false, "elu"), on),
    own("choice_nll", choiceOf({ scale: 1 }), [few, chunks, given, further]),
    own("choice_nll, utilities that are equal", choiceOf({ whole: true }), [few, given, further]),
    own("choice_nll, of a fused last layer", choiceOfLayer(12, kind === "gpu" ? 60 : 84), [few]),
    own("choice_nll, utilities far from zero", choiceOf({ scale: 40 }), [chunks, further]),
    own("choice_nll, places", choiceOf({ place: true }), [few, chunks, further]),
    own("choice_nll, logistic", choiceOf({ loss: "logistic" }), [few, given, further]),
    own("minimax, the generator", minimaxOf("generator"), [few, given]),
    own("minimax, the reward", minimaxOf("reward"), [few, given, further]),
    own("exact_minimax", exactMinimaxOf(), [few, given, further]),
    own("pw_state", pwStateOf(false), [clicks.long, clicks.chunks]),
    own("pw_state, tanh", pwStateOf(true), [clicks.long, clicks.chunks]),
    own("pw_table", pwTableOf(false), [clicks.long, clicks.chunks]),
    own("pw_table, tanh", pwTableOf(true), [clicks.long, clicks.chunks]),
    own("pw_table, touched rows", pwTableOf(false, usualPw, true), [clicks.rare]),
    own("pw_table, by event", pwTableByEvent(), [clicks.long, clicks.chunks]),
    own("recent_clicks", (batch) => recentClicksOf(batch, TWO_FIELDS), [mixed.few, mixed.many]),
    own("row_counts, train users", (batch) => rowCountsOf(batch, [], 8, 5), [few, given]),
    own("row_counts, other users", (batch) => rowCountsOf(batch, [], 8, undefined), [few, clicks.long]),
    own("row_counts, categories", (batch) => rowCountsOf(batch, TWO_FIELDS, 8, 500), [mixed.many]),
  ];
}
