import assert from "node:assert/strict";
import { EXIT_FAULT, EXIT_USER_ERROR, exitCodeOf } from "../src/cli/fail.ts";
import { permissionFlags, runFolders } from "../src/cli/launch.ts";
import { cacheFolder, reportFolders } from "../src/cli/output_folders.ts";
import { type AdapterSummary, ensureAdapter, type Host } from "../src/cli/setup.ts";
import { UserError } from "../src/user_error.ts";
import { DRIVER_VARIABLES } from "../src/gpu/driver_threads.ts";

Deno.test("runFolders finds the folder to write to", () => {
  const cases: [string[], string[]][] = [
    [[], ["runs"]],
    [["--save-dir", "a b"], ["a b"]],
    [["--seed", "1", "--save-dir=x/y"], ["x/y"]],
    [["--save-dir=a", "--save-dir=b"], ["b"]],
    [["--resume", "old"], ["old"]],
    [["--resume=old", "--save-dir", "new"], ["old", "new"]],
    [["--resume=old", "--save-dir", "old"], ["old"]],
    [["--save-dir"], ["runs"]],
    [["--save-dir="], ["runs"]],
    [["--save-directory", "x"], ["runs"]],
    [["--", "--save-dir", "x"], ["runs"]],
  ];
  for (const [args, folders] of cases) assert.deepEqual(runFolders(args), folders, args.join(" "));
});

Deno.test("permissionFlags lets train write to its run folder and evaluate nowhere", () => {
  const write = (command: string, args: string[], cache?: string) =>
    permissionFlags(command, args, cache).filter((flag) => flag.startsWith("--allow-write"));
  assert.deepEqual(write("train", ["--save-dir", "x"]), ["--allow-write=x"]);
  assert.deepEqual(write("train", []), ["--allow-write=runs"]);
  assert.throws(() => write("train", ["--save-dir", "a,b"]), /without a comma in its path, found a,b\./);
  assert.deepEqual(write("train", ["--resume", "a", "--save-dir", "b"]), ["--allow-write=a,b"]);
  assert.deepEqual(write("train", ["--save-dir", "x"], "/c"), ["--allow-write=x,/c"]);
  assert.deepEqual(write("train", ["--save-dir", "x"], "/a,b"), ["--allow-write=x"]);
  assert.deepEqual(write("report", ["x"], "/c"), ["--allow-write=x"]);
  assert.deepEqual(write("evaluate", ["--save-dir", "x"]), []);
  assert.deepEqual(write("report", ["x/run"]), ["--allow-write=x/run"]);
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

Deno.test("reportFolders finds the folder that the page is written to", () => {
  const cases: [string[], string[]][] = [
    [[], []],
    [["a"], ["a"]],
    [["a/", "b"], ["a"]],
    [["/"], ["/"]],
    [["a", "--out", "b/c.html"], ["b"]],
    [["--out=c.html", "a"], ["."]],
    [["--out", "b/c.html", "a"], ["b"]],
    [["--", "--out"], ["--out"]],
    [["a", "--out"], ["a"]],
    [["--help"], []],
  ];
  for (const [args, folders] of cases) assert.deepEqual(reportFolders(args), folders, args.join(" "));
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
      /expected a command \(train or data or evaluate or report or reproduce\), found/,
    );
  }
});

Deno.test("the launcher ends with a message and exit code 1 when it does not know the command", async () => {
  const script = new URL("../src/cli/launch.ts", import.meta.url).href;
  const args = ["run", "--frozen", "--no-prompt", "--allow-run", "--allow-sys=uid", script, "trian"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.equal(code, EXIT_USER_ERROR);
  assert.equal(new TextDecoder().decode(stdout), "");
  assert.match(
    new TextDecoder().decode(stderr),
    /error: expected a command \(train or data or evaluate or report or reproduce\), found "trian"\n$/,
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
    await assert.rejects(ensureAdapter(host), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^no WebGPU adapter: expected a graphics driver/);
      assert.match(error.message, message);
      return true;
    });
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
