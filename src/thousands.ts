/** A number as people read it: 1234567 as "1,234,567". So says toLocaleString(), too, but it loads its languages first. */
export function thousands(value: number): string {
  return String(value).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
}
