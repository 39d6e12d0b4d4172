/** Draws upright lines where the adversarial stage begins. */

import type { Plugin } from "chart.js";
import type { LineChart } from "../chart_types.ts";
import { FONT } from "./options.ts";
import { colourOf, type Theme } from "./theme.ts";

export function dividers({ dividers }: LineChart, theme: Theme): Plugin<"line"> {
  return {
    id: "dividers",
    beforeDatasetsDraw({ ctx, chartArea, scales }) {
      ctx.save();
      ctx.lineWidth = 1.5;
      ctx.font = `11px ${FONT}`;
      ctx.textBaseline = "top";
      dividers.forEach(({ x, colour, name }, index) => {
        const at = scales.x?.getPixelForValue(x) ?? NaN;
        ctx.strokeStyle = colourOf(theme, colour);
        ctx.beginPath();
        ctx.moveTo(at, chartArea.top);
        ctx.lineTo(at, chartArea.bottom);
        ctx.stroke();
        if (index > 0) return; // one name is enough
        const fits = at + ctx.measureText(name).width + 8 < chartArea.right;
        ctx.fillStyle = theme.text;
        ctx.textAlign = fits ? "left" : "right";
        ctx.fillText(name, fits ? at + 4 : at - 4, chartArea.top + 2);
      });
      ctx.restore();
    },
  };
}
