/**
 * Encodes and decodes the safetensors file format (https://huggingface.co/docs/safetensors).
 *
 *   8 bytes   length of the header, little-endian
 *   header    JSON {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {string: string}}
 *   data      the tensors, row-major and little-endian, without gaps; offsets count from its first byte.
 *
 * In files of clickgan, the metadata contain a checksum of the tensors and of all other metadata. Decoding
 * verifies the checksum if there is one. Only F32 and U32 are supported. Every machine with WebGPU is
 * little-endian, so typed arrays have the file's byte order.
 */

import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";

/** A tensor: its shape, and its values in row-major order. */
export interface TensorData {
  shape: readonly number[];
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
}

/** Contents of a safetensors file. The arrays may share memory with the decoded bytes. */
export interface TensorFile {
  tensors: Map<string, TensorData>;
  metadata: Record<string, string>;
}

const METADATA = "__metadata__";
/** Metadata key of the file's CRC-32, stored as hexadecimal text. */
const CHECKSUM = "crc32";
/** Number of bytes of the field that holds the length of the header. */
export const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const ELEMENT_BYTES = 4;
/** Largest header in bytes, as in the reference implementation: a longer header is damaged or an attack. */
const LONGEST_HEADER = 100_000_000;

/**
 * Encodes a safetensors file. Tensors keep the order of the map, so equal input gives equal bytes.
 * @throws {RangeError} if an array's length differs from its shape
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const pieces = encodeSafetensorsPieces(tensors, metadata);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Encodes a file as consecutive byte arrays: the header, then a view of each tensor's values.
 * @param crc - a faster implementation of CRC-32, if the host has one
 */
export function encodeSafetensorsPieces(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
  crc = computeCrc32,
): Uint8Array[] {
  for (const [name, { shape, data }] of tensors) {
    if (bytesOfShape(shape) === data.byteLength) continue;
    throw new RangeError(`tensor "${name}": shape [${shape}] does not fit ${data.length} values`);
  }
  const header = encodeHeader(tensors, metadata, computeChecksum(tensors, metadata, crc));
  return [header, ...[...tensors.values()].map(({ data }) => toBytes(data))];
}

function toBytes({ buffer, byteOffset, byteLength }: TensorData["data"]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function encodeHeader(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
  checksum: string,
): Uint8Array<ArrayBuffer> {
  const entries: string[] = []; // joined by hand, because JSON.stringify would reorder names such as "1"
  let at = 0;
  entries.push(`"${METADATA}":${JSON.stringify({ ...metadata, [CHECKSUM]: checksum })}`);
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA) throw new RangeError(`a tensor cannot be named ${METADATA}`);
    const dtype = data instanceof Float32Array ? "F32" : "U32";
    const entry = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    at += data.byteLength;
  }
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const length = Math.ceil((LENGTH_BYTES + json.length) / ALIGNMENT) * ALIGNMENT - LENGTH_BYTES;
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

/**
 * Decodes a safetensors file. Tensors are returned in the order of their data in the file. A tensor at an
 * offset that is a multiple of 4 is a view of `bytes`; any other tensor is copied. @param what - name of the
 * file in errors, usually its path. @param crc - see {@link encodeSafetensorsPieces}
 * @throws {UserError} if the header is damaged, data are missing or overlap, or a tensor is neither F32 nor
 * U32
 */
export function decodeSafetensors(
  bytes: Uint8Array<ArrayBuffer>,
  what: string,
  crc = computeCrc32,
): TensorFile {
  const { entries, rawMetadata, dataStart } = readLayout(bytes, bytes.length, what);
  const tensors = new Map<string, TensorData>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { shape, data: values(bytes, dtype, dataStart + begin, dataStart + end) });
  }
  const { metadata, checksum } = readMetadata(rawMetadata, what);
  const found = computeChecksum(tensors, metadata, crc);
  if (checksum !== undefined && checksum !== found) {
    throw damaged(what, `expected the checksum ${checksum}, found ${found}`);
  }
  return { tensors, metadata };
}

/** Computes the checksum of the metadata and of the tensors' values, in the order of the tensors. */
function computeChecksum(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
  crc: typeof computeCrc32,
): string {
  let sum = crc(new TextEncoder().encode(JSON.stringify(metadata)));
  for (const { data } of tensors.values()) sum = crc(toBytes(data), sum);
  return sum.toString(16).padStart(8, "0");
}

/**
 * Reads the header of a safetensors file. @param bytes - beginning of the file, with the whole header.
 * @param size - size of the whole file. @throws {UserError} if the header is damaged
 */
export function readLayout(
  bytes: Uint8Array,
  size: number,
  what: string,
): { entries: Entry[]; rawMetadata: unknown; dataStart: number } {
  const dataStart = findHeaderEnd(bytes, size, what);
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart));
    header = JSON.parse(text);
  } catch (error) {
    throw damaged(what, `its header is not JSON (${error instanceof Error ? error.message : error})`);
  }
  if (!isObject(header)) throw damaged(what, "its header should be a JSON object");
  const { [METADATA]: rawMetadata, ...rawEntries } = header;
  const entries = Object.entries(rawEntries).map(([name, raw]) => readEntry(name, raw, what));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, size - dataStart, size, what);
  return { entries, rawMetadata, dataStart };
}

