/** Reads and writes fields of C structs by name, in the memory layout of a 64-bit machine. */

/** Value of a struct's field: a number, or the bytes to which a pointer points (0 for a null pointer). */
type Value = number | bigint | Uint8Array<ArrayBuffer>;

interface Field {
  readonly at: number;
  readonly bytes: number;
}

/** Memory to which each struct's pointers refer. The map keeps the memory alive as long as the struct. */
const pointedTo = new WeakMap<Uint8Array, unknown[]>();

const SIZES: Readonly<Record<string, number>> = { u32: 4, u64: 8, pointer: 8 };

export class StructLayout {
  /** Distance in bytes between structs in an array: the size of a struct with its padding. */
  readonly size: number;
  readonly #fields = new Map<string, Field>();
  readonly #sType: number | undefined;

  /**
   * @param fields - types and names in C's order, such as "u32 flags, pointer pCode, text256 name".
   * @param sType - Vulkan's type number, if the struct begins with sType and the pointer pNext.
   */
  constructor(fields: string, sType?: number) {
    this.#sType = sType;
    let at = 0;
    let largest = 4;
    for (const field of `${sType === undefined ? "" : "u32 sType, pointer pNext, "}${fields}`.split(", ")) {
      const [kind = "", name = ""] = field.split(" ");
      const bytes = SIZES[kind] ?? Number(kind.replace("text", ""));
      const aligned = kind in SIZES ? bytes : 1;
      at = Math.ceil(at / aligned) * aligned;
      this.#fields.set(name, { at, bytes });
      at += bytes;
      largest = Math.max(largest, aligned);
    }
    this.size = Math.ceil(at / largest) * largest;
  }

  #field(name: string): Field {
    const field = this.#fields.get(name);
    if (!field) throw new Error(`expected one of ${[...this.#fields.keys()].join(", ")}, got ${name}`);
    return field;
  }

  /** Makes a struct from values of its fields; fields without a value are 0. */
  make(values: Readonly<Record<string, Value>> = {}): Uint8Array<ArrayBuffer> {
    const struct = new Uint8Array(this.size);
    if (this.#sType !== undefined) this.set(struct, "sType", this.#sType);
    for (const [name, value] of Object.entries(values)) this.set(struct, name, value);
    return struct;
  }

  /** Sets a field of a struct in an array of structs. @param index - index of the struct in the array. */
  set(structs: Uint8Array<ArrayBuffer>, name: string, value: Value, index = 0): void {
    const { at, bytes } = this.#field(name);
    const view = new DataView(structs.buffer, index * this.size + at);
    if (value instanceof Uint8Array) {
      pointedTo.set(structs, [...pointedTo.get(structs) ?? [], value]);
      view.setBigUint64(0, getAddress(value), true);
    } else if (bytes === 8) view.setBigUint64(0, BigInt(value), true);
    else view.setUint32(0, Number(value), true);
  }

  number(structs: Uint8Array<ArrayBuffer>, name: string, index = 0): number {
    const { at, bytes } = this.#field(name);
    const view = new DataView(structs.buffer, index * this.size + at);
    return bytes === 8 ? Number(view.getBigUint64(0, true)) : view.getUint32(0, true);
  }

  text(structs: Uint8Array<ArrayBuffer>, name: string, index = 0): string {
    const { at, bytes } = this.#field(name);
    return readText(structs.subarray(index * this.size + at, index * this.size + at + bytes));
  }
}

export function packStructs(structs: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const all = Uint8Array.from(structs.flatMap((struct) => [...struct]));
  pointedTo.set(all, structs.flatMap((struct) => pointedTo.get(struct) ?? []));
  return all;
}

/** Returns an array of pointers to C strings, which end with a zero byte. */
export function packTexts(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  return packStructs(texts.map((text) => new StructLayout("pointer text").make({ text: packText(text) })));
}

export function packText(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function getAddress(bytes: Uint8Array<ArrayBuffer>): bigint {
  return bytes.length === 0 ? 0n : Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}
