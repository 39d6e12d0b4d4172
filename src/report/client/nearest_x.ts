/** What a pointer over learning curves points at: of each curve the point nearest in x, as their x differ. */

import { type Chart, type ChartEvent, Interaction, type InteractionItem } from "chart.js";
import { CURVE, DATASETS_A_SERIES } from "./datasets.ts";

declare module "chart.js" {
  interface InteractionModeMap {
    nearestX: (chart: Chart, event: ChartEvent) => InteractionItem[];
  }
}

/** Pixels beside its ends at which a curve is still meant. */
const REACH = 24;

export function registerNearestX(): void {
  Interaction.modes.nearestX = (chart, event) => {
    const items = chart.getSortedVisibleDatasetMetas().flatMap((meta): InteractionItem[] => {
      if (meta.index % DATASETS_A_SERIES !== CURVE) return [];
      let best: InteractionItem | undefined;
      meta.data.forEach((element, index) => {
        const isGap = Number.isNaN(element.y) || ("skip" in element && element.skip === true);
        if (isGap || (best && distance(best.element, event) <= distance(element, event))) return;
        best = { element, datasetIndex: meta.index, index };
      });
      return best && distance(best.element, event) <= REACH ? [best] : [];
    });
    return items.sort((a, b) => a.datasetIndex - b.datasetIndex);
  };
}

function distance({ x }: { x: number }, event: ChartEvent): number {
  return Math.abs(x - (event.x ?? NaN));
}
