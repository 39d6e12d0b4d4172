/**
 * Adds count features (src/counts/page_counts.ts) to an ONNX graph. The graph counts a user's recent clicks.
 * Counts over all train users are tables in the file, with a few hundred numbers per item of the catalogue.
 */

import {
  type CountsConfig,
  countTableWidth,
  countTokenSlots,
  LAGS,
  PRIOR,
  SIMILARITY_FLOOR,
} from "../../counts/count_columns.ts";
import { BIAS, FIRST_LAYER, KERNEL, SCALE, TABLE } from "../../model/model_counts.ts";
import type { ContextFeature } from "../../data/manifest.ts";
import { addContextFeatures } from "./onnx_context.ts";
import { addLastClicks, type EncoderInputs } from "./onnx_encoders.ts";
import { COUNTED, FLOAT, type GraphBuilder, type TensorName } from "./graph_builder.ts";

/** Upper bound of the natural logarithm of a float32. */
export const LARGEST_LOG = 89;

interface CountInputs extends LiftInputs {
  readonly config: CountsConfig;
  /** Returns an item's value in a column of the model's table of counts. */
  readonly at: (item: number, column: number) => number;
}

export interface LiftInputs {
  readonly graph: GraphBuilder;
  readonly items: number;
  /** [users, items] numbers of the displayed items; 0 for an empty position. */
  readonly page: TensorName;
  /** [users, clicks] numbers of the recently clicked items; padded with arbitrary item numbers. */
  readonly recent: TensorName;
  /** [users, clicks] 1 if the entry of `recent` is a click, otherwise 0. */
  readonly there: TensorName;
}

/**
 * Adds nodes for the standardised count features and context features [users, items, C]. As the graph has no
 * input for a user's earlier impressions, features that count impressions are 0 (average rate).
 */
export function addDisplayedCounts(
  inputs: EncoderInputs,
  config: CountsConfig,
  features: readonly ContextFeature[],
): TensorName {
  const { graph, weight, catalogue, history, clicks } = inputs;
  const table = weight(TABLE);
  const width = countTableWidth(config);
  const last = addLastClicks(inputs, LAGS);
  const scale = weight(SCALE);
  const C = scale.length / 3;
  const of: CountInputs = {
    graph,
    config,
    items: catalogue.shape.count,
    at: (item, column) => table[item * width + column] ?? NaN,
    page: graph.op("Max", ["page", [0]]),
    recent: last.item,
    there: graph.op("Squeeze", [last.there, [2]]),
  };
  const clicked = summed(of, of.items, of.recent, of.there);
  const again = graph.op("GatherElements", [clicked, of.page], { axis: 1 });
  const rate = ofItems(of, "rate", (item) => getClickRate(of, item, scale[2 * C] ?? NaN));
  const passed = graph.op("Mul", [rate, 0]);
  const columns = [
    rate,
    ofItems(of, "shown", (item) => Math.log(1 + of.at(item, 0))),
    graph.op("Log", [graph.op("Add", [similarity(of, clicked), SIMILARITY_FLOOR])]),
    graph.unsqueeze(logOfNext(graph, again), 2),
    graph.unsqueeze(wasLast(of, history, clicks), 2),
    passed,
    ...categories(of),
    ...[
      logOfNext(graph, graph.cast(clicks, FLOAT)),
      graph.op("Log", [pageLength(graph, scale[2 * C + 1] ?? NaN)]),
    ]
      .map((user) => graph.op("Add", [passed, graph.unsqueeze(user, 1, 2)])),
    passed,
    passed,
    ...addContextFeatures(graph, features, passed),
  ];
  const centred = graph.op("Sub", [
    graph.op("Concat", columns, { axis: 2 }),
    graph.tensor("counts/mean", [C], scale.slice(0, C)),
  ]);
  return graph.op("Mul", [centred, graph.tensor("counts/scaled", [C], scale.slice(C, 2 * C))]);
}

