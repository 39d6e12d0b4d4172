/** `report`: writes a self-contained HTML page about runs. */

import { writeReport } from "../report/report_page.ts";
import { expectPage } from "../report/page_shell.ts";
import { allowWrites } from "../files/write_scope.ts";
import { OUT_FILE, reportFile } from "../cli/arguments.ts";
import { runMain } from "../cli/run_main.ts";
import { createCommand, eachFolder, makeOutputFileParser, parse } from "../cli/command_options.ts";

async function main(): Promise<void> {
  const command = createCommand(
    "report",
    "Writes a self-contained HTML page about runs: learning curves, test metrics and configuration.",
  )
    .argument("<run...>", "folders to compare, which train or reproduce wrote", eachFolder)
    .option(
      OUT_FILE,
      "HTML file to write (default: report.html in the first folder)",
      makeOutputFileParser(".html", ".htm"),
    )
    .addHelpText("after", "\nExample:\n  deno task -q report runs/lstm runs/wide --out compared.html");
  const { out } = parse<{ out?: string }>(command, Deno.args);
  const folders = command.processedArgs[0] as string[];
  const file = out ?? reportFile(folders[0] ?? "");
  allowWrites(file);
  expectPage(file, "report");
  await writeReport(folders, file);
  console.log(`The report is ${file}`);
}

await runMain(main);
