/** Reads and writes snapshot files. snapshot/snapshot.ts defines what a snapshot file contains. */

import { buildSnapshot, parseSnapshot, type Snapshot, type SnapshotInfo } from "./snapshot/snapshot.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { crc32 } from "node:zlib";
import { writeFileAtomically } from "../files/atomic_write.ts";
import { openFile, readBytes, readBytesAt, withFileErrors, withFileErrorsSync } from "../files/local_file.ts";
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

/** Reads any safetensors file as a snapshot. @throws UserError if the file is missing or damaged. */
export async function readSnapshot(path: string): Promise<Snapshot> {
  return parseSnapshot(await readSafetensors(path), path);
}

/** Reads a safetensors file. @throws {UserError} if the file is damaged or cannot be read */
export async function readSafetensors(path: string): Promise<TensorFile> {
  const bytes = await withFileErrors("read", path, () => {
    readBeginning(path);
    return readBytes(path);
  });
  return decodeSafetensors(bytes, path, crc32);
}

/** Reads and checks the header. A large file of another format is refused before it is loaded. */
function readBeginning(path: string): ReturnType<typeof readLayout> {
  using file = openFile(path);
  const { size } = file.statSync();
  const read = (count: number) => {
    const bytes = new Uint8Array(count);
    return bytes.subarray(0, readBytesAt(file, 0, bytes));
  };
  return readLayout(read(findHeaderEnd(read(LENGTH_BYTES), size, path)), size, path);
}

/** Reads metadata and names of tensors. @throws UserError if the file is missing or its header damaged. */
export function readSnapshotHeader(
  path: string,
): { readonly names: readonly string[]; readonly metadata: Readonly<Record<string, string>> } {
  return withFileErrorsSync("read", path, () => {
    const { entries, rawMetadata } = readBeginning(path);
    return { names: entries.map(({ name }) => name), metadata: readMetadata(rawMetadata, path).metadata };
  });
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