/** Adds nodes for the product [users, items, N] of the count features and the first layer's weights. */
export function addCountsLayer(
  { graph, weight, tensor }: EncoderInputs,
  counts: TensorName,
  N: number,
): TensorName {
  return graph.op("MatMul", [counts, tensor(FIRST_LAYER, weight(FIRST_LAYER).length / N, N)]);
}

/** Adds nodes for the part of the utility that is linear in the count features, [users, items, 1]. */
export function addLinearPart({ graph, weight, tensor }: EncoderInputs, counts: TensorName): TensorName {
  const product = graph.op("MatMul", [counts, tensor(KERNEL, weight(KERNEL).length, 1)]);
  return graph.op("Add", [product, tensor(BIAS, 1)]);
}

function getClickRate({ at }: CountInputs, item: number, meanRate: number): number {
  return Math.log((at(item, 1) + PRIOR * meanRate) / ((at(item, 0) + PRIOR) * meanRate));
}

/** Adds nodes for log(1 + value). */
export function logOfNext(graph: GraphBuilder, name: TensorName): TensorName {
  return graph.op("Log", [graph.op("Add", [name, 1])]);
}

/** Adds nodes [users, items, 1] that look up displayed items' values. @param of - returns an item's value */
export function ofItems(
  { graph, items, page }: Pick<LiftInputs, "graph" | "items" | "page">,
  name: string,
  of: (item: number) => number,
): TensorName {
  const values = Float32Array.from({ length: items }, (_, item) => of(item));
  return graph.op("Gather", [graph.tensor(`${COUNTED}${name}`, [items, 1], values), page]);
}

/** Adds a scatter-add into zeros [users, size]: result[user, place[user, k]] += value[user, k]. */
function summed({ graph, page }: LiftInputs, size: number, place: TensorName, value: TensorName): TensorName {
  const users = graph.op("Shape", [page], { start: 0, end: 1 });
  const shape = graph.op("Concat", [users, [size]], { axis: 0 });
  const zeros = graph.op("Expand", [0, shape]);
  return graph.op("ScatterElements", [zeros, place, value], { axis: 1, reduction: "add" });
}

/** Adds nodes [users, items, 1] for the sum over k of factors[item, k] * from[user, places[item, k]]. */
function lookedUp(
  { graph, items, page }: LiftInputs,
  name: string,
  from: TensorName,
  { places, factors }: { places: Int32Array<ArrayBuffer>; factors: Float32Array<ArrayBuffer> },
): TensorName {
  const K = places.length / items;
  const own = graph.op("Gather", [graph.tensor(`${COUNTED}${name}/places`, [items, K], places), page]);
  const flat = graph.op("Reshape", [own, [0, -1]]);
  const found = graph.op("GatherElements", [from, flat], { axis: 1 });
  const factor = graph.op("Gather", [graph.tensor(`${COUNTED}${name}/factors`, [items, K], factors), page]);
  const shaped = graph.op("Reshape", [found, graph.op("Shape", [factor])]);
  return graph.op("ReduceSum", [graph.op("Mul", [shaped, factor]), [2]], { keepdims: 1 });
}

/** Adds nodes for the sum of a displayed item's similarities to the other items that the user clicked. */
function similarity(of: CountInputs, clicked: TensorName): TensorName {
  const { graph, config: { fields, neighbours: M }, items, at } = of;
  const first = 4 + 2 * countTokenSlots(fields);
  const users = (item: number) => Math.max(1, at(item, 2));
  const places = new Int32Array(items * M);
  const factors = new Float32Array(items * M);
  for (let k = 0; k < items * M; k++) {
    const item = Math.floor(k / M);
    const other = at(item, first + k % M);
    if (other >= items) continue; // NO_ITEM: no further neighbour
    places[k] = other;
    factors[k] = at(item, first + M + k % M) / Math.sqrt(users(item) * users(other));
  }
  const different = graph.op("Min", [clicked, 1]);
  return lookedUp(of, "neighbours", different, { places, factors });
}

