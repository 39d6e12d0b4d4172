import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { describeProcess, describeSignal, readTask, type TaskName } from "../../src/cli/launch.ts";
import { getCacheFolder } from "../../src/cli/arguments.ts";
import { allowWrites, confineWrites, requireWritable } from "../../src/files/write_scope.ts";
import { EXIT_FAULT, EXIT_USER_ERROR, runToExitCode } from "../../src/cli/run_main.ts";
import type { AdapterSummary, SetupHost } from "../../src/cli/setup.ts";
import { CHILD_ENVIRONMENT, ensureAdapter } from "../../src/cli/setup.ts";
import { UserError } from "../../src/user_error.ts";
import { listFiles, runCommand, runCommandWith, runProcess } from "../command_check.ts";
import { splitArgs, withSmallLog } from "../command_check.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";
import config from "../../deno.json" with { type: "json" };

const LAUNCHED = (Object.keys(config.tasks) as TaskName[]).filter((name) =>
  /launch\.ts/.test(config.tasks[name].command)
);

Deno.test("a command may use the network only if it serves, and run native code or processes only if it needs them", () => {
  assert.equal(LAUNCHED.length, 13);
  const having = (flag: string) =>
    LAUNCHED.filter((name) => readTask(name).permissions.some((own) => own.startsWith(flag))).sort();
  assert.deepEqual(having("--allow-net"), ["serve"]);
  assert.deepEqual(having("--allow-net=127.0.0.1"), ["serve"]);
  assert.deepEqual(having("--allow-ffi"), ["data", "train"]);
  assert.deepEqual(having("--allow-run"), ["reproduce", "train", "tune"]);
  assert.deepEqual(having("-A").concat(having("--allow-all"), having("--allow-sys")), []);
});

Deno.test("no task checks for a newer Deno", () => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    if (/deno (run|test) /.test(command)) assert.match(command, /^DENO_NO_UPDATE_CHECK=1 /, name);
  }
  assert.equal(CHILD_ENVIRONMENT.DENO_NO_UPDATE_CHECK, "1");
});

Deno.test("a process writes to its outputs, within them and next to them, and nowhere else", () =>
  withEmptyFolder((folder) => {
    Deno.mkdirSync(`${folder}/real`);
    Deno.symlinkSync(`${folder}/real`, `${folder}/link`);
    confineWrites([`${folder}/run`, `${folder}/page.html`, `${folder}/link`]);
    try {
      const may = [
        "run",
        "run/a/b.csv",
        "page.html",
        ".page.html.clickgan-tmp",
        "page-returns.csv",
        ".run.clickgan.lock",
      ];
      for (const path of [...may, "real/x", "link/x"]) {
        assert.equal(requireWritable(`${folder}/${path}`), `${folder}/${path}`);
      }
      for (const path of ["", "other", "other/run", "run/../x", "a/page.html"]) {
        assert.throws(() => requireWritable(`${folder}/${path}`), /about to write to/);
      }
      allowWrites(`${folder}/other`);
      assert.ok(requireWritable(`${folder}/other/run`));
    } finally {
      confineWrites(undefined);
    }
    return Promise.resolve();
  }));

Deno.test("a command that would write outside the paths of its arguments is stopped", () =>
  withEmptyFolder(async (folder) => {
    const fault = `${folder}/fault.ts`;
    const scope = import.meta.resolve("../../src/files/atomic_write.ts");
    await Deno.writeTextFile(
      fault,
      `import { writeFileAtomically } from "${scope}"; import { parseTrainOptions } from "${
        import.meta.resolve("../../src/commands/train/train_options.ts")
      }"; import { runMain } from "${import.meta.resolve("../../src/cli/run_main.ts")}";
await runMain(() => { parseTrainOptions(Deno.args); return writeFileAtomically("${folder}/new", ""); });`,
    );
    const { args, env } = describeProcess("train", ["--save-dir", `${folder}/run`], fault);
    args.splice(1, 0, "--config", new URL("../../deno.json", import.meta.url).pathname);
    const { code, stderr } = await runProcess(new Deno.Command(Deno.execPath(), { args, env }));
    assert.notEqual(code, 0);
    assert.match(stderr, /about to write to/);
    assert.deepEqual(listFiles(folder), ["fault.ts"]);
  }));

