/** Be the user: pages of the shop, what the model expects of whoever looks at them, and how a click changes it. */

import { whole } from "../../draw/text.ts";
import { button, element, Notice, svg } from "../elements.ts";
import type { Lab } from "../lab.ts";
import type { Opinion, ScoredPage, ShopView } from "../services/user.ts";
import type { ShopState } from "../../../data/shops/truth.ts";

/** Items of a page, where there are as many. */
const PAGE = 10;

export function user(root: HTMLElement, lab: Lab): void {
  root.append(
    element(
      "p",
      { class: "lead" },
      "You are in the shop that the model was trained on. Click what you like, or leave the page. All that the model knows of " +
        "you is what you clicked before: watch how it changes what it expects.",
    ),
    new UserView(lab).element,
  );
}

class UserView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #same = element("input", { type: "checkbox", id: "same-page" });
  readonly #history = element("ol", { class: "history", "aria-label": "What you clicked, oldest first" });
  readonly #list = new PageList((item) => void this.#click(item));
  readonly #map = new StyleMap();
  readonly #body: HTMLElement;
  readonly #way = element("p", { hidden: true }, element("a", { href: "#train" }, "Train a model"));
  #shop: ShopView | undefined;
  #clicked: number[] = [];
  #page: number[] = [];
  /** Counts what is asked, so that an answer that comes late is not shown. */
  #asked = 0;

  constructor(private readonly lab: Lab) {
    this.#body = element(
      "div",
      { class: "split wide-left", hidden: true },
      element(
        "div",
        { class: "card" },
        element(
          "div",
          { class: "buttons" },
          button("Another page", () => this.#turn()),
          button("Be somebody new", () => this.#startOver()),
          element(
            "span",
            { class: "check" },
            this.#same,
            element("label", { for: "same-page" }, "show the same page again"),
          ),
        ),
        this.#list.element,
      ),
      element(
        "div",
        { class: "results" },
        element("div", { class: "card" }, element("h3", {}, "What you clicked"), this.#history),
        this.#map.element,
      ),
    );
    this.element = element("div", {}, this.#notice.element, this.#way, this.#body);
    lab.onShow("user", () => void this.#enter());
  }

  /** The model may be another one than when the screen was left. */
  async #enter(): Promise<void> {
    try {
      const shop = await this.lab.call("user", "shop", undefined);
      if (shop.name !== this.#shop?.name || shop.items !== this.#shop.items) {
        this.#clicked = [];
        this.#page = pageOf(shop.items);
      }
      this.#shop = shop;
      this.#body.hidden = false;
      this.#way.hidden = true;
      this.#notice.clear();
      await this.#look();
    } catch (error) {
      this.#body.hidden = true;
      this.#way.hidden = false;
      this.#notice.fail(error);
    }
  }

  async #click(item: number | undefined): Promise<void> {
    if (item !== undefined) this.#clicked.push(item);
    if (!this.#same.checked) this.#page = pageOf(this.#shop?.items ?? 1);
    await this.#look();
  }

  async #turn(): Promise<void> {
    this.#page = pageOf(this.#shop?.items ?? 1);
    await this.#look();
  }

  async #startOver(): Promise<void> {
    this.#clicked = [];
    await this.#look();
  }

  async #look(): Promise<void> {
    const asked = ++this.#asked;
    const view = { history: [...this.#clicked], page: [...this.#page] };
    try {
      const seen = await this.lab.call("user", "look", view);
      if (asked === this.#asked) this.#show(view.page, seen);
    } catch (error) {
      this.#notice.fail(error);
    }
  }

  #show(page: readonly number[], seen: ScoredPage): void {
    const { features, model } = this.#shop ?? {};
    const by = `${model === "none" ? "the model, which has no memory" : `the model (${model})`} after ` +
      `${whole(seen.iteration)} iterations`;
    this.#list.show(page, seen, features, by);
    this.#history.replaceChildren(
      ...(this.#clicked.length === 0
        ? [element("li", { class: "none" }, "Nothing yet.")]
        : this.#clicked.map((item) => element("li", {}, `item ${item}`))),
    );
    this.#map.show(this.#clicked, page, features, seen.state);
  }
}

/** Items drawn at random, all different. */
function pageOf(items: number): number[] {
  const chosen = new Set<number>();
  while (chosen.size < Math.min(PAGE, items)) chosen.add(Math.floor(Math.random() * items));
  return [...chosen];
}

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

/** Of the drawing; styles are in -RANGE..RANGE. */
const SIZE = 240;
const RANGE = 2;

export class StyleMap {
  readonly element: HTMLElement = element("figure", { class: "style-map", hidden: true });

  show(
    clicked: readonly number[],
    page: readonly number[],
    features: ShopView["features"],
    state: ShopState | undefined,
  ): void {
    this.element.hidden = !features || !state;
    if (!features || !state) return;
    const dots = (items: readonly number[], kind: string) =>
      items.flatMap((item) => {
        const known = features[item];
        return known
          ? [svg("circle", { class: kind, cx: at(known.style_1), cy: -at(known.style_2), r: 4 })]
          : [];
      });
    const { m1, m2, p } = state;
    const words = `Your taste: style ${m1.toFixed(2)} and ${m2.toFixed(2)}, prices near ${p.toFixed(2)}.`;
    const half = SIZE / 2;
    const drawing = svg(
      "svg",
      { viewBox: `${-half - 12} ${-half - 12} ${SIZE + 24} ${SIZE + 24}`, role: "img", "aria-label": words },
      svg("rect", { class: "frame", x: -half, y: -half, width: SIZE, height: SIZE, rx: 6 }),
      svg("line", { class: "axis", x1: -half, x2: half, y1: 0, y2: 0 }),
      svg("line", { class: "axis", y1: -half, y2: half, x1: 0, x2: 0 }),
      svg("text", { x: half - 4, y: 12, "text-anchor": "end" }, "style 1"),
      svg("text", { x: 4, y: 12 - half }, "style 2"),
      svg("line", { class: "pull", x1: 0, y1: 0, x2: at(m1), y2: -at(m2) }),
      ...dots(page, "shown"),
      ...dots(clicked, "clicked"),
      svg("circle", { class: "taste", cx: at(m1), cy: -at(m2), r: 7 }),
    );
    this.element.replaceChildren(
      element("h3", {}, "Your taste, in truth"),
      drawing,
      element(
        "figcaption",
        {},
        `${words} Circles: items of the page; dots: what you clicked; the large one: your taste, a mean in which each click ` +
          "keeps 70 % of what was there. The model is told none of this.",
      ),
    );
  }
}

function at(style = 0): number {
  return style / RANGE * (SIZE / 2);
}
