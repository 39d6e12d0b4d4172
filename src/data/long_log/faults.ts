/** What is wrong with the rows of a file. */

import { type BadRow, type BadRows, joined, MOST_EXAMPLES } from "../bad_rows.ts";
import type { Fault } from "./row_values.ts";

/** Faults by kind, and the first of them. */
export class Faults {
  readonly #counts = new Map<string, number>();
  readonly #examples: BadRow[] = [];
  total = 0;

  constructor(private readonly file: string) {}

  add(line: number, { kind, expected, found }: Fault): void {
    this.total++;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#examples.length === MOST_EXAMPLES) return;
    this.#examples.push({ file: this.file, line, fault: `expected ${expected}, found ${found}` });
  }

  static sum(all: readonly Faults[]): BadRows {
    return joined(all.map((one) => ({ total: one.total, counts: one.#counts, examples: one.#examples })));
  }
}
