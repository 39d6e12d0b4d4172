/** Snapshots on disk; what stands in them is in snapshot/snapshot.ts. */

import { type Snapshot, type SnapshotInfo, snapshotOf, snapshotTensors } from "./snapshot/snapshot.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";

/**
 * Writes a snapshot: a file of that name appears whole, or not at all.
 * @param specs of all networks' parameters. @param weights [rows, columns] each, by name.
 * @param more further tensors (the optimiser's), by their prefix. @param extra further metadata.
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
