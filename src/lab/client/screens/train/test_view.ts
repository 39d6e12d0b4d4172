/** The test figures of a training, as a table, and what follows from them. */

import { whole } from "../../../draw/number.ts";
import { element, withOptions } from "../../elements.ts";
import type { Tested, TestTable } from "../../services/train_test.ts";

const COLUMNS = [
  ["nll", "loss"],
  ["piPrec1", "pi prec@1"],
  ["prec1", "prec@1"],
  ["prec2", "prec@2"],
  ["ndcg", "NDCG"],
  ["auc", "AUC"],
] as const;

/** @param heading what the table is called. */
export function testView({ users, rows, verdict }: TestTable, heading: string): HTMLElement {
  const columns = COLUMNS.filter(([key]) => rows.some(({ figures }) => figures[key]));
  const head = ["", ...columns.map(([, title]) => title)].map((title) =>
    title === "" ? element("td") : element("th", { scope: "col" }, title)
  );
  const body = rows.map(({ name, iteration, figures }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, iteration === undefined ? name : `${name} (${iteration})`),
      ...columns.map(([key]) => cellOf(figures[key])),
    )
  );
  return element(
    "div",
    { class: "tested" },
    element("h3", {}, heading),
    ...verdict.map((text) => element("p", {}, ...withOptions(text))),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": heading },
      element(
        "table",
        { class: "figures" },
        element(
          "caption",
          {},
          `Figures of ${whole(users)} test users, and where 95 % of the resamples of them are. Behind a ` +
            "snapshot's name: its iteration.",
        ),
        element("thead", {}, element("tr", {}, ...head)),
        element("tbody", {}, ...body),
      ),
    ),
  );
}

function cellOf(found: Tested | undefined): HTMLElement {
  if (!found) return element("td");
  const { value, low, high } = found;
  const range = low === undefined || high === undefined ? "" : ` ${low.toFixed(3)}-${high.toFixed(3)}`;
  return element("td", {}, value.toFixed(4), range && element("small", {}, range));
}
