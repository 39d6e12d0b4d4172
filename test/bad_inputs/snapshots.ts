/** Snapshots of a small model over the 30 items of the small log, good or with damage. */

import type { ItemsShape } from "../../src/data/item_catalogue.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { initialWeights } from "../../src/model/initial_weights.ts";
import { modelParameters } from "../../src/model/user_model.ts";
import { encodeSafetensors, type TensorData } from "../../src/run/snapshot/safetensors.ts";
import type { Maker } from "./corpus.ts";
import { type Contents, file } from "./files.ts";

export const SMALL_MODEL: ModelConfig = { ...defaultModel, lstmUnits: 4, dims: [8] };
export const SMALL_ITEMS: ItemsShape = { kind: "one-hot", count: 30, width: 30 };

/** What a file holds, to be altered. */
export interface Holds {
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Record<string, string>;
}

export function goodSnapshot(kind = "best-loss", iteration = 4, items = SMALL_ITEMS): Holds {
  const specs = modelParameters(items, SMALL_MODEL);
  const weights = initialWeights(specs, 7);
  const tensors = new Map<string, TensorData>();
  for (const { name, rows, columns } of specs) {
    const data = weights.get(name) ?? new Float32Array(rows * columns);
    tensors.set(name, { shape: [rows, columns], data });
  }
  const metadata = {
    format: "clickgan-1",
    kind,
    iteration: String(iteration),
    model: JSON.stringify(SMALL_MODEL),
    items: JSON.stringify(items),
  };
  return { tensors, metadata };
}

/** A snapshot; without a change it is a good one. */
export function snapshot(change: (holds: Holds) => void = () => {}, name = "model.safetensors"): Maker {
  return (folder) => {
    const holds = goodSnapshot();
    change(holds);
    return file(name, encodeSafetensors(holds.tensors, holds.metadata))(folder);
  };
}

/** A snapshot whose bytes are altered. */
export function brokenSnapshot(
  change: (bytes: Uint8Array<ArrayBuffer>) => Contents,
  name = "model.safetensors",
): Maker {
  const { tensors, metadata } = goodSnapshot();
  return (folder) => file(name, change(encodeSafetensors(tensors, metadata)))(folder);
}

/** A file with this header, and as many bytes of data. */
export function safetensorsFile(header: string, data: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** Gives a tensor another shape, the values staying as they are. */
export function reshaped(name: string, shape: (old: readonly number[]) => number[]): (holds: Holds) => void {
  return ({ tensors }) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no tensor ${name}`);
    tensors.set(name, { ...tensor, shape: shape(tensor.shape) });
  };
}

/** Sets values of a tensor: all of them, or the one at a place. */
export function valued(name: string, value: number, at?: number): (holds: Holds) => void {
  return ({ tensors }) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no tensor ${name}`);
    const data = tensor.data.slice();
    if (at === undefined) data.fill(value);
    else data[at] = value;
    tensors.set(name, { ...tensor, data });
  };
}
