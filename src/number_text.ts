/** Numbers as people read them, on terminals and pages alike. */

/** 1234567 as "1,234,567". So says toLocaleString(), too, but it loads its languages first. */
export function formatThousands(value: number): string {
  return String(value).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
}

/** Three figures of a number, more where it is large. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** A share of 1: "6.7 %", "67 %"; "-" where there is none. @param digits behind the point, if always as many */
export function formatPercent(
  share: number | undefined,
  digits = share !== undefined && share > 0 && share < 0.1 ? 1 : 0,
): string {
  return share === undefined || Number.isNaN(share) ? "-" : `${(100 * share).toFixed(digits)} %`;
}
