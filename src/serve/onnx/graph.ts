/**
 * Builds an ONNX graph: each op is named by its result, and constants are tensors of the file. Of the protobuf schema there is
 * what an exported model has: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

import protobuf from "protobufjs/light.js";

const repeated = true;
const field = (id: number, type: string, more = false) => ({
  id,
  type,
  ...(more ? { rule: "repeated" } : {}),
});

const root = protobuf.Root.fromJSON({
  nested: {
    Entry: { fields: { key: field(1, "string"), value: field(2, "string") } },
    OperatorSet: { fields: { domain: field(1, "string"), version: field(2, "int64") } },
    Tensor: {
      fields: {
        dims: field(1, "int64", repeated),
        dataType: field(2, "int32"),
        name: field(8, "string"),
        rawData: field(9, "bytes"),
      },
    },
    Attribute: {
      fields: {
        name: field(1, "string"),
        i: field(3, "int64"),
        s: field(4, "bytes"),
        ints: field(8, "int64", repeated),
        type: field(20, "int32"),
      },
    },
    Node: {
      fields: {
        input: field(1, "string", repeated),
        output: field(2, "string", repeated),
        name: field(3, "string"),
        opType: field(4, "string"),
        attribute: field(5, "Attribute", repeated),
      },
    },
    Dimension: { fields: { dimValue: field(1, "int64"), dimParam: field(2, "string") } },
    Shape: { fields: { dim: field(1, "Dimension", repeated) } },
    TensorType: { fields: { elemType: field(1, "int32"), shape: field(2, "Shape") } },
    Type: { fields: { tensorType: field(1, "TensorType") } },
    Value: { fields: { name: field(1, "string"), type: field(2, "Type"), docString: field(3, "string") } },
    Graph: {
      fields: {
        node: field(1, "Node", repeated),
        name: field(2, "string"),
        initializer: field(5, "Tensor", repeated),
        input: field(11, "Value", repeated),
        output: field(12, "Value", repeated),
      },
    },
    Model: {
      fields: {
        irVersion: field(1, "int64"),
        producerName: field(2, "string"),
        producerVersion: field(3, "string"),
        docString: field(6, "string"),
        graph: field(7, "Graph"),
        opsetImport: field(8, "OperatorSet", repeated),
        metadataProps: field(14, "Entry", repeated),
      },
    },
  },
});
const model = root.lookupType("Model");

/** Types of tensors. */
export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;
/** Types of attributes. */
const ATTRIBUTE = { int: 2, string: 3, ints: 7 } as const;

interface Tensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly ints?: readonly number[];
}

interface Node {
  readonly name: string;
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly Attribute[];
}

type Value = ReturnType<typeof value>;

interface Model {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly docString: string;
  readonly graph: {
    readonly name: string;
    readonly node: readonly Node[];
    readonly initializer: readonly Tensor[];
    readonly input: readonly Value[];
    readonly output: readonly Value[];
  };
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
}

/** A model as the bytes of its file. */
export function encodeModel(value: Model): Uint8Array {
  return model.encode(model.create({ ...value })).finish();
}

/** A tensor of the graph, by its name. */
export type Name = string;

export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: Tensor[] = [];

  /**
   * Adds a node with one result. @param input tensors; numbers, and lists of whole numbers, are constants.
   * @param attributes whole numbers, texts, or lists of whole numbers.
   */
  op(
    opType: string,
    input: readonly (Name | number | readonly number[])[],
    attributes: Readonly<Record<string, number | string | readonly number[]>> = {},
    output: readonly Name[] = [`${opType.toLowerCase()}_${this.nodes.length}`],
  ): Name {
    const attribute = Object.entries(attributes).map(([name, value]): Attribute => {
      if (typeof value === "number") return { name, type: ATTRIBUTE.int, i: value };
      if (typeof value === "string") {
        return { name, type: ATTRIBUTE.string, s: new TextEncoder().encode(value) };
      }
      return { name, type: ATTRIBUTE.ints, ints: value };
    });
    const names = input.map((one) => typeof one === "string" ? one : this.#constant(one));
    this.nodes.push({ name: output.join("+"), opType, input: names, output, attribute });
    return output.at(-1) ?? "";
  }

  /** A tensor of the model, or a table of places in other tensors. */
  tensor(
    name: Name,
    dims: readonly number[],
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
  ): Name {
    const size = dims.reduce((product, d) => product * d, 1);
    if (size !== values.length) throw new Error(`${name}: ${values.length} values for [${dims.join(", ")}]`);
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const dataType = values instanceof Float32Array ? FLOAT : INT32;
    this.initializers.push({ name, dims, dataType, rawData });
    return name;
  }

  /** Kept once. */
  #constant(value: number | readonly number[]): Name {
    const isFloat = typeof value === "number";
    const name = isFloat
      ? `float_${String(value).replace("-", "minus_").replace(".", "_")}`
      : `ints_${value.join("_").replaceAll("-", "m")}`;
    if (this.initializers.some((one) => one.name === name)) return name;
    if (isFloat) return this.tensor(name, [], Float32Array.of(value));
    const rawData = new Uint8Array(BigInt64Array.from(value, BigInt).buffer);
    this.initializers.push({ name, dims: [value.length], dataType: INT64, rawData });
    return name;
  }
}

/** An input or output. @param dims names of its dimensions. */
export function value(name: Name, elemType: number, dims: readonly string[], docString: string) {
  const dim = dims.map((dimParam) => ({ dimParam }));
  return { name, docString, type: { tensorType: { elemType, shape: { dim } } } };
}
