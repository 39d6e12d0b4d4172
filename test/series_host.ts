/**
 * Process that runs commands many times for `command_series.ts`. Each line of standard input has the script
 * and arguments of a run. The process answers each run by a line of standard output with exit code and
 * output. Each run loads the command's script again, under another module name.
 * Imported modules stay loaded, and the device stays open. In a run, `Deno.exit` ends only the run.
 */

import process from "node:process";
import { createInterface } from "node:readline";

const [exit, log, error] = [Deno.exit, console.log, console.error];
const [writeOut, writeError] = [process.stdout.write, process.stderr.write];

class Exit extends Error {}

const encoder = new TextEncoder();
const own = new WritableStream<string>({
  write(line) {
    let left = encoder.encode(line);
    while (left.length > 0) left = left.subarray(Deno.stdout.writeSync(left));
  },
}).getWriter();

export interface SeriesRequest {
  /** URL of the command's script. */
  readonly module: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

const home = Deno.cwd();

async function run(number: number, { module, args, cwd = home }: SeriesRequest) {
  Deno.chdir(cwd); // an earlier run may have had another folder, or another folder may have this name now
  const said = { stdout: "", stderr: "" };
  const take = (stream: keyof typeof said) => (text: string | Uint8Array) => {
    said[stream] += typeof text === "string" ? text : new TextDecoder().decode(text);
    return true;
  };
  const text = (what: readonly unknown[]) => what.map(String).join(" ") + "\n";
  console.log = (...what: unknown[]) => void take("stdout")(text(what));
  console.error = (...what: unknown[]) => void take("stderr")(text(what));
  process.stdout.write = take("stdout");
  process.stderr.write = take("stderr");
  Object.defineProperty(Deno, "args", { value: args, configurable: true });
  const ended = Promise.withResolvers<number>();
  Deno.exit = (code = 0) => {
    ended.resolve(code);
    throw new Exit();
  };
  import(`${module}?series=${number}`).catch((failure) => {
    if (failure instanceof Exit) return;
    said.stderr += `Uncaught ${failure instanceof Error ? failure.stack : failure}\n`;
    ended.resolve(1);
  });
  const code = await ended.promise;
  const result = { code, ...said };
  [console.log, console.error] = [log, error];
  [process.stdout.write, process.stderr.write] = [writeOut, writeError];
  return result;
}

keepDevice();
let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  await own.write(JSON.stringify(await run(number++, JSON.parse(line))) + "\n");
}
exit(0);

function keepDevice(): void {
  const { gpu } = navigator;
  const [adapters, devices] = [GPUAdapter.prototype, GPUDevice.prototype];
  const { requestDevice } = adapters;
  const { createShaderModule, createComputePipeline } = devices;
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  let adapter: Promise<GPUAdapter | null> | undefined;
  gpu.requestAdapter = (options) => adapter ??= requestAdapter(options); // all runs share one adapter
  const opened = new Map<string, Promise<GPUDevice>>();
  adapters.requestDevice = function (descriptor) {
    const key = JSON.stringify(descriptor);
    const device = opened.get(key) ?? requestDevice.call(this, descriptor);
    opened.set(key, device);
    return device;
  };
  devices.destroy = () => undefined;
  const modules = new Map<GPUDevice, Map<string, GPUShaderModule>>();
  const pipelines = new Map<GPUShaderModule, GPUComputePipeline>();
  devices.createShaderModule = function (descriptor) {
    const known = modules.get(this) ?? new Map<string, GPUShaderModule>();
    modules.set(this, known);
    const key = `${descriptor.label}\n${descriptor.code}`;
    const module = known.get(key) ?? createShaderModule.call(this, descriptor);
    known.set(key, module);
    return module;
  };
  devices.createComputePipeline = function (descriptor) {
    const { module } = descriptor.compute; // each module has one pipeline layout, as in Gpu.pipeline
    const pipeline = pipelines.get(module) ?? createComputePipeline.call(this, descriptor);
    pipelines.set(module, pipeline);
    return pipeline;
  };
}