Deno.test("cacheFolder finds the user's cache", () => {
  const folder = (variables: Record<string, string>, os: typeof Deno.build.os) =>
    getCacheFolder((name) => variables[name], os)?.replaceAll("\\", "/");
  assert.equal(folder({ HOME: "/home/ada" }, "linux"), "/home/ada/.cache/clickgan");
  assert.equal(folder({ HOME: "/home/ada", XDG_CACHE_HOME: "/c" }, "linux"), "/c/clickgan");
  assert.equal(folder({ HOME: "/home/ada", XDG_CACHE_HOME: "c" }, "linux"), "/home/ada/.cache/clickgan");
  assert.equal(folder({ HOME: "/home/ada", LOCALAPPDATA: "/local" }, "windows"), "/local/clickgan");
  assert.equal(folder({}, "linux"), undefined);
});

function machine(answers: (AdapterSummary | null)[], changes: Partial<SetupHost> = {}) {
  const log: string[] = [];
  const host: SetupHost = {
    os: "linux",
    isRoot: () => true,
    probe: () => Promise.resolve(answers.shift() ?? null),
    aptGet: (args) => {
      log.push(`apt-get ${args.join(" ")}`);
      return Promise.resolve({ success: true, output: "" });
    },
    say: (text) => log.push(text),
    ...changes,
  };
  return { host, log };
}

const llvmpipe: AdapterSummary = { description: "llvmpipe", software: true };

Deno.test("ensureAdapter announces and installs a software driver as root if there is no adapter", async () => {
  const found = machine([llvmpipe]);
  assert.deepEqual(await ensureAdapter(found.host), llvmpipe);
  assert.deepEqual(found.log, []);
  const { host, log } = machine([null, llvmpipe]);
  assert.deepEqual(await ensureAdapter(host), llvmpipe);
  assert.match(log[0] ?? "", /installing libvulkan1 and mesa-vulkan-drivers/);
  assert.deepEqual(log.slice(1), [
    "apt-get update",
    "apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers",
  ]);
});

Deno.test("ensureAdapter reports what to do without an adapter", async () => {
  const command = /sudo apt-get update && sudo apt-get install -y libvulkan1 mesa-vulkan-drivers/;
  const cases: [Partial<SetupHost>, RegExp][] = [
    [{ isRoot: () => false }, command],
    [{ aptGet: () => Promise.reject(new Deno.errors.NotFound()) }, command],
    [{ aptGet: () => Promise.resolve({ success: false, output: "E: no network" }) }, command],
    [{}, /are installed, but Vulkan still finds no driver.*VK_DRIVER_FILES/],
    [{ os: "darwin" }, /macOS includes Metal/],
    [{ os: "windows" }, /DirectX 12/],
  ];
  for (const [changes, message] of cases) {
    const { host } = machine([], changes);
    await assert.rejects(
      ensureAdapter(host),
      isUserError(/^Expected a driver .*, but WebGPU found no adapter/, message),
    );
  }
  const aptGet: SetupHost["aptGet"] = ([verb]) =>
    Promise.resolve({ success: false, output: `E: ${verb} failed` });
  const { host, log } = machine([], { aptGet });
  await assert.rejects(ensureAdapter(host), UserError);
  assert.match(log.join("\n"), /E: update failed\n[^]*E: install failed/);
});

Deno.test("exitCodeOf separates user mistakes from faults", async () => {
  const run = async (main: () => Promise<number | void>) => {
    const said: string[] = [];
    return { code: await runToExitCode(main, (text) => said.push(text)), said };
  };
  assert.deepEqual(await run(() => Promise.resolve()), { code: 0, said: [] });
  assert.deepEqual(await run(() => Promise.resolve(3)), { code: 3, said: [] });
  assert.deepEqual(await run(() => Promise.reject(new UserError("no data"))), {
    code: EXIT_USER_ERROR,
    said: ["error: no data"],
  });
  const fault = await run(() => Promise.reject(new TypeError("oops")));
  assert.equal(fault.code, EXIT_FAULT);
  assert.match(fault.said[0] ?? "", /TypeError: oops\n +at /);
  assert.match(fault.said[1] ?? "", /Please report it/);
});

