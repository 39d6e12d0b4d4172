/**
 * Builds an ONNX graph. Nodes are named by their results, and constants are tensors in the file. The protobuf
 * schema has only the fields that we use, from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

import protobuf from "protobufjs";
import { version } from "../../version.ts";

const SCHEMA = `syntax = "proto3";
message Entry { string key = 1; string value = 2; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Tensor { repeated int64 dims = 1; int32 dataType = 2; string name = 8; bytes rawData = 9; }
message Attribute { string name = 1; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20; }
message Node {
  repeated string input = 1; repeated string output = 2; string name = 3; string opType = 4;
  repeated Attribute attribute = 5;
}
message Dimension { int64 dimValue = 1; string dimParam = 2; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elemType = 1; Shape shape = 2; }
message Type { TensorType tensorType = 1; }
message Value { string name = 1; Type type = 2; string docString = 3; }
message Graph {
  repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated Value input = 11;
  repeated Value output = 12;
}
message Model {
  int64 irVersion = 1; string producerName = 2; string producerVersion = 3; string docString = 6;
  Graph graph = 7; repeated OperatorSet opsetImport = 8; repeated Entry metadataProps = 14;
}`;
const model = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType("Model");

const PRODUCER = "clickgan";
/** First bytes of an exported file: tag, length and value of the protobuf field 2 (producer_name). */
export const ONNX_MARK = `\x12${String.fromCharCode(PRODUCER.length)}${PRODUCER}`;

const OPSET = 17;
const IR_VERSION = 8;

/** Name prefix of the tensors for count features and context features. */
export const COUNTED = "counts/of_items/";

export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;
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

type Value = ReturnType<typeof makeValueInfo>;

export type TensorName = string;

export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: Tensor[] = [];

  /**
   * Adds a node. @returns the name of the node's last output. @param input - names of tensors, or constants:
   * a number or a list of whole numbers. @param attributes - whole numbers, texts, or lists of whole numbers,
   * by name.
   */
  op(
    opType: string,
    input: readonly (TensorName | number | readonly number[])[],
    attributes: Readonly<Record<string, number | string | readonly number[]>> = {},
    output: readonly TensorName[] = [`${opType.toLowerCase()}_${this.nodes.length}`],
  ): TensorName {
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

  cast(input: TensorName, type: number): TensorName {
    return this.op("Cast", [input], { to: type });
  }

  /** Adds dimensions of size 1 at the positions `axes` of the result's shape. */
  unsqueeze(input: TensorName, ...axes: readonly number[]): TensorName {
    return this.op("Unsqueeze", [input, axes]);
  }

  /** Adds a tensor to the file, for example a weight of the model or a table of indices. */
  tensor(
    name: TensorName,
    dims: readonly number[],
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>,
  ): TensorName {
    const size = dims.reduce((product, d) => product * d, 1);
    if (size !== values.length) throw new Error(`${name} [${dims.join(", ")}] has ${values.length} values`);
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const dataType = values instanceof Float32Array ? FLOAT : values instanceof Int32Array ? INT32 : INT64;
    this.initializers.push({ name, dims, dataType, rawData });
    return name;
  }

  encode({ input, output, docString, metadata }: {
    readonly input: readonly Value[];
    readonly output: readonly Value[];
    readonly docString: string;
    readonly metadata: Readonly<Record<string, string>>;
  }): Uint8Array {
    const value = {
      irVersion: IR_VERSION,
      producerName: PRODUCER,
      producerVersion: version,
      docString,
      graph: { name: "user_model", node: this.nodes, initializer: this.initializers, input, output },
      opsetImport: [{ domain: "", version: OPSET }],
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    };
    return model.encode(model.create(value)).finish();
  }

  /** Returns the name of a constant's tensor. Equal constants share one tensor. */
  #constant(value: number | readonly number[]): TensorName {
    const isFloat = typeof value === "number";
    const name = isFloat
      ? `float_${String(value).replace("-", "minus_").replace(".", "_")}`
      : `ints_${value.join("_").replaceAll("-", "m")}`;
    if (this.initializers.some((one) => one.name === name)) return name;
    if (isFloat) return this.tensor(name, [], Float32Array.of(value));
    return this.tensor(name, [value.length], BigInt64Array.from(value, BigInt));
  }
}

/** Describes an input or output of the graph. @param dims - names of the dimensions. */
export function makeValueInfo(
  name: TensorName,
  elemType: number,
  dims: readonly string[],
  docString: string,
) {
  const dim = dims.map((dimParam) => ({ dimParam }));
  return { name, docString, type: { tensorType: { elemType, shape: { dim } } } };
}
