import type { LogColumns } from "../../data/long_log/columns.ts";

/** A file of the reader's, and what it is called: in a folder that was dropped, by its path there. */
export interface OwnFile {
  readonly path: string;
  readonly file: File;
}

/** Which columns the reader has chosen: of the log, and of the file of its items the one with their ids. */
export interface ChosenColumns {
  readonly log: LogColumns;
  readonly itemKey: string | undefined;
}
