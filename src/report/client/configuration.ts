/** From a definition to what the library draws. */

import type { ChartConfiguration } from "chart.js";
import type { ChartDefinition } from "../chart_types.ts";
import { barConfiguration } from "./bar_chart.ts";
import { lineConfiguration } from "./line_chart.ts";
import type { Theme } from "./theme.ts";

export function configurationOf(definition: ChartDefinition, theme: Theme): ChartConfiguration {
  return (definition.kind === "line"
    ? lineConfiguration(definition, theme)
    : barConfiguration(definition, theme)) as ChartConfiguration;
}
