/**
 * The shop's plane of styles: what was clicked, what is on the page, and where the user's taste is by the truth. A model that
 * has learned the shop has found this plane from clicks alone.
 */

import type { ShopState } from "../../../../data/shops.ts";
import { element, svg } from "../../elements.ts";
import type { ShopView } from "../../services/user.ts";

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
