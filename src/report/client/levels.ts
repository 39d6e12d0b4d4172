/** Draws lines across where baselines stand, with their names where these do not cover each other. */

import type { Plugin } from "chart.js";
import type { LineChart } from "../chart_types.ts";
import { FONT } from "./options.ts";
import type { Theme } from "./theme.ts";

/** Pixels of a name's line. */
const LINE = 12;

export function levels({ levels }: LineChart, theme: Theme): Plugin<"line"> {
  return {
    id: "levels",
    beforeDatasetsDraw({ ctx, chartArea: { left, right, top, bottom }, scales }) {
      ctx.save();
      ctx.font = `11px ${FONT}`;
      ctx.textAlign = "right";
      ctx.strokeStyle = theme.neutral;
      ctx.fillStyle = theme.text;
      ctx.setLineDash([4, 4]);
      const named: number[] = [];
      for (const { name, y } of levels) {
        const at = scales.y?.getPixelForValue(y) ?? NaN;
        if (!(at >= top && at <= bottom)) continue;
        ctx.beginPath();
        ctx.moveTo(left, at);
        ctx.lineTo(right, at);
        ctx.stroke();
        if (named.some((other) => Math.abs(other - at) < LINE)) continue;
        named.push(at);
        const above = at - LINE >= top;
        ctx.textBaseline = above ? "bottom" : "top";
        ctx.fillText(name, right - 4, above ? at - 1 : at + 2);
      }
      ctx.restore();
    },
  };
}
