/** Be the user: pages of the shop, what the model expects of whoever looks at them, and how a click changes it. */

import type { ShopState } from "../../../data/shops.ts";
import { type Html, markup } from "../../../report/html.ts";
import { formatCount } from "../../draw/text.ts";
import { button, dom, element, fill, Notice } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { ModelScores, ScoredPage, ShopView } from "../services/user_service.ts";

/** Items of a page, where there are as many. */
const PAGE = 10;
/** A change of a probability of less is not told. */
const SMALLEST_CHANGE = 0.0005;

export function showUser(root: HTMLElement, lab: Lab): void {
  root.append(
    dom`<p class="lead">You are in the shop that the model was trained on. Click what you like, or leave the page. All that the model
knows of you is what you clicked before: watch how it changes what it expects.</p>`,
    new UserView(lab).element,
  );
}

class UserView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #same = element("input", { type: "checkbox", id: "same-page" });
  readonly #history = element("ol", { class: "history", "aria-label": "What you clicked, oldest first" });
  /** Whose the probabilities are. */
  readonly #by = element("p", { class: "about", role: "status" });
  readonly #list = element("ol", { class: "page", "aria-label": "The page" });
  readonly #map = element("figure", { class: "style-map" });
  readonly #body: HTMLElement;
  readonly #way = dom`<p hidden><a href="#train">Train a model</a></p>`;
  #shop: ShopView | undefined;
  #clicked: number[] = [];
  #page: number[] = [];
  /** The last page that was shown. */
  #shown: { readonly page: readonly number[]; readonly model: ModelScores } | undefined;
  /** Counts what is asked, so that an answer that comes late is not shown. */
  #asked = 0;

  constructor(private readonly lab: Lab) {
    const another = button("Another page", () => this.#look(this.#newPage()));
    const anew = button("Be somebody new", () => this.#look(this.#page, []));
    this.#body = dom`<div class="split wide-left" hidden>
<div class="card"><div class="buttons">${another}${anew}<label>${this.#same}show the same page again</label></div>
${this.#by}${this.#list}</div>
<div class="results"><div class="card"><h3>What you clicked</h3>${this.#history}</div>${this.#map}</div></div>`;
    this.element = dom`<div>${this.#notice.element}${this.#way}${this.#body}</div>`;
    this.#list.addEventListener("click", ({ target }) => {
      const chosen = target instanceof Element ? target.closest("button") : null;
      if (chosen) void this.#click(this.#page[this.#buttons().indexOf(chosen)]);
    });
    lab.onShow("user", () => void this.#enter());
  }

  /** The model may be another one than when the screen was left. */
  async #enter(): Promise<void> {
    try {
      const shop = await this.lab.call("user", "shop", undefined);
      const isOther = shop.name !== this.#shop?.name || shop.items !== this.#shop.items;
      this.#shop = shop;
      this.#body.hidden = false;
      this.#way.hidden = true;
      this.#notice.clear();
      await (isOther ? this.#look(this.#newPage(), []) : this.#look());
    } catch (error) {
      this.#body.hidden = true;
      this.#way.hidden = false;
      this.#notice.fail(error);
    }
  }

  /** @param item undefined for leaving the page, which stands last. */
  async #click(item: number | undefined): Promise<void> {
    const clicked = item === undefined ? this.#clicked : [...this.#clicked, item];
    await this.#look(this.#same.checked ? this.#page : this.#newPage(), clicked);
  }

  /** Items drawn at random, all different. */
  #newPage(): number[] {
    const { items = 1 } = this.#shop ?? {};
    const chosen = new Set<number>();
    while (chosen.size < Math.min(PAGE, items)) chosen.add(Math.floor(Math.random() * items));
    return [...chosen];
  }

  async #look(page = this.#page, history = this.#clicked): Promise<void> {
    [this.#page, this.#clicked] = [page, history];
    const asked = ++this.#asked;
    try {
      const seen = await this.lab.call("user", "look", { history, page });
      if (asked === this.#asked) this.#show(page, seen);
    } catch (error) {
      this.#notice.fail(error);
    }
  }

  #show(page: readonly number[], { iteration, model, truth, state }: ScoredPage): void {
    const { features, model: name } = this.#shop ?? {};
    fill(
      this.#by,
      markup`P(click) by ${name === "none" ? "the model, which has no memory" : `the model (${name})`} after
${formatCount(iteration)} iterations${truth && markup`, and in <span class="truth-word">truth</span>`}.
A bar of the whole width would be 100 %. P(click) counts the positions on the page, if the model has learned their effect; u, the utility, does not.`,
    );
    const before = this.#shown?.page.join() === page.join() ? this.#shown.model : undefined;
    const lines = page.map((item, k) => {
      const known = features?.[item];
      return renderItem({
        name: `item ${item}`,
        about: known ? featureWords(known) : "",
        model: model.probabilities[k] ?? NaN,
        before: before?.probabilities[k],
        utility: model.utilities[k],
        truth: truth?.probabilities[k],
      });
    });
    const none = renderItem({
      name: "Leave the page",
      about: "nothing is clicked",
      model: model.noClick,
      before: before?.noClick,
      utility: undefined,
      truth: truth?.noClick,
    });
    const focused = this.#buttons().findIndex((one) => one === document.activeElement);
    fill(this.#list, markup`${lines}${none}`);
    this.#buttons()[focused]?.focus();
    this.#shown = { page, model };
    const clicked = this.#clicked.map((item) => markup`<li>item ${item}</li>`);
    fill(this.#history, markup`${clicked.length > 0 ? clicked : markup`<li class="none">Nothing yet.</li>`}`);
    this.#map.hidden = !features || !state;
    if (features && state) fill(this.#map, styleMap(this.#clicked, page, features, state));
  }

  #buttons(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll("button")];
  }
}

/** An item of a page, to be clicked, with what the model and the truth expect of it. */
function renderItem({ name, about, model, before, utility, truth }: {
  readonly name: string;
  readonly about: string;
  readonly model: number;
  /** The model's before the last click, of the same page. */
  readonly before: number | undefined;
  readonly utility: number | undefined;
  readonly truth: number | undefined;
}): Html {
  return markup`<li>
<button type="button" class="item"><span class="item-name">${name}</span><span class="item-about">${about}</span></button>
<div>${bar("model", model, changeText(model, before))}${truth !== undefined && bar("truth", truth, "")}</div>
<span class="utility">${utility !== undefined && `u ${utility.toFixed(2)}`}</span></li>`;
}

/** Always of the same scale: one that fitted the page would shrink a bar whose probability rises. */
function bar(who: string, chance: number, change: string): Html {
  const percent = (100 * chance).toFixed(1);
  return markup`<div class="chance ${who}">
<span class="track"><span class="fill" style="width: ${percent}%"></span></span>
<span class="percent">${percent} %${change !== "" && markup`<small>${change}</small>`}</span></div>`;
}

function changeText(now: number, before: number | undefined): string {
  if (before === undefined || Math.abs(now - before) < SMALLEST_CHANGE) return "";
  const points = 100 * (now - before);
  return ` ${points < 0 ? "\u2212" : "+"}${Math.abs(points).toFixed(1)}`;
}

function featureWords(known: Readonly<Record<string, number>>): string {
  const { category = 0, brand = 0, price = 0, quality = 0, sale = 0 } = known;
  const numbers = `price ${price.toFixed(2)}, quality ${quality.toFixed(2)}`;
  return `category ${category}, brand ${brand}, ${numbers}${sale > 0 ? ", on sale" : ""}`;
}

/** Of the drawing; styles are in -RANGE..RANGE. */
const SIZE = 240;
const RANGE = 2;

/**
 * The shop's plane of styles: what was clicked, what is on the page, and where the user's taste is by the truth. A model that
 * has learned the shop has found this plane from clicks alone.
 */
function styleMap(
  clicked: readonly number[],
  page: readonly number[],
  features: NonNullable<ShopView["features"]>,
  { m1, m2, p }: ShopState,
): Html {
  const at = (style = 0) => style / RANGE * (SIZE / 2);
  const dots = (items: readonly number[], kind: string) =>
    items.flatMap((item) => {
      const { style_1: x, style_2: y } = features[item] ?? {};
      return x === undefined ? [] : [markup`<circle class="${kind}" cx="${at(x)}" cy="${-at(y)}" r="4"/>`];
    });
  const words = `Your taste: style ${m1.toFixed(2)} and ${m2.toFixed(2)}, prices near ${p.toFixed(2)}.`;
  const half = SIZE / 2;
  const [edge, whole] = [-half - 12, SIZE + 24];
  return markup`<h3>Your taste, in truth</h3>
<svg viewBox="${edge} ${edge} ${whole} ${whole}" role="img" aria-label="${words}">
<rect class="frame" x="${-half}" y="${-half}" width="${SIZE}" height="${SIZE}" rx="6"/>
<line class="axis" x1="${-half}" x2="${half}" y1="0" y2="0"/><line class="axis" y1="${-half}" y2="${half}" x1="0" x2="0"/>
<text x="${half - 4}" y="12" text-anchor="end">style 1</text><text x="4" y="${12 - half}">style 2</text>
<line class="pull" x1="0" y1="0" x2="${at(m1)}" y2="${-at(m2)}"/>
${dots(page, "shown")}${dots(clicked, "clicked")}
<circle class="taste" cx="${at(m1)}" cy="${-at(m2)}" r="7"/></svg>
<figcaption>${words} Circles: items of the page; dots: what you clicked; the large one: your taste, a mean in which each
click keeps 70 % of what was there. The model is told none of this.</figcaption>`;
}
