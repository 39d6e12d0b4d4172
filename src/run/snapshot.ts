/** Snapshots on disk; what stands in them is in snapshot/snapshot.ts. */

import {
  type LateSnapshot,
  lateSnapshotOf,
  type Snapshot,
  type SnapshotInfo,
  snapshotOf,
  snapshotTensors,
} from "./snapshot/snapshot.ts";
import { type LateWeights, type ParameterSpec, valuesOf } from "../tape/parameters.ts";
import { crc32 } from "node:zlib";
import { atomicWrite, atomicWriteFile } from "./files/atomic_write.ts";
import { explainFileError } from "./files/file_error.ts";
import { expectFile } from "./files/local_file.ts";
import {
  bytesOf as dataBytes,
  decodeSafetensors,
  headerEnd,
  type LateTensor,
  LENGTH_BYTES,
  metadataSum,
  readLayout,
  readMetadata,
  safetensorsHeader,
  safetensorsPieces,
  type TensorData,
  type TensorFile,
} from "./snapshot/safetensors.ts";

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
  weights: LateWeights,
  info: SnapshotInfo,
  more?: ReadonlyMap<string, LateWeights>,
  extra?: Readonly<Record<string, string>>,
): Promise<void> {
  const { tensors, metadata } = snapshotTensors(specs, weights, info, more, extra);
  await writeSafetensors(path, tensors, metadata);
}

/**
 * Reads a snapshot, or a safetensors file of another program.
 * @throws UserError for a file that is missing, damaged, or says something unreadable of its model.
 */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return snapshotOf(await readSafetensors(path), path);
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
 * The same for a file whose tensors may be larger than memory together: all of it is read once, and looked at; a tensor when it
 * is asked for.
 */
export async function openSnapshot(path: string): Promise<LateSnapshot> {
  try {
    const { entries, rawMetadata, dataStart } = await checkBeginning(path);
    const { metadata, expectSum } = readMetadata(rawMetadata, path);
    using file = await Deno.open(path);
    await file.seek(dataStart, Deno.SeekMode.Start);
    let sum = metadataSum(metadata, crc32);
    for (let bytes; (bytes = await bytesOf(file, PIECE_BYTES)).length > 0;) sum = crc32(bytes, sum);
    expectSum?.(sum);
    const tensors = new Map(entries.map(({ name, dtype, shape, begin, end }): [string, LateTensor] => {
      const read = async () => {
        using file = await Deno.open(path);
        await file.seek(dataStart + begin, Deno.SeekMode.Start);
        return new Float32Array((await bytesOf(file, end - begin)).buffer);
      };
      const length = (end - begin) / 4;
      return [name, { shape, data: dtype === "F32" ? { length, read } : new Uint32Array(length) }];
    }));
    return lateSnapshotOf({ tensors, metadata }, path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
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
  const all = new Uint8Array(begin.length + header.length);
  all.set(begin);
  all.set(header, begin.length);
  return readLayout(all, size, path);
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
  tensors: ReadonlyMap<string, LateTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  if (isRead(tensors)) return await atomicWriteFile(path, safetensorsPieces(tensors, metadata, crc32));
  await atomicWrite(path, async (write) => {
    let sum = metadataSum(metadata, crc32);
    // The checksum stands before what it is of.
    await write(safetensorsHeader(tensors, metadata, sum));
    for (const { data } of tensors.values()) {
      const bytes = dataBytes(await valuesOf(data));
      sum = crc32(bytes, sum);
      await write(bytes);
    }
    await write(safetensorsHeader(tensors, metadata, sum), 0);
  });
}

function isRead(tensors: ReadonlyMap<string, LateTensor>): tensors is ReadonlyMap<string, TensorData> {
  return [...tensors.values()].every(({ data }) => !("read" in data));
}
