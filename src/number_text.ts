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

/** Formats seconds as "45s", "3m05s", "2h07m" or "3d04h". */
export function formatDuration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  const two = (value: number) => String(value).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86400)}d${two(Math.floor(s / 3600) % 24)}h`;
}

/** Describes a finished share of a task and the time left: "40 %, about 12s left"; "" for a share of 0. */
export function describeShare(share: number, seconds: number): string {
  if (share <= 0) return "";
  return `${Math.floor(100 * share)} %, about ${formatDuration(seconds * (1 / share - 1))} left`;
}
