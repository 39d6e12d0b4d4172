/** Screen "Be the user": shows pages of a shop, and how a click changes the model's predictions. */

import { type Html, markup } from "../../../report/html.ts";
import { formatCount } from "../../draw/text.ts";
import { button, dom, element, fill, Notice } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import type { ModelScores, ScoredPage, ShopView } from "../services/user_service.ts";

/** Largest number of items per page; a shop may have fewer items. */
const PAGE_SIZE = 10;
/** Smallest change of a probability that is shown. */
const SMALLEST_CHANGE = 0.0005;

export function showUser(root: HTMLElement, lab: Lab): void {
  root.append(
    dom`<p class="lead">You are a user of the shop on which the model was trained. Click an item, or leave the
page. The model knows only your earlier clicks: see how each click changes its predictions.</p>`,
    new UserView(lab).element,
  );
}

class UserView {
  readonly element: HTMLElement;
  readonly #notice = new Notice();
  readonly #keepPage = element("input", { type: "checkbox", id: "same-page" });
  readonly #history = element("ol", { class: "history", "aria-label": "Your clicks, oldest first" });
  readonly #about = element("p", { class: "about", role: "status" });
  readonly #context = element("form", { class: "fields", "aria-label": "Context of the page" });
  readonly #list = element("ol", { class: "page", "aria-label": "The page" });
  readonly #body: HTMLElement;
  readonly #trainLink = dom`<p hidden><a href="#train">Train a model</a></p>`;
  #shop: ShopView | undefined;
  #clicked: number[] = [];
  #page: number[] = [];
  #shown: { readonly page: readonly number[]; readonly model: ModelScores } | undefined;
  /** Number of requests to the worker so far. The screen ignores answers to all but the last request. */
  #requests = 0;

