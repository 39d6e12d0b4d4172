/** From a definition to what the library draws. */

import type { ChartConfiguration } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { barConfiguration } from "./bar_chart.ts";
import { lineConfiguration } from "./line_chart.ts";
import { scatterConfiguration } from "./scatter_chart.ts";
import { stackConfiguration } from "./stack_chart.ts";
import type { Theme } from "./theme.ts";

export function configurationOf(definition: ChartDefinition, theme: Theme): ChartConfiguration {
  return configuration(definition, theme) as ChartConfiguration;
}

function configuration(definition: ChartDefinition, theme: Theme) {
  switch (definition.kind) {
    case "line":
      return lineConfiguration(definition, theme);
    case "bar":
      return barConfiguration(definition, theme);
    case "scatter":
      return scatterConfiguration(definition, theme);
    case "stack":
      return stackConfiguration(definition, theme);
  }
}
