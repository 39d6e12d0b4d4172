import assert from "node:assert/strict";
import type { LoadRequest } from "./serve_load.ts";
import { getItemsShape } from "../src/data/item_catalogue.ts";
import { drawInitialWeights } from "../src/model/initial_weights.ts";
import { listModelParameters, UserModel } from "../src/model/user_model.ts";
import { writeSnapshot } from "../src/run/snapshot_file.ts";
import { startCommand, withSmallLog } from "./command_check.ts";
import { withGpu } from "./op_check.ts";
import { drawRequests, scoreCases } from "./score_cases.ts";

const { config, log } = scoreCases["LSTM, one-hot"] ?? assert.fail();

/** Starts a service on a small log; `use` gets requests with their expected utilities. */
export async function withService(
  use: (
    service: { url: string; calls: string; child: Deno.ChildProcess; model: string; data: string },
  ) => Promise<void>,
): Promise<void> {
  await withSmallLog(async (folder, data) => {
    const items = getItemsShape({ kind: "one-hot", count: 30 });
    const specs = listModelParameters(items, config);
    const weights = drawInitialWeights(specs, 8);
    const model = `${folder}/model.safetensors`;
    await writeSnapshot(model, specs, weights, { model: config, items, iteration: 1, kind: "last" });
    const calls: LoadRequest[] = [];
    await withGpu(undefined, async (gpu) => {
      using own = new UserModel(gpu, { kind: "one-hot", count: 30 }, config, { weights });
      for (
        const { history, page } of drawRequests({
          config,
          log: { ...log, items: { kind: "one-hot", count: 30 } },
        }, 30)
      ) {
        const utilities = await own.score({ history, page });
        calls.push({ path: "/score", body: JSON.stringify({ history, page }), utilities });
      }
    });
    await Deno.writeTextFile(`${folder}/calls.json`, JSON.stringify(calls));
    const child = startCommand("serve", "--model", model, "--data", data, "--port", "0");
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!/Serving .* at \S+\n/.test(said)) {
      const { value, done } = await output.read();
      assert.ok(!done, said);
      said += value;
    }
    const url = /Serving .* at (http:\/\/127\.0\.0\.1:\d+)\n/.exec(said)?.[1] ?? assert.fail(said);
    await output.cancel();
    await use({ url, calls: `${folder}/calls.json`, child, model, data });
  });
}

export async function waitForProcess(child: Deno.ChildProcess): Promise<{ code: number; stderr: string }> {
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  return { code, stderr };
}