  constructor(private readonly lab: Lab) {
    const another = button("Another page", () => this.#load(this.#newPage()));
    const reset = button("New user", () => this.#load(this.#page, []));
    this.#body = dom`<div class="split wide-left" hidden>
<div class="card"><div class="buttons">${another}${reset}<label>${this.#keepPage}keep the same page</label>
</div>${this.#context}${this.#about}${this.#list}</div>
<div class="card"><h3>Your clicks</h3>${this.#history}</div></div>`;
    this.element = dom`<div>${this.#notice.element}${this.#trainLink}${this.#body}</div>`;
    this.#list.addEventListener("click", ({ target }) => {
      const chosen = target instanceof Element ? target.closest("button") : null;
      if (chosen) void this.#click(this.#page[this.#buttons().indexOf(chosen)]);
    });
    this.#context.addEventListener("change", () => void this.#load());
    this.#context.addEventListener("submit", (event) => event.preventDefault());
    lab.onShow("user", () => void this.#enter());
  }

  /** Shows the shop of the current model; starts with a new page if the shop has changed. */
  async #enter(): Promise<void> {
    try {
      const shop = await this.lab.call("user", "shop", undefined);
      const isOther = shop.name !== this.#shop?.name || shop.items !== this.#shop.items;
      this.#shop = shop;
      if (isOther) this.#showContext(shop);
      this.#body.hidden = false;
      this.#trainLink.hidden = true;
      this.#notice.clear();
      await (isOther ? this.#load(this.#newPage(), []) : this.#load());
    } catch (error) {
      this.#body.hidden = true;
      this.#trainLink.hidden = false;
      this.#notice.fail(error);
    }
  }

  /** Shows an input field for each context column. The field's value applies to all items of a page. */
  #showContext({ context }: ShopView): void {
    this.#context.hidden = context.length === 0;
    const fields = context.map(({ column, values }) => {
      const options = values.map((value) => markup`<option>${value}</option>`);
      return values.length > 0
        ? markup`<label>${column} <select name="${column}"><option value="">unknown</option>${options}
</select></label>`
        : markup`<label>${column} <input name="${column}" placeholder="unknown" size="10"></label>`;
    });
    fill(this.#context, markup`${fields}`);
  }

  /** Returns the values that the user entered for context columns. */
  #readContext(): Record<string, string> {
    const entries = [...new FormData(this.#context)].map(([name, value]) => [name, String(value)] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== ""));
  }

  /** Adds a click, and shows the next page. @param item - undefined if the user leaves without a click */
  async #click(item: number | undefined): Promise<void> {
    const clicked = item === undefined ? this.#clicked : [...this.#clicked, item];
    await this.#load(this.#keepPage.checked ? this.#page : this.#newPage(), clicked);
  }

  #newPage(): number[] {
    const { items = 1 } = this.#shop ?? {};
    const chosen = new Set<number>();
    while (chosen.size < Math.min(PAGE_SIZE, items)) chosen.add(Math.floor(Math.random() * items));
    return [...chosen];
  }

  async #load(page = this.#page, history = this.#clicked): Promise<void> {
    [this.#page, this.#clicked] = [page, history];
    const request = ++this.#requests;
    try {
      const scored = await this.lab.call("user", "score", { history, page, context: this.#readContext() });
      if (request !== this.#requests) return;
      this.#notice.clear();
      this.#show(page, scored);
    } catch (error) {
      this.#notice.fail(error);
    }
  }

  #show(page: readonly number[], { iteration, model, truth }: ScoredPage): void {
    const { features, model: name } = this.#shop ?? {};
    fill(
      this.#about,
      markup`P(click) predicted by ${
        name === "none" ? "the model without history" : `the model (${name})`
      } after
${formatCount(iteration)} iterations${
        truth && markup`, and the <span class="truth-word">ground truth</span>`
      }.
A full bar is 100 %. P(click) includes the learned effect of the position (if any); the utility u does not.`,
    );
    const before = this.#shown?.page.join() === page.join() ? this.#shown.model : undefined;
    const lines = page.map((item, k) => {
      const own = features?.[item];
      return renderItem({
        name: `item ${item}`,
        about: own ? describeFeatures(own) : "",
        model: model.probabilities[k] ?? NaN,
        before: before?.probabilities[k],
        utility: model.utilities[k],
        truth: truth?.probabilities[k],
      });
    });
    const none = renderItem({
      name: "Leave the page",
      about: "no click",
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
    fill(this.#history, markup`${clicked.length > 0 ? clicked : markup`<li class="none">None yet.</li>`}`);
  }

  #buttons(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll("button")];
  }
}

/** Renders a button for an item, with its click probability according to the model and the ground truth. */
function renderItem({ name, about, model, before, utility, truth }: {
  readonly name: string;
  readonly about: string;
  readonly model: number;
  /** The model's click probability before the user's last click; undefined on a new page. */
  readonly before: number | undefined;
  readonly utility: number | undefined;
  readonly truth: number | undefined;
}): Html {
  return markup`<li>
<button type="button" class="item"><span class="item-name">${name}</span>
<span class="item-about">${about}</span></button>
<div>${bar("model", model, formatChange(model, before))}${
    truth !== undefined && bar("truth", truth, "")
  }</div>
<span class="utility">${utility !== undefined && `u ${utility.toFixed(2)}`}</span></li>`;
}

/** Renders a probability as a bar, which is full at 100 %. */
function bar(who: string, chance: number, change: string): Html {
  const percent = (100 * chance).toFixed(1);
  return markup`<div class="chance ${who}">
<span class="track"><span class="fill" style="width: ${percent}%"></span></span>
<span class="percent">${percent} %${change !== "" && markup`<small>${change}</small>`}</span></div>`;
}

function formatChange(now: number, before: number | undefined): string {
  if (before === undefined || Math.abs(now - before) < SMALLEST_CHANGE) return "";
  const points = 100 * (now - before);
  return ` ${points < 0 ? "\u2212" : "+"}${Math.abs(points).toFixed(1)}`;
}

function describeFeatures(features: Readonly<Record<string, number>>): string {
  const { category = 0, brand = 0, price = 0, quality = 0, sale = 0 } = features;
  const numbers = `price ${price.toFixed(2)}, quality ${quality.toFixed(2)}`;
  return `category ${category}, brand ${brand}, ${numbers}${sale > 0 ? ", on sale" : ""}`;
}
