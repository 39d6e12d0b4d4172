/** A page of the shop: an item a line, to be clicked, with what the model and the truth expect of it. */

import { element } from "../../elements.ts";
import type { Opinion, ScoredPage, ShopView } from "../../services/user.ts";

/** A change of less is not told. */
const SMALLEST_CHANGE = 0.0005;

export class PageList {
  readonly element: HTMLElement;
  readonly #by = element("p", { class: "about", role: "status" });
  readonly #list = element("ol", { class: "page", "aria-label": "The page" });
  /** The last page that was shown, by its items. */
  #before: { readonly page: readonly number[]; readonly model: Opinion } | undefined;

  /** @param click told which item was clicked; undefined for none. */
  constructor(private readonly click: (item: number | undefined) => void) {
    this.element = element("div", {}, this.#by, this.#list);
  }

  /** @param by whose probabilities these are. */
  show(
    page: readonly number[],
    { model, truth }: ScoredPage,
    features: ShopView["features"],
    by: string,
  ): void {
    const before = this.#before?.page.join() === page.join() ? this.#before.model : undefined;
    this.#by.replaceChildren(
      `P(click) by ${by}`,
      ...(truth ? [", and in ", element("span", { class: "truth-word" }, "truth")] : []),
      ". A bar of the whole width would be 100 %. u is the utility.",
    );
    const lines = page.map((item, k) => {
      const known = features?.[item];
      return this.#line(item, {
        name: `item ${item}`,
        about: known ? featureWords(known) : "",
        model: model.probabilities[k] ?? NaN,
        before: before?.probabilities[k],
        utility: model.utilities[k],
        truth: truth?.probabilities[k],
      });
    });
    const none = this.#line(undefined, {
      name: "Leave the page",
      about: "nothing is clicked",
      model: model.noClick,
      before: before?.noClick,
      utility: undefined,
      truth: truth?.noClick,
    });
    const focused = this.#list.contains(document.activeElement)
      ? [...this.#list.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement)
      : -1;
    this.#list.replaceChildren(...lines, none);
    this.#list.querySelectorAll("button")[focused]?.focus();
    this.#before = { page, model };
  }

  #line(item: number | undefined, line: Line): HTMLElement {
    const choose = element(
      "button",
      { type: "button", class: "item" },
      element("span", { class: "item-name" }, line.name),
      element("span", { class: "item-about" }, line.about),
    );
    choose.addEventListener("click", () => this.click(item));
    return element(
      "li",
      { class: item === undefined ? "no-click" : "" },
      choose,
      element(
        "div",
        { class: "chances" },
        bar("model", line.model, changeText(line.model, line.before)),
        line.truth !== undefined && bar("truth", line.truth, ""),
      ),
      element("span", { class: "utility" }, line.utility === undefined ? "" : `u ${line.utility.toFixed(2)}`),
    );
  }
}

interface Line {
  readonly name: string;
  readonly about: string;
  readonly model: number;
  /** The model's before the last click, of the same page. */
  readonly before: number | undefined;
  readonly utility: number | undefined;
  readonly truth: number | undefined;
}

/** Always of the same scale: one that fitted the page would shrink a bar whose probability rises. */
function bar(who: string, chance: number, change: string): HTMLElement {
  const percent = (100 * chance).toFixed(1);
  return element(
    "div",
    { class: `chance ${who}` },
    element("span", { class: "track" }, element("span", { class: "fill", style: `width: ${percent}%` })),
    element("span", { class: "percent" }, `${percent} %`, change !== "" && element("small", {}, change)),
  );
}

function changeText(now: number, before: number | undefined): string {
  if (before === undefined || Math.abs(now - before) < SMALLEST_CHANGE) return "";
  const points = 100 * (now - before);
  return ` ${points < 0 ? "\u2212" : "+"}${Math.abs(points).toFixed(1)}`;
}

function featureWords(known: Readonly<Record<string, number>>): string {
  const { category = 0, brand = 0, price = 0, quality = 0, sale = 0 } = known;
  return [
    `category ${category}`,
    `brand ${brand}`,
    `price ${price.toFixed(2)}`,
    `quality ${quality.toFixed(2)}`,
    ...(sale > 0 ? ["on sale"] : []),
  ].join(", ");
}
