/** Files of predictions: CSV, or Parquet in row groups. They appear whole, or not at all. */

import { type RowColumn, type RowsWritten, writeRows } from "../../run/files/row_file.ts";
import type { Prediction } from "./predictions.ts";

/** In the order of the file. */
const COLUMNS: readonly RowColumn<Prediction>[] = [
  { name: "user", of: ({ user }) => user, type: "STRING" },
  { name: "page", of: ({ page }) => page, type: "INT32" },
  { name: "place", of: ({ place }) => place, type: "INT32" },
  { name: "item", of: ({ item }) => item, type: "STRING" },
  { name: "utility", of: ({ utility }) => utility, type: "FLOAT" },
  { name: "probability", of: ({ probability }) => probability, type: "FLOAT" },
  { name: "no_click", of: ({ noClick }) => noClick, type: "FLOAT" },
  { name: "clicked", of: ({ clicked }) => clicked, type: "BOOLEAN" },
];

/**
 * Writes lists of rows one after another.
 * @returns as {@link writeRows}. @throws UserError when the file cannot be written.
 */
export function writePredictions(path: string, lists: AsyncIterable<Prediction[]>): Promise<RowsWritten> {
  return writeRows(path, "predictions", COLUMNS, lists);
}
