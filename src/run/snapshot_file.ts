/** Reads and writes snapshots on disk; their contents are defined in snapshot/snapshot.ts. */

import { buildSnapshot, parseSnapshot, type Snapshot, type SnapshotInfo } from "./snapshot/snapshot.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { writeFileAtomically } from "../files/atomic_write.ts";
import { expectFile, explainFileError, openFile, readBytes } from "../files/local_file.ts";
import {
  decodeSafetensors,
  encodeSafetensorsPieces,
  findHeaderEnd,
  LENGTH_BYTES,
  readLayout,
  readMetadata,
  type TensorData,
  type TensorFile,
} from "./snapshot/safetensors.ts";

/**
 * Writes a snapshot atomically.
 * @param specs of all networks' parameters. @param weights [rows, columns] each, by name.
 * @param more further tensors (of the optimiser), by prefix. @param extra further metadata.
 * @throws UserError when the file cannot be written.
 */
export async function writeSnapshot(
  path: string,
  specs: readonly ParameterSpec[],
  weights: Weights,
  info: SnapshotInfo,
  more?: ReadonlyMap<string, Weights>,
  extra?: Readonly<Record<string, string>>,
): Promise<void> {
  const { tensors, metadata } = buildSnapshot(specs, weights, info, more, extra);
  await writeSafetensors(path, tensors, metadata);
}

/**
 * Reads a snapshot, or a safetensors file of another program.
 * @throws UserError for a file that is missing, damaged, or has unreadable metadata.
 */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return parseSnapshot(await readSafetensors(path), path);
}

/** Reads the file at `path`. @throws {UserError} when it cannot be read or is damaged */
export async function readSafetensors(path: string): Promise<TensorFile> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    await checkBeginning(path);
    bytes = await readBytes(path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  return decodeSafetensors(bytes, path, crc32);
}

/**
 * Checks the header before the file is read: a pipe or device may never end, and a file of another kind may be larger than
 * the memory.
 */
async function checkBeginning(path: string): Promise<ReturnType<typeof readLayout>> {
  const { isDirectory, size } = await Deno.stat(path);
  if (!isDirectory) expectFile(path); // a folder is reported when it is read
  using file = openFile(path);
  const begin = await readNextBytes(file, LENGTH_BYTES);
  const header = await readNextBytes(file, findHeaderEnd(begin, size, path) - LENGTH_BYTES);
  return readLayout(Buffer.concat([begin, header]), size, path);
}

/** Reads the metadata and tensor names of a snapshot without its tensors. @throws UserError as {@link readSnapshot}. */
export async function readSnapshotHeader(
  path: string,
): Promise<{ readonly names: readonly string[]; readonly metadata: Readonly<Record<string, string>> }> {
  try {
    const { entries, rawMetadata } = await checkBeginning(path);
    return { names: entries.map(({ name }) => name), metadata: readMetadata(rawMetadata, path).metadata };
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
}

/** Reads the next bytes of a file; fewer at its end. */
async function readNextBytes(file: Deno.FsFile, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) return bytes.slice(0, done);
    done += read;
  }
  return bytes;
}

/** Part of the header of this program's snapshots. */
const FORMAT_MARK = '"format":"clickgan-';

/** Writes a file atomically. @throws {UserError} when it cannot be written */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(path, encodeSafetensorsPieces(tensors, metadata, crc32), FORMAT_MARK);
}
