/** Formats 1234567 as "1,234,567". toLocaleString() does the same, but loads its languages first. */
export function formatThousands(value: number): string {
  return String(value).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
}

/** Formats a number with three significant digits, more if it is large. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** Formats a share of 1: "6.7 %", "67 %"; "-" for none. @param digits after the decimal point, if fixed */
export function formatPercent(
  share: number | undefined,
  digits = share !== undefined && share > 0 && share < 0.1 ? 1 : 0,
): string {
  return share === undefined || Number.isNaN(share) ? "-" : `${(100 * share).toFixed(digits)} %`;
}
