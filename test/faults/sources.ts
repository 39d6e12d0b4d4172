/** Small raw logs of the kinds that `data` takes. */

/** Views and purchases of some visitors. */
export function events(visitors: number): string {
  const lines = ["timestamp,visitorid,event,itemid,transactionid"];
  for (let v = 0; v < visitors; v++) {
    for (let k = 0; k < 4; k++) {
      const time = 1_430_622_004_384 + v * 7_000_000 + k * 60_000;
      lines.push(`${time},${v},${k === 3 ? "addtocart" : "view"},${(v * 7 + (k === 3 ? 0 : k)) % 23},`);
    }
  }
  return lines.join("\n") + "\n";
}

/** Impressions in MIND's layout. */
export function behaviors(users: number): string {
  const line = (u: number) => {
    const shown = [0, 1, 2].map((k) => `N${(u + 5 * k) % 17}-${k === u % 3 ? 1 : 0}`).join(" ");
    return `${u}\tU${u}\t11/11/2019 9:0${u % 10}:00 AM\tN${u % 7} N${u % 5}\t${shown}`;
  };
  return Array.from({ length: users }, (_, u) => line(u)).join("\n") + "\n";
}

/** A log with a row for each displayed item, and what is known of the items. */
export async function longLog(folder: string): Promise<void> {
  const rows = ["user,item,time,clicked,page"];
  for (let u = 0; u < 60; u++) {
    for (let page = 0; page < 2; page++) {
      for (let k = 0; k < 3; k++) {
        rows.push(
          `u${u},i${(5 * u + 3 * k + page) % 11},${1_700_000_000 + 100 * u + page},${
            k === (u + page) % 3 ? 1 : 0
          },${page}`,
        );
      }
    }
  }
  const items = Array.from({ length: 11 }, (_, k) => `i${k},${k * k / 10},${k % 2 ? "odd" : "even"}`);
  await Deno.writeTextFile(`${folder}/log.csv`, rows.join("\n") + "\n");
  await Deno.writeTextFile(`${folder}/items.csv`, ["item,size,kind", ...items].join("\n") + "\n");
}
