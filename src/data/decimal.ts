/** Decimal numbers as text: when they are the same, and what a double keeps of them. */

/** Digits that a double keeps, whatever they are. */
export const EXACT_DIGITS = 15;
/** Digits of a whole number that is exact as a double and a second one, of what the first leaves. */
export const MOST_DIGITS = 30;
export const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** The same text for the same number, however it is written. @param text matches {@link DECIMAL}. */
export function canonical(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const short = digits.replace(/0+$/, "");
  if (short === "") return "0";
  const power = Number(exponent) - fraction.length + digits.length - short.length;
  return `${sign === "-" ? "-" : ""}${short}e${power}`;
}