/** Entry of a tensor in the header of the file. */
interface Entry {
  name: string;
  dtype: "F32" | "U32";
  shape: number[];
  begin: number;
  end: number;
}

const size = v.whole(0);
const rawEntry = v.object({
  dtype: v.string(),
  shape: v.array(size),
  data_offsets: v.strictTuple([size, size]),
});

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the offset of the data. @param bytes - at least the first 8 bytes. @param size - file size */
export function findHeaderEnd(bytes: Uint8Array, size: number, what: string): number {
  if (bytes.length < LENGTH_BYTES) {
    throw damaged(what, `at least ${LENGTH_BYTES} bytes expected, ${formatThousands(size)} found`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > LONGEST_HEADER) {
    const [found, most] = [length, LONGEST_HEADER].map((bytes) => formatThousands(bytes));
    throw damaged(what, `its header would be ${found} bytes long, at most ${most} are expected`);
  }
  const end = LENGTH_BYTES + length;
  if (end > size) {
    const [least, found] = [end, size].map((bytes) => formatThousands(bytes));
    throw damaged(what, `truncated in its header: at least ${least} bytes expected, ${found} found`);
  }
  return end;
}

function readEntry(name: string, raw: unknown, what: string): Entry {
  const quoted = `tensor ${JSON.stringify(name)}`;
  const entry = v.safeParse(rawEntry, raw);
  if (!entry.success) {
    const [issue] = entry.issues;
    throw damaged(what, `${quoted}: ${v.getDotPath(issue) ?? "entry"}: ${v.describeIssue(issue)}`);
  }
  const { dtype, shape, data_offsets: [begin, end] } = entry.output;
  if (dtype !== "F32" && dtype !== "U32") {
    throw new UserError(
      `${what}: ${quoted} has type ${dtype}, expected F32 or U32. Convert it to F32.`,
    );
  }
  if (begin > end) throw damaged(what, `${quoted}: the data begin at byte ${begin}, but end at byte ${end}`);
  if (end - begin !== bytesOfShape(shape)) {
    throw damaged(
      what,
      `${quoted}: shape [${shape}] of ${dtype} takes ${formatThousands(bytesOfShape(shape))} bytes, ` +
        `${formatThousands(end - begin)} found`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Separates the checksum (if there is one) from the other metadata. */
export function readMetadata(raw: unknown, what: string): {
  metadata: Record<string, string>;
  checksum: string | undefined;
} {
  if (raw === undefined) return { metadata: {}, checksum: undefined };
  if (!isObject(raw)) throw damaged(what, `${METADATA} should be an object of strings`);
  // Entries are copied one by one, because a schema's record would lose the key "__proto__".
  const { [CHECKSUM]: checksum, ...metadata } = Object.fromEntries(
    Object.entries(raw).map(([key, value]) => {
      if (typeof value !== "string") {
        throw damaged(what, `${METADATA}.${key} should be a string, found ${typeof value}`);
      }
      return [key, value];
    }),
  );
  return { metadata, checksum };
}

/** Checks that every byte of the data belongs to one tensor. */
function checkLayout(entries: readonly Entry[], dataBytes: number, fileBytes: number, what: string): void {
  let at = 0;
  let before = "";
  for (const { name, begin, end } of entries) {
    if (begin < at) throw damaged(what, `tensors "${before}" and "${name}" overlap`);
    if (begin > at) {
      throw damaged(what, `${formatThousands(begin - at)} bytes before tensor "${name}" belong to no tensor`);
    }
    at = end;
    before = name;
  }
  if (at > dataBytes) {
    const expected = fileBytes - dataBytes + at;
    throw damaged(
      what,
      `truncated: ${formatThousands(expected)} bytes expected, ${formatThousands(fileBytes)} found`,
    );
  }
  if (at < dataBytes) {
    throw damaged(what, `${formatThousands(dataBytes - at)} bytes at the file's end belong to no tensor`);
  }
}

function values(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: "F32" | "U32",
  begin: number,
  end: number,
): TensorData["data"] {
  const aligned = (bytes.byteOffset + begin) % ELEMENT_BYTES === 0;
  const { buffer, byteOffset } = aligned ? bytes.subarray(begin, end) : bytes.slice(begin, end);
  const length = (end - begin) / ELEMENT_BYTES;
  return dtype === "F32"
    ? new Float32Array(buffer, byteOffset, length)
    : new Uint32Array(buffer, byteOffset, length);
}

/** Returns a tensor's size in bytes. Sizes above 2^53 are inexact, but no file is so large. */
function bytesOfShape(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, ELEMENT_BYTES);
}

function damaged(what: string, how: string): UserError {
  return new UserError(
    `${what} is not a complete safetensors file: ${how}. Use another copy.`,
  );
}

const TABLE = Uint32Array.from({ length: 256 }, (_, crc) => {
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** Computes a CRC-32. @param before - CRC-32 of the preceding bytes; 0 if there are none */
function computeCrc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let k = 0; k < bytes.length; k++) crc = TABLE[(crc ^ bytes[k]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
