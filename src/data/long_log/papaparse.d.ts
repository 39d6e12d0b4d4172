/** What is used of papaparse. Its own types bring those of Node.js with them, which change what all files are checked by. */

export interface ParseStep {
  readonly data: string[];
  readonly errors: readonly { readonly code: string }[];
  readonly meta: { readonly cursor: number };
}

interface Papa {
  /** Hands over a row at a time. */
  parse(text: string, config: { readonly delimiter: string; step(row: ParseStep): void }): void;
  /** The first rows. */
  parse(
    text: string,
    config: { readonly delimiter: string; readonly preview: number },
  ): { readonly data: readonly string[][] };
}

declare const papa: Papa;
export default papa;
