/** Formats 1234567 as "1,234,567". toLocaleString() is slower: it first loads all languages. */
export function formatThousands(value: number): string {
  return String(value).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
}

/** Formats a number with three significant digits. Numbers of 100 and more are rounded to integers. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** Formats a share: 0.067 as "6.7 %", 0.67 as "67 %", undefined as "-". @param digits - number of decimals */
export function formatPercent(
  share: number | undefined,
  digits = share !== undefined && share > 0 && share < 0.1 ? 1 : 0,
): string {
  return share === undefined || Number.isNaN(share) ? "-" : `${(100 * share).toFixed(digits)} %`;
}
