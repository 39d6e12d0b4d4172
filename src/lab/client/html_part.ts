/** Puts markup into the page: what comes from data is escaped in it already. */

import type { Html } from "../../report/html.ts";

export function fill(target: Element, content: Html): void {
  target.innerHTML = content.text;
}
