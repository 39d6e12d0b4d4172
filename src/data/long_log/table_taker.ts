/** Who takes a table row by row, and what is wanted of it. */

import type { Fault } from "./row_values.ts";

/** Columns by their names: those that are wanted, and which of them are ids, that must be exact. */
export interface WantedColumns {
  readonly names: readonly string[];
  readonly ids: readonly string[];
}

/** What is in the fields of a row that are lists, by their places. */
export type Lists = ReadonlyMap<number, readonly string[]>;

/** Takes a table row by row. */
export interface TableTaker {
  /** Called first. @param fields names of the columns */
  header(fields: readonly string[], line: number): void;
  /** @param lists of JSON: what is in a field that is a list, by its place */
  row(fields: readonly string[], line: number, lists?: Lists): void;
  /** A row that is none. */
  broken(fault: Fault, line: number): void;
  /** Told which share of the text is read. */
  onRead?: ((share: number) => void) | undefined;
}
