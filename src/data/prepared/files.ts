/** Where a prepared data set is read from: a folder on disk, or files that a reader dropped on a page. */

import type { Manifest } from "../manifest.ts";

/** A file that is open. */
export interface OpenBytes extends Disposable {
  /** Of the file. */
  readonly byteLength: number;
  /** The bytes from `start` to `end`, the file's end by default. */
  slice(start: number, end?: number): ArrayBuffer | Promise<ArrayBuffer>;
}

/** A file of a table. */
export interface TableFile {
  /** For messages. */
  readonly path: string;
  /** @throws UserError for a file that cannot be opened. */
  open(): OpenBytes;
}

/** The tables of a prepared data set. */
export type Part = "users" | "items" | "pages";

/** The files of a prepared data set. */
export interface SetFiles {
  /** Of the set, for messages. */
  readonly folder: string;
  /** What the set says of itself. */
  readonly manifest: Manifest;
  /** The files of a table, in order. @throws UserError where there are none. */
  part(part: Part): readonly TableFile[];
}