/** Starts `train` by the launcher, and waits until it trains. @returns the process and its later output */
async function launchTraining(folder: string, data: string) {
  const script = new URL("../../src/cli/launch.ts", import.meta.url).href;
  const run = `${folder}/run`;
  const { permissions, module } = readTask("train");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", ...DENO_FLAGS, "--no-prompt", "-A", script, ...permissions, module, "--data", data],
      ...splitArgs(`--save-dir ${run} --batch-size 12 --dims 8 --lstm-units 4 --no-autotune --no-report`),
      ...splitArgs("--iterations 1000000 --early-stopping none"),
    ],
    env: { NO_COLOR: "1", HOME: "" }, // no cache, so that no file of this training remains
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const errors = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  const read = async (until: RegExp) => {
    while (!until.test(said)) {
      const { value, done } = await errors.read();
      if (done) break;
      said += value;
    }
    return said;
  };
  assert.match(await read(/run: /), /run: /);
  while (!listFiles(run).includes("last.safetensors")) await new Promise((done) => setTimeout(done, 50));
  const holder = /process (\d+) \(train /.exec(Deno.readTextFileSync(`${run}/.clickgan.lock`));
  const [, trainer] = holder ?? assert.fail("expected the lock to say who holds it"); // 0 is the group
  return { child, run, trainer: Number(trainer), rest: () => read(/(?!)/) };
}

Deno.test("a killed command is reported with the way to resume", () =>
  withSmallLog(async (folder, data) => {
    const { child, run, trainer, rest } = await launchTraining(folder, data);
    Deno.kill(trainer, "SIGKILL");
    const said = await rest();
    assert.equal((await child.status).code, 137, said);
    assert.match(said, /error: train was ended by SIGKILL: it was killed by .* --resume FOLDER/);
    const { code, stderr } = await runCommand("train", "--resume", run, "--iterations", "1");
    assert.equal(code, 0, stderr); // the folder is unlocked, and saved files are complete
  }));

Deno.test("a command whose launcher is killed saves its state and ends", () =>
  withSmallLog(async (folder, data) => {
    const { child, run, rest } = await launchTraining(folder, data);
    const second = await runCommand("train", "--resume", run);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /run is being written by process \d+ \(train --data .* since .* UTC\)/);
    child.kill("SIGKILL");
    await child.status;
    assert.match(await rest(), /Interrupted after iteration \d+; everything is saved/);
    assert.ok(!listFiles(run).includes(".clickgan.lock"));
  }));

Deno.test(
  "a second Ctrl-C ends a command that hangs",
  { ignore: Deno.build.os === "windows" },
  () =>
    withSmallLog(async (folder, data) => {
      const { child, trainer, rest } = await launchTraining(folder, data);
      Deno.kill(trainer, "SIGSTOP"); // handles no more signals
      child.kill("SIGINT");
      // Within a second, a Ctrl-C counts as the first one, which a busy machine may handle late.
      await new Promise((done) => setTimeout(done, 3000));
      child.kill("SIGINT");
      assert.match(await rest(), /train was ended by SIGKILL/);
      assert.equal((await child.status).code, 137);
    }),
);

Deno.test("a signal that ended a process is described, unless the user stopped the process", () => {
  for (const signal of [null, "SIGINT", "SIGTERM", "SIGHUP"] as const) {
    assert.equal(describeSignal(signal), undefined);
  }
  assert.match(describeSignal("SIGSEGV") ?? "", /SIGSEGV: it crashed, most likely in the graphics driver/);
  assert.match(describeSignal("SIGQUIT") ?? "", /SIGQUIT/);
});

const root = new URL("../../", import.meta.url);
/** Address where no server listens, so that an access to the network fails at once. */
const NOWHERE = "http://127.0.0.1:9";
const NO_NETWORK = {
  HTTPS_PROXY: NOWHERE,
  HTTP_PROXY: NOWHERE,
  NO_PROXY: "",
  ...CHILD_ENVIRONMENT,
  NO_COLOR: "1",
};

