/** Snapshots on disk; what stands in them is in snapshot/snapshot.ts. */

import {
  OTHER_PREFIXES,
  type Snapshot,
  type SnapshotInfo,
  snapshotMetadata,
  snapshotOf,
  snapshotSpecs,
} from "./snapshot/snapshot.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { atomicWrite, atomicWriteFile, runs } from "../files/atomic_write.ts";
import { explainFileError } from "../files/file_error.ts";
import { expectFile } from "../files/local_file.ts";
import {
  bytesOf as dataBytes,
  decodeSafetensors,
  type Entry,
  headerEnd,
  LENGTH_BYTES,
  metadataSum,
  readLayout,
  readMetadata,
  safetensorsHeader,
  safetensorsPieces,
  type TensorData,
  type TensorFile,
  type TensorShape,
} from "./snapshot/safetensors.ts";

/** What reads weights where they are written, as two sets of them may be more than the host's memory. */
export type ReadWeights = () => Promise<Weights>;

/** Of a file that is read once through. */
const PIECE_BYTES = 2 ** 24;

/**
 * Writes a snapshot: a file of that name appears whole, or not at all.
 * @param specs of all networks' parameters. @param weights [rows, columns] each, by name.
 * @param more further tensors (the optimiser's), by their prefix. @param extra further metadata.
 * @throws UserError when the file cannot be written.
 */
export async function writeSnapshot(
  path: string,
  specs: readonly ParameterSpec[],
  weights: Weights | ReadWeights,
  info: SnapshotInfo,
  more: ReadonlyMap<string, Weights | ReadWeights> = new Map(),
  extra?: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = [["", weights] as const, ...more];
  const shapes = new Map(
    parts.flatMap(([prefix]) =>
      snapshotSpecs(specs, prefix).map((
        { name, rows, columns },
      ): [string, TensorShape] => [prefix + name, { dtype: "F32", shape: [rows, columns] }])
    ),
  );
  const metadata = snapshotMetadata(info, extra);
  await atomicWrite(path, async (write) => {
    let sum = metadataSum(metadata, crc32);
    // The checksum stands before what it is of: it is written once more.
    await write(safetensorsHeader(shapes, metadata, sum));
    for (const [prefix, given] of parts) {
      const values = typeof given === "function" ? await given() : given;
      const pieces = snapshotSpecs(specs, prefix).map(({ name, rows, columns }) => {
        const data = values.get(name);
        if (data?.length !== rows * columns) throw new Error(`snapshot: no values for ${name}`);
        return dataBytes(data);
      });
      for (const piece of pieces) sum = crc32(piece, sum);
      for (const run of runs(pieces)) await write(run);
    }
    await write(safetensorsHeader(shapes, metadata, sum), 0);
  });
}

/**
 * Reads a snapshot, or a safetensors file of another program.
 * @throws UserError for a file that is missing, damaged, or says something unreadable of its model.
 */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return snapshotOf(await readSafetensors(path), path);
}

/** A snapshot that is read part by part. */
export interface LateSnapshot extends Pick<Snapshot, "info" | "metadata"> {
  /** Tensors whose name starts with a prefix, without it; the weights for none. @throws UserError for numbers that are not finite. */
  part(prefix: string): Promise<Weights>;
}

/** Reads a file once, and looks whether it is whole; then what is asked for. @throws UserError as {@link readSnapshot}. */
export async function openSnapshot(path: string): Promise<LateSnapshot> {
  try {
    const { entries, rawMetadata, dataStart } = await checkBeginning(path);
    const { metadata, expectSum } = readMetadata(rawMetadata, path);
    using file = await Deno.open(path);
    await file.seek(dataStart, Deno.SeekMode.Start);
    let sum = metadataSum(metadata, crc32);
    for (let bytes; (bytes = await bytesOf(file, PIECE_BYTES)).length > 0;) sum = crc32(bytes, sum);
    expectSum?.(sum);
    const empty = (
      { name, dtype, shape }: Entry,
    ): [string, TensorData] => [name, {
      shape,
      data: dtype === "F32" ? new Float32Array() : new Uint32Array(),
    }];
    const { info } = snapshotOf({ tensors: new Map(entries.map(empty)), metadata }, path);
    const part = async (prefix: string) => {
      using file = await Deno.open(path);
      const tensors = new Map<string, TensorData>();
      for (const { name, shape, begin, end } of entries) {
        const other = OTHER_PREFIXES.some((one) => name.startsWith(one));
        if (prefix === "" ? other : !name.startsWith(prefix)) continue;
        await file.seek(dataStart + begin, Deno.SeekMode.Start);
        tensors.set(name, { shape, data: new Float32Array((await bytesOf(file, end - begin)).buffer) });
      }
      const found = snapshotOf({ tensors, metadata: {} }, path);
      return prefix === "" ? found.weights : found.part(prefix);
    };
    return { info, metadata, part };
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
}

/** Reads the file at `path`. @throws {UserError} when it cannot be read or is damaged */
export async function readSafetensors(path: string): Promise<TensorFile> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    await checkBeginning(path);
    bytes = await Deno.readFile(path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  return decodeSafetensors(bytes, path, crc32);
}

/**
 * What is no such file is not read whole: a pipe or a device may never end, and a file of another kind may be larger
 * than the memory.
 */
async function checkBeginning(path: string): Promise<ReturnType<typeof readLayout>> {
  const { isDirectory, size } = await Deno.stat(path);
  if (!isDirectory) expectFile(path); // a folder is told when it is read
  using file = await Deno.open(path);
  const begin = await bytesOf(file, LENGTH_BYTES);
  const header = await bytesOf(file, headerEnd(begin, size, path) - LENGTH_BYTES);
  return readLayout(Buffer.concat([begin, header]), size, path);
}

/** The next bytes of a file; fewer where it ends. */
async function bytesOf(file: Deno.FsFile, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) return bytes.slice(0, done);
    done += read;
  }
  return bytes;
}

/** Writes a file that is whole or not there (see atomicWriteFile). @throws {UserError} when it cannot */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await atomicWriteFile(path, safetensorsPieces(tensors, metadata, crc32));
}
