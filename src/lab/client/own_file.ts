/** A file of the reader's, and what it is called: in a folder that was dropped, by its path there. */
export interface OwnFile {
  readonly path: string;
  readonly file: File;
}
