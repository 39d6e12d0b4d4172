/** What a pointer over learning curves points at. */

import { type ChartEvent, Interaction, type InteractionItem } from "chart.js";
import type { Dataset } from "../chart.ts";

/** Pixels beside its ends at which a curve is still meant. */
const REACH = 24;

/** Adds the mode `nearestX` to those of the library. */
export function registerNearestX(): void {
  Interaction.modes.nearestX = (chart, event) =>
    chart.getSortedVisibleDatasetMetas().flatMap((meta): InteractionItem[] => {
      const { isDecoration, isQuiet } = chart.data.datasets[meta.index] as unknown as Dataset;
      if (isDecoration || isQuiet) return [];
      let best: InteractionItem | undefined;
      meta.data.forEach((element, index) => {
        const isGap = Number.isNaN(element.y) || ("skip" in element && element.skip === true);
        if (isGap || (best && distance(best.element, event) <= distance(element, event))) return;
        best = { element, datasetIndex: meta.index, index };
      });
      return best && distance(best.element, event) <= REACH ? [best] : [];
    }).sort((a, b) => a.datasetIndex - b.datasetIndex);
}

function distance({ x }: { x: number }, event: ChartEvent): number {
  return Math.abs(x - (event.x ?? NaN));
}
