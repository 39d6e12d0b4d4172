/** Numbers as DuckDB takes a text for one. */

const DIGITS = String.raw`\d+(_\d+)*`;
const NUMBER = new RegExp(
  String
    .raw`^[ \t-\r]*\+?(-?(${DIGITS}\.?(${DIGITS})?|\.${DIGITS})(e[+-]?${DIGITS})?|-?(nan|inf|infinity))[ \t-\r]*$`,
  "i",
);

/** Undefined for a text that is no number; NaN and infinities are some. */
export function doubleOf(text: string): number | undefined {
  const number = NUMBER.exec(text)?.[1]?.replaceAll("_", "").toLowerCase();
  if (number === undefined) return undefined;
  if (number.endsWith("nan")) return NaN;
  return number.includes("inf") ? (number.startsWith("-") ? -Infinity : Infinity) : Number(number);
}
