import assert from "node:assert/strict";
import fc from "fast-check";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { endOfChild } from "../../src/cli/launch.ts";
import {
  cacheFolder,
  DEFAULT_RUN_FOLDER,
  permissionFlags,
  reportFolders,
  runFolders,
} from "../../src/cli/permissions.ts";
import { EXIT_FAULT, EXIT_USER_ERROR, exitCodeOf } from "../../src/cli/fail.ts";
import { parseTrainOptions, type TrainOptions } from "../../src/commands/train/train_options.ts";
import { type AdapterSummary, CHILD_ENVIRONMENT, ensureAdapter, type Host } from "../../src/cli/setup.ts";
import { UserError } from "../../src/user_error.ts";
import { DRIVER_VARIABLES } from "../../src/gpu/host/driver_threads.ts";
import { filesIn, runCommand, withSmallLog, words } from "../command_check.ts";
import { userError } from "../run/folder_check.ts";

/** Arguments, and the folders that a command with them writes to. */
const FOLDERS: [of: typeof runFolders, ...cases: [args: string, folders: string][]][] = [
  [
    runFolders,
    ["", "runs"],
    ["--save-dir a_b", "a_b"],
    ["--seed 1 --save-dir=x/y", "x/y"],
    ["--save-dir=a --save-dir=b", "b"],
    ["--resume old", "old"],
    ["--resume=old --save-dir new", "old new"],
    ["--resume=old --save-dir old", "old"],
    ["--save-dir", "runs"],
    ["--save-dir=", "runs"],
    ["--save-directory x", "runs"],
    ["-- --save-dir x", "runs"],
  ],
  [
    reportFolders,
    ["", ""],
    ["a", "a"],
    ["a/ b", "a"],
    ["/", "/"],
    ["a --out b/c.html", "b"],
    ["--out=c.html a", "."],
    ["--out b/c.html a", "b"],
    ["-- --out", "--out"],
    ["a --out", "a"],
    ["--help", ""],
  ],
];

Deno.test("the folders that a run or a report is written to are found in the arguments", () => {
  const split = (line: string) => line === "" ? [] : words(line);
  for (const [foldersOf, ...cases] of FOLDERS) {
    for (const [args, folders] of cases) assert.deepEqual(foldersOf(split(args)), split(folders), args);
  }
});

Deno.test("the launcher and train read the same folders", () => {
  const words = ["--save-dir", "--save-dir=a", "--save-dir=", "--resume", "--resume=b", "--", "c", "", "-1"];
  const word = fc.constantFrom(...words, "--seed=3", "--no-report", "--adversarial", "9");
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      let options: TrainOptions;
      try {
        options = parseTrainOptions(args).options;
      } catch (error) {
        assert.ok(error instanceof UserError, String(error));
        return;
      }
      const folder = options.resume ?? options.saveDir ?? DEFAULT_RUN_FOLDER;
      assert.deepEqual(runFolders(args), [folder], args.join(" "));
    }),
    { numRuns: 2000, seed: 15 },
  );
});

Deno.test("a command may write to what its arguments name, and nowhere else", () => {
  const cases: [command: string, args: string, writes: string, cache?: string][] = [
    ["train", "--save-dir x", "x"],
    ["train", "--seed 1", "runs"],
    ["train", "--resume a --save-dir b", "a,b"],
    ["train", "--save-dir x", "x,/c", "/c"],
    ["train", "--save-dir x", "x", "/a,b"], // no flag can name it
    ["report", "x", "x", "/c"],
    ["report", "x/run", "x/run"],
    ["evaluate", "--save-dir x", ""],
    ["predict", "--out a/b.csv", "a/b.csv,a/.b.csv.clickgan-tmp"],
    ["predict", "--model x", ""],
    ["export", "--onnx=m.onnx", "m.onnx,.m.onnx.clickgan-tmp"],
  ];
  for (const [command, args, writes, cache] of cases) {
    const flags = permissionFlags(command, words(args), cache);
    const found = flags.filter((flag) => flag.startsWith("--allow-write"));
    assert.deepEqual(found, writes === "" ? [] : [`--allow-write=${writes}`], `${command} ${args}`);
  }
  assert.throws(
    () => permissionFlags("train", ["--save-dir", "a,b"]),
    /without a comma in its path, found a,b\./,
  );
  for (const flag of permissionFlags("train", [])) {
    assert.ok(!/^(-A|--allow-(all|run|net|ffi|sys))/.test(flag) && flag !== "--allow-env", flag);
  }
});

Deno.test("a command that computes may set how many threads llvmpipe has, and the user's own setting comes first", () => {
  const variables = (command: string) =>
    permissionFlags(command, []).find((flag) => flag.startsWith("--allow-env="))?.slice(12).split(",") ?? [];
  for (const name of DRIVER_VARIABLES) {
    assert.ok(variables("train").includes(name), name);
    assert.ok(!variables("report").includes(name), name);
  }
});

