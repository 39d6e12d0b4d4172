/** Builds an ONNX graph: each op is named by its result, and constants are tensors of the file. */

import {
  ATTRIBUTE,
  type Attribute,
  FLOAT,
  INT32,
  INT64,
  type Node,
  type Tensor,
  type Value,
} from "./proto.ts";

/** A tensor of the graph, by its name. */
export type Name = string;

export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: Tensor[] = [];
  readonly #kept = new Map<string, Name>();

  /** Adds a node with one result. @param attributes whole numbers, texts, { float }, or lists of whole numbers. */
  op(
    opType: string,
    input: readonly Name[],
    attributes: Readonly<Record<string, number | string | readonly number[] | { readonly float: number }>> =
      {},
    output: readonly Name[] = [`${opType.toLowerCase()}_${this.nodes.length}`],
  ): Name {
    const attribute = Object.entries(attributes).map(([name, value]): Attribute => {
      if (typeof value === "number") return { name, type: ATTRIBUTE.int, i: value };
      if (typeof value === "string") {
        return { name, type: ATTRIBUTE.string, s: new TextEncoder().encode(value) };
      }
      if ("float" in value) return { name, type: ATTRIBUTE.float, f: value.float };
      return { name, type: ATTRIBUTE.ints, ints: value };
    });
    this.nodes.push({ name: output.join("+"), opType, input, output, attribute });
    return output.at(-1) ?? "";
  }

  /** A tensor of the model. */
  floats(name: Name, dims: readonly number[], values: Float32Array<ArrayBuffer>): Name {
    return this.#tensor(name, dims, FLOAT, values);
  }

  /** A table of places in other tensors. */
  places(name: Name, dims: readonly number[], values: Int32Array<ArrayBuffer>): Name {
    return this.#tensor(name, dims, INT32, values);
  }

  #tensor(
    name: Name,
    dims: readonly number[],
    dataType: number,
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
  ): Name {
    const size = dims.reduce((product, d) => product * d, 1);
    if (size !== values.length) throw new Error(`${name}: ${values.length} values for [${dims.join(", ")}]`);
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.initializers.push({ name, dims, dataType, rawData });
    return name;
  }

  /** A list of whole numbers, kept once. */
  ints(...values: number[]): Name {
    return this.#once(`ints_${values.join("_").replaceAll("-", "m")}`, (name) => {
      const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      this.initializers.push({ name, dims: [values.length], dataType: INT64, rawData });
    });
  }

  /** A number, kept once. */
  float(value: number): Name {
    const text = String(value).replace("-", "minus_").replace(".", "_");
    return this.#once(`float_${text}`, (name) => this.floats(name, [], Float32Array.of(value)));
  }

  #once(name: Name, make: (name: Name) => void): Name {
    if (!this.#kept.has(name)) {
      make(name);
      this.#kept.set(name, name);
    }
    return name;
  }
}

/** An input or output. @param dims names of its dimensions. */
export function value(name: Name, elemType: number, dims: readonly string[], docString: string): Value {
  const dim = dims.map((dimParam) => ({ dimParam }));
  return { name, docString, type: { tensorType: { elemType, shape: { dim } } } };
}
