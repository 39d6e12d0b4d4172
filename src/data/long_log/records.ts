/** Records of CSV, with their lines. */

// @ts-types="./papaparse.d.ts"
import Papa from "papaparse";
import { shown } from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";

/** What may separate values. */
const DELIMITERS = [",", "\t", ";", "|"];

export interface CsvRecord {
  /** As they are written, without the quotes around them. */
  readonly fields: readonly string[];
  /** Number of its first line, from 1. */
  readonly line: number;
}

/**
 * Reads a text record by record, the header first; blank lines are none.
 * @param path for messages. @param wanted names that the header should have: they tell what separates values.
 * @param onRead told which share of the text is read.
 * @throws UserError for a quote that is never closed, or that ends before its value: what is behind it would be lost.
 */
export function readRecords(
  path: string,
  text: string,
  wanted: readonly string[],
  take: (record: CsvRecord) => void,
  onRead?: (share: number) => void,
): void {
  let line = 1;
  Papa.parse(text, {
    delimiter: delimiterOf(text, wanted),
    step({ data: fields, errors, meta }) {
      const [error] = errors;
      if (error) throw quoteFault(path, line, error.code, fields);
      if (fields.length > 1 || fields[0]?.trim()) take({ fields, line });
      line += 1 + fields.reduce((sum, field) => sum + field.split("\n").length - 1, 0);
      onRead?.(meta.cursor / text.length);
    },
  });
}

/** Names of the columns, where nobody says which ones there should be. @param head of the text */
export function headerOf(head: string): string[] {
  const { data: [fields = []] } = Papa.parse(head, { delimiter: delimiterOf(head, []), preview: 1 });
  return fields.filter((name) => name !== "");
}

/** The one with which the most wanted names are in the header; of several, the one that makes the most of it. */
function delimiterOf(text: string, wanted: readonly string[]): string {
  const found = DELIMITERS.map((delimiter) => {
    const [fields = []] = Papa.parse(text, { delimiter, preview: 1 }).data;
    return { delimiter, hits: wanted.filter((name) => fields.includes(name)).length, fields: fields.length };
  });
  found.sort((a, b) => b.hits - a.hits || b.fields - a.fields);
  return found[0]?.delimiter ?? ",";
}

function quoteFault(path: string, line: number, code: string, fields: readonly string[]): UserError {
  const what = code === "MissingQuotes" ? "is never closed" : "ends before the value does";
  return new UserError(
    `${path}:${line}: the quote of a value that begins here ${what}: ${shown(fields.join(","))}. ` +
      "Close the quote, or double it if it is a part of the value.",
  );
}