/** Dependency of a module. `code` is absent if only its types are used; such a module is not fetched. */
const dependencySchema = v.object({ code: v.optional(v.object({ specifier: v.optional(v.string(), "") })) });
const graphSchema = v.object({
  modules: v.array(v.object({
    ...{ specifier: v.string(), error: v.optional(v.string()) },
    dependencies: v.optional(v.array(dependencySchema), []),
  })),
  /** Packages listed in the lock file. */
  npmPackages: v.record(v.string(), v.object({ dependencies: v.array(v.string()) })),
});
async function listPackages(...modules: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const module of modules) {
    const args = ["info", "--json", ...DENO_FLAGS, module];
    const { code, stdout, stderr } = await runProcess(new Deno.Command(Deno.execPath(), { args, cwd: root }));
    assert.equal(code, 0, stderr);
    const graph = v.parse(graphSchema, JSON.parse(stdout));
    const add = (key: string) => {
      if (found.has(key)) return;
      found.add(key);
      const { dependencies } = graph.npmPackages[key] ?? assert.fail(`${key} is not in deno.lock`);
      dependencies.forEach(add);
    };
    for (const { specifier, error, dependencies } of graph.modules) {
      assert.equal(error, undefined, specifier);
      for (const { code } of dependencies) {
        const [, spec] = /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(code?.specifier ?? "") ?? [];
        if (spec !== undefined) add(spec);
      }
    }
  }
  return [...new Set([...found].map(getPackageName))];
}

/** @param key package in the lock file, such as @a/b@1.0.0_c@2.0.0 */
function getPackageName(key: string): string {
  return key.slice(0, key.indexOf("@", 1));
}

const HEAVY =
  /^(@duckdb\/|@tensorflow\/|@jax-js\/|@esbuild\/|onnxruntime-)|^(esbuild|playwright-core|chart\.js|fast-check)$/;

Deno.test("commands use few and small packages, data also its engine; the launcher and the set-up use none", async () => {
  assert.deepEqual(await listPackages("src/cli/launch.ts", "src/cli/setup.ts"), []);
  for (const name of LAUNCHED) {
    const packages = await listPackages(readTask(name).module);
    assert.ok(packages.includes("valibot"));
    const [engine, others] = [
      packages.filter((own) => HEAVY.test(own)),
      packages.filter((own) => !HEAVY.test(own)),
    ];
    assert.deepEqual(engine.filter((own) => name !== "data" || !own.startsWith("@duckdb/")), [], name);
    assert.equal(engine.length > 0, name === "data");
    assert.ok(others.length <= 20, `${name}: ${others.length} packages`);
  }
});

Deno.test("deno task downloads nothing, and each command only its own packages", async () => {
  const { nodeModulesDir, unstable, tasks } = config;
  assert.equal(nodeModulesDir, "manual");
  // Without this flag Deno fetches all packages of the lock file for any module.
  assert.ok(unstable.includes("npm-lazy-caching"));
  for (const [name, { command }] of Object.entries(tasks)) {
    if (!/\bdeno (run|test|check|cache)\b/.test(command)) continue;
    for (const flag of DENO_FLAGS) assert.ok(command.includes(` ${flag} `) || command.endsWith(flag), name);
  }
  await withEmptyFolder(async (DENO_DIR) => {
    const [args, env] = [["task", "--eval", "echo done"], { ...NO_NETWORK, DENO_DIR }];
    const { code, stderr } = await runProcess(new Deno.Command(Deno.execPath(), { args, env, cwd: root }));
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /Download|Warning/);
  });
});

Deno.test("packages that cannot be fetched end a command with Deno's message and a failure", () =>
  withEmptyFolder(async (DENO_DIR) => {
    const env = { ...NO_NETWORK, DENO_DIR };
    const { code, stderr } = await runCommandWith(env, "train", "--help");
    assert.notEqual(code, 0);
    assert.match(stderr, /error: .*npm package/);
  }));