/** Adds nodes for flags [users, items]: 1 for the item of the user's last click, 0 for all other items. */
function wasLast({ graph }: CountInputs, history: TensorName, clicks: TensorName): TensorName {
  const place = graph.op("Max", [graph.op("Sub", [graph.unsqueeze(clicks, 1), [1]]), [0]]);
  const last = graph.op("GatherElements", [history, place], { axis: 1 });
  const same = graph.op("And", [
    graph.op("Equal", ["page", last]),
    graph.op("GreaterOrEqual", ["page", [0]]),
  ]);
  return graph.cast(same, FLOAT);
}

/** Adds nodes for the number of displayed items [users], between 1 and `longest`. */
function pageLength(graph: GraphBuilder, longest: number): TensorName {
  const shown = graph.cast(graph.op("GreaterOrEqual", ["page", [0]]), FLOAT);
  const length = graph.op("ReduceSum", [shown, [1]], { keepdims: 0 });
  return graph.op("Min", [graph.op("Max", [length, 1]), longest]);
}

/** Adds nodes for the count feature [users, items, 1] of each category field. */
function categories(of: CountInputs): TensorName[] {
  let slot = 0;
  return of.config.fields.map(({ first, count, slots }, field) => {
    const from = 4 + 2 * slot;
    slot += slots;
    const listTokens = (item: number) =>
      Array.from({ length: slots }, (_, s) => [of.at(item, from + 2 * s), of.at(item, from + 2 * s + 1)])
        .filter(([token = -1]) => token >= 0)
        .map(([token = 0, share = NaN]) => ({ value: token - first, share }));
    return addLogLift(of, `category_${field + 1}`, { count, slots, listTokens }, PRIOR);
  });
}

interface FieldTokens {
  /** Number of the field's values. */
  readonly count: number;
  /** Largest number of values per item. */
  readonly slots: number;
  /** Lists the values (0 .. count - 1) that an item has, and the share of all clicks that each value has. */
  readonly listTokens: (item: number) => readonly { readonly value: number; readonly share: number }[];
}

/**
 * Adds nodes [users, items, 1]: the logarithm of the user's preference for each displayed item's categories,
 * log((m + prior) / (q + prior)). If a clicked item has n categories, the click adds 1 / n to the user's
 * count q_t of each category t. q is the sum of all q_t, and share_t is the share of category t in the clicks
 * of all users. m is the mean of q_t / share_t over the displayed item's categories.
 */
export function addLogLift(
  of: LiftInputs,
  name: string,
  { count, slots: S, listTokens }: FieldTokens,
  prior: number,
): TensorName {
  const { graph, items, recent, there } = of;
  const places = new Int32Array(items * S);
  const [parts, factors] = [new Float32Array(items * S), new Float32Array(items * S)];
  const none = new Float32Array(items);
  for (let item = 0; item < items; item++) {
    const own = listTokens(item);
    none[item] = own.length === 0 ? 1 : 0;
    own.forEach(({ value, share }, s) => {
      places[item * S + s] = value;
      parts[item * S + s] = 1 / own.length;
      factors[item * S + s] = 1 / (own.length * share);
    });
  }
  const part = graph.op("Mul", [
    graph.op("Gather", [graph.tensor(`${COUNTED}${name}/parts`, [items, S], parts), recent]),
    graph.unsqueeze(there, 2),
  ]);
  const place = graph.op("Gather", [graph.tensor(`${COUNTED}${name}/tokens`, [items, S], places), recent]);
  const flat = [place, part].map((of) => graph.op("Reshape", [of, [0, -1]])) as [TensorName, TensorName];
  const clicks = graph.op("ReduceSum", [part, [1, 2]], { keepdims: 1 });
  const lifted = lookedUp(of, name, summed(of, count, ...flat), { places, factors });
  // For an item without tokens, the mean is defined as 1, so the feature is log 1 = 0.
  const missing = graph.op("Mul", [clicks, ofItems(of, `${name}/none`, (item) => none[item] ?? 0)]);
  const above = graph.op("Add", [graph.op("Add", [lifted, missing]), prior]);
  return graph.op("Log", [graph.op("Div", [above, graph.op("Add", [clicks, prior])])]);
}
