/** A log as `data example` writes it, a row for each displayed item, and the prepared data set that is made of it. */

import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { type LogOptions, logRecipe } from "../../src/data/prepare/log.ts";
import { prepare } from "../../src/data/prepare/prepare.ts";

/** The columns of `data example`, by the options of `data log`. */
const COLUMNS = {
  user: "user",
  time: "time",
  page: "page",
  item: "item",
  position: "position",
  clicked: "clicked",
};

/** Its text, with a byte order mark, quotes where there need be none, and lines that end as on Windows. */
export function exampleLog(log: ClickLog): string {
  const lines = ["\ufeffuser,time,page,item,position,clicked"];
  for (let user = 0; user < log.userSplit.length; user++) {
    for (let event = log.userEvents[user] ?? 0; event < (log.userEvents[user + 1] ?? 0); event++) {
      const [first = 0, end = 0] = [log.eventRows[event], log.eventRows[event + 1]];
      const click = log.eventClick[event] ?? NONE;
      const time = new Date(Date.UTC(2026, 0, 1) + 60_000 * event).toISOString();
      for (let row = first; row < end; row++) {
        const item = `"item, ${log.rowItem[row]}"`;
        lines.push([`user-${user}`, time, event, item, row - first + 1, row === click ? 1 : 0].join(","));
      }
    }
  }
  return lines.join("\r\n") + "\r\n";
}

/** What is known of the items of {@link exampleLog}, but for the last one: columns of numbers, times and text, and the id as `sku`. */
export function exampleItems(items: number): string {
  const rows = Array.from({ length: items - 1 }, (_, k) => {
    const price = (1.5 ** k).toFixed(2);
    return `kind ${k % 3},${price},"item, ${k}",2025-0${1 + k % 9}-11,${k % 4 === 0 ? "" : k}\n`;
  });
  return `kind,price,sku,added,weight\n${rows.join("")}`;
}

/** @param out the folder of the set. @param others options of `data log` that are not those of `data example` */
export async function prepareExample(
  source: string,
  out: string,
  others: Partial<LogOptions> = {},
): Promise<void> {
  const shares = { train: 0.8, validation: 0.1 };
  const options = {
    source,
    ...COLUMNS,
    ...others,
    out,
    split: "hash",
    shares,
    strict: false,
    memory: "500MB",
    threads: 1,
  } as const;
  await prepare(logRecipe(options), options, []);
}