Deno.test("cacheFolder finds the user's cache", () => {
  const folder = (variables: Record<string, string>, os: typeof Deno.build.os) =>
    cacheFolder((name) => variables[name], os)?.replaceAll("\\", "/");
  assert.equal(folder({ HOME: "/home/ada" }, "linux"), "/home/ada/.cache/clickgan");
  assert.equal(folder({ HOME: "/home/ada", XDG_CACHE_HOME: "/c" }, "linux"), "/c/clickgan");
  assert.equal(folder({ HOME: "/home/ada", XDG_CACHE_HOME: "c" }, "linux"), "/home/ada/.cache/clickgan");
  assert.equal(folder({ HOME: "/home/ada", LOCALAPPDATA: "/local" }, "windows"), "/local/clickgan");
  assert.equal(folder({}, "linux"), undefined);
});

Deno.test("permissionFlags knows its commands", () => {
  for (const command of ["", "launch", "constructor"]) {
    assert.throws(
      () => permissionFlags(command, []),
      /expected a command \(train or .* or serve or .* or reproduce or tune or simulate or selftest\), found/,
    );
  }
});

Deno.test("the launcher ends with a message and exit code 1 when it does not know the command", async () => {
  const script = new URL("../../src/cli/launch.ts", import.meta.url).href;
  const args = ["run", ...DENO_FLAGS, "--no-prompt", "--allow-run", "--allow-sys=uid", script, "trian"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.equal(code, EXIT_USER_ERROR);
  assert.equal(new TextDecoder().decode(stdout), "");
  assert.match(
    new TextDecoder().decode(stderr),
    /error: expected a command \(train or .* or serve or .* or reproduce or tune or simulate or selftest\), found "trian"\n$/,
  );
});

/** A machine whose probes answer `answers` in turn. */
function machine(answers: (AdapterSummary | null)[], changes: Partial<Host> = {}) {
  const log: string[] = [];
  const host: Host = {
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

Deno.test("ensureAdapter does nothing when there is an adapter", async () => {
  const { host, log } = machine([llvmpipe]);
  assert.deepEqual(await ensureAdapter(host), llvmpipe);
  assert.deepEqual(log, []);
});

Deno.test("ensureAdapter installs a software driver as root, and says so first", async () => {
  const { host, log } = machine([null, llvmpipe]);
  assert.deepEqual(await ensureAdapter(host), llvmpipe);
  assert.match(log[0] ?? "", /installing libvulkan1 and mesa-vulkan-drivers/);
  assert.deepEqual(log.slice(1), [
    "apt-get update",
    "apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers",
  ]);
});

Deno.test("ensureAdapter says what to do when there is no adapter", async () => {
  const command = /sudo apt-get update && sudo apt-get install -y libvulkan1 mesa-vulkan-drivers/;
  const cases: [Partial<Host>, RegExp][] = [
    [{ isRoot: () => false }, command],
    [{ aptGet: () => Promise.reject(new Deno.errors.NotFound()) }, command],
    [{ aptGet: () => Promise.resolve({ success: false, output: "E: no network" }) }, command],
    [{}, /are installed, but Vulkan still finds no driver.*VK_DRIVER_FILES/],
    [{ os: "darwin" }, /Metal comes with macOS/],
    [{ os: "windows" }, /DirectX 12/],
  ];
  for (const [changes, message] of cases) {
    const { host } = machine([], changes);
    await assert.rejects(
      ensureAdapter(host),
      userError(/^no WebGPU adapter: expected a graphics driver/, message),
    );
  }
});

Deno.test("ensureAdapter shows all of apt-get's output when it fails", async () => {
  const aptGet: Host["aptGet"] = ([verb]) => Promise.resolve({ success: false, output: `E: ${verb} failed` });
  const { host, log } = machine([], { aptGet });
  await assert.rejects(ensureAdapter(host), UserError);
  assert.match(
    log.join("\n"),
    /\$ apt-get update\nE: update failed\n\$ apt-get install .*\nE: install failed/,
  );
});

Deno.test("exitCodeOf tells mistakes of the user from faults", async () => {
  const run = async (main: () => Promise<number | void>) => {
    const said: string[] = [];
    return { code: await exitCodeOf(main, (text) => said.push(text)), said };
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
  assert.match(fault.said[1] ?? "", /please report it/);
});

/** Starts `train` by the launcher, in a folder, and waits until it trains. @returns also what it says from then on. */
async function launchTraining(folder: string, data: string) {
  const script = new URL("../../src/cli/launch.ts", import.meta.url).href;
  const run = `${folder}/run`;
  const sizes = ["--batch-size", "12", "--dims", "8", "--lstm-units", "4"];
  const args = ["--data", data, "--save-dir", run, ...sizes, "--no-calibration"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", ...DENO_FLAGS, "--no-prompt", "--allow-run", "--allow-sys=uid", "--allow-env=npm_command"],
      ...[script, "train", ...args, "--iterations", "1000000", "--no-report"],
    ],
    env: { NO_COLOR: "1", HOME: "" }, // no cache: what is begun here is not to stay
    clearEnv: false,
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
  while (!filesIn(run).includes("last.safetensors")) await new Promise((done) => setTimeout(done, 50));
  const holder = /process (\d+) \(train /.exec(Deno.readTextFileSync(`${run}/.clickgan.lock`));
  const [, trainer] = holder ?? assert.fail("expected the lock to say who holds it"); // process 0 would be all of us
  return { child, run, trainer: Number(trainer), rest: () => read(/(?!)/) };
}

Deno.test("a command that is killed is told of, with the way to go on", () =>
  withSmallLog(async (folder, data) => {
    const { child, run, trainer, rest } = await launchTraining(folder, data);
    Deno.kill(trainer, "SIGKILL");
    const said = await rest();
    assert.equal((await child.status).code, 137, said);
    assert.match(said, /error: train was ended by SIGKILL: it was killed, by somebody or by the system/);
    assert.ok(said.includes(`Go on with: deno task train --resume ${run}`), said);
    const { code, stderr } = await runCommand("train", "--resume", run, "--iterations", "1");
    assert.equal(code, 0, stderr); // the folder is free, and what was saved is whole
  }));

Deno.test("a command whose launcher is killed saves what it has, and ends", () =>
  withSmallLog(async (folder, data) => {
    const { child, run, rest } = await launchTraining(folder, data);
    const beside = await runCommand("train", "--resume", run);
    assert.equal(beside.code, 1);
    assert.match(beside.stderr, /run is being written by process \d+ \(train --data .* since .* UTC\)/);
    child.kill("SIGKILL");
    await child.status;
    assert.match(await rest(), /Stopped after iteration \d+; everything is saved/);
    assert.ok(!filesIn(run).includes(".clickgan.lock"));
  }));

Deno.test(
  "a command that hangs is ended by a second Ctrl-C",
  { ignore: Deno.build.os === "windows" },
  () =>
    withSmallLog(async (folder, data) => {
      const { child, trainer, rest } = await launchTraining(folder, data);
      Deno.kill(trainer, "SIGSTOP"); // hears nothing any more
      child.kill("SIGINT");
      // Within a second of the first it would be the same one, and a busy machine may hear the first late.
      await new Promise((done) => setTimeout(done, 3000));
      child.kill("SIGINT");
      assert.match(await rest(), /train was ended by SIGKILL/);
      assert.equal((await child.status).code, 137);
    }),
);

Deno.test("serve may listen on its port of this machine alone", () => {
  const net = (...args: string[]) =>
    permissionFlags("serve", args).filter((flag) => /^--allow-(net|all|run|sys)/.test(flag));
  assert.deepEqual(net(), ["--allow-net=127.0.0.1:8750"]);
  assert.deepEqual(net("--port", "0"), ["--allow-net=127.0.0.1:0"]);
  assert.deepEqual(net("--port=9,example.org"), ["--allow-net=127.0.0.1:8750"]);
  assert.deepEqual(net("--port", "70000"), ["--allow-net=127.0.0.1:8750"]);
});

Deno.test("no other command may use the network, and no task asks for updates", async () => {
  const commands = words("train evaluate predict recommend export data report reproduce tune selftest");
  for (const command of commands) {
    const flags = permissionFlags(command, ["log", "--save-dir", "x", "--out", "y", "z"], "/cache");
    assert.ok(!flags.some((flag) => /allow-(net|all|run|sys)|^-[AN]$/.test(flag)), flags.join(" "));
  }
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const [name, { command }] of Object.entries<{ command: string }>(tasks)) {
    if (/deno (run|test) /.test(command)) assert.match(command, /^DENO_NO_UPDATE_CHECK=1 /, name);
  }
  assert.equal(CHILD_ENVIRONMENT.DENO_NO_UPDATE_CHECK, "1");
});

Deno.test("endOfChild says how a policy's training, and rounds, are gone on with", () => {
  const of = (command: string, resumed?: string) => endOfChild(command, "SIGKILL", resumed) ?? "";
  assert.match(of("policy train", "--resume runs/p"), /Go on with: deno task policy train --resume runs\/p$/);
  assert.match(of("policy round"), /What was saved is whole\. Go on with the same command\.$/);
  assert.match(of("policy compare"), /Nothing was changed/);
});

Deno.test("endOfChild says nothing of a command that told its own end or was asked to end", () => {
  assert.equal(endOfChild("train", null, undefined), undefined);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    assert.equal(endOfChild("train", signal, undefined), undefined);
  }
  assert.match(
    endOfChild("evaluate", "SIGSEGV", undefined) ?? "",
    /crashed, most likely in the graphics driver/,
  );
  assert.match(endOfChild("reproduce", "SIGABRT", undefined) ?? "", /Go on with the same command/);
});

Deno.test("a command may start processes only for jobs side by side", () => {
  const mayRun = (...args: string[]) =>
    permissionFlags("train", args).some((flag) => flag.startsWith("--allow-run"));
  assert.deepEqual([mayRun("--seeds", "2"), mayRun("--jobs", "1"), mayRun("--seeds", "2", "--jobs=2")], [
    false,
    false,
    true,
  ]);
  assert.ok(permissionFlags("tune", ["--jobs", "2"]).includes(`--allow-run=${Deno.execPath()}`));
});
