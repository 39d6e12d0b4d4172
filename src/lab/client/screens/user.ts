/** Be the user: pages of the shop, what the model expects of whoever looks at them, and how a click changes it. */

import { whole } from "../../draw/number.ts";
import { button, element, Notice } from "../elements.ts";
import type { Lab, ScreenBody } from "../lab.ts";
import type { ScoredPage, ShopView } from "../services/user.ts";
import { PageList } from "./user/page_list.ts";
import { StyleMap } from "./user/style_map.ts";

/** Items of a page, where there are as many. */
const PAGE = 10;

export const user: ScreenBody = {
  mount(root, lab) {
    root.append(
      element(
        "p",
        { class: "lead" },
        "You are in the shop that the model was trained on. Click what you like, or leave the page. All that the model knows of " +
          "you is what you clicked before: watch how it changes what it expects.",
      ),
      new UserView(lab).element,
    );
  },
};

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
