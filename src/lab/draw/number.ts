/** Numbers as the lab writes them. */

import { thousands } from "../../thousands.ts";

/** Three figures of a number, more where it is large. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** "12.3 us", "4.56 ms". */
export function duration(microseconds: number): string {
  return microseconds >= 1000 ? `${short(microseconds / 1000)} ms` : `${short(microseconds)} us`;
}

/** "512 B", "6.25 MiB". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${short(bytes / 1024)} KiB` : `${short(bytes / 2 ** 20)} MiB`;
}

/** A count: "1,234,567". */
export function whole(value: number): string {
  return thousands(Math.round(value));
}

/** "6.7 %", "67 %". @param share of 1; "-" where there is none. */
export function percent(share: number | undefined): string {
  return share === undefined ? "-" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
