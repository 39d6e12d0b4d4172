/** Reads and writes snapshot files. snapshot/snapshot.ts defines what a snapshot file contains. */

import { buildSnapshot, parseSnapshot, type Snapshot, type SnapshotInfo } from "./snapshot/snapshot.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { writeFileAtomically } from "../files/atomic_write.ts";
import { expectFile, explainFileError, openFile, readBytes } from "../files/local_file.ts";
import type { TensorData, TensorFile } from "./snapshot/safetensors.ts";
import {
  decodeSafetensors,
  encodeSafetensorsPieces,
  findHeaderEnd,
  LENGTH_BYTES,
  readLayout,
  readMetadata,
} from "./snapshot/safetensors.ts";

/** Writes a snapshot atomically; see {@link buildSnapshot}. @throws UserError if writing fails. */
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

/** Reads a snapshot, or another program's safetensors file. @throws UserError if it is missing or damaged. */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return parseSnapshot(await readSafetensors(path), path);
}

/** Reads a safetensors file. @throws {UserError} if the file is damaged or cannot be read */
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

/** Checks the header first: if the path is an endless pipe, reading all of it would fill the memory. */
async function checkBeginning(path: string): Promise<ReturnType<typeof readLayout>> {
  const { isDirectory, size } = await Deno.stat(path);
  if (!isDirectory) expectFile(path); // reading a folder reports its own error
  using file = openFile(path);
  const begin = await readNextBytes(file, LENGTH_BYTES);
  const header = await readNextBytes(file, findHeaderEnd(begin, size, path) - LENGTH_BYTES);
  return readLayout(Buffer.concat([begin, header]), size, path);
}

/** Reads the metadata and the names of the tensors. @throws UserError as {@link readSnapshot}. */
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

/** Reads the next `count` bytes of a file, or fewer at the end of the file. */
async function readNextBytes(file: Deno.FsFile, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) return bytes.slice(0, done);
    done += read;
  }
  return bytes;
}

/** Text that the header of each clickgan snapshot contains. */
const FORMAT_MARK = '"format":"clickgan-';

/** Writes a safetensors file atomically. @throws {UserError} if the file cannot be written */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(path, encodeSafetensorsPieces(tensors, metadata, crc32), FORMAT_MARK);
}
