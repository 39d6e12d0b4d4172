/**
 * Checks that WebGPU finds an adapter. If there is none, installs Mesa's software driver (as root on Debian
 * or Ubuntu), or prints what the user should install.
 */

import { UserError } from "../user_error.ts";
import { runMain } from "./run_main.ts";

export interface AdapterSummary {
  /** Name of the adapter, such as "llvmpipe (LLVM 19.1.7, 256 bits)". */
  description: string;
  software: boolean;
}

/** Operations of the machine that {@link ensureAdapter} calls. Tests replace them by mocks. */
export interface SetupHost {
  readonly os: typeof Deno.build.os;
  isRoot(): boolean;
  /** Starts a new process, and returns the WebGPU adapter that it finds, or null. */
  probe(): Promise<AdapterSummary | null>;
  /** Runs apt-get and captures its output. @throws {Deno.errors.NotFound} if the system has no apt-get */
  aptGet(args: readonly string[]): Promise<{ success: boolean; output: string }>;
  say(text: string): void;
}

/**
 * Environment variables of every process that uses WebGPU. They exclude OpenGL, which would silently replace
 * a missing Vulkan driver: kernels are tested only on Vulkan, Metal and DirectX 12.
 */
export const GPU_ENVIRONMENT: Readonly<Record<string, string>> = { DENO_WEBGPU_BACKEND: "vulkan,metal,dx12" };

/** Environment variables of every child process: Deno must not look for a newer version of Deno. */
export const CHILD_ENVIRONMENT: Readonly<Record<string, string>> = { DENO_NO_UPDATE_CHECK: "1" };

const PACKAGES = ["libvulkan1", "mesa-vulkan-drivers"];
const COMMAND = `sudo apt-get update && sudo apt-get install -y ${PACKAGES.join(" ")}`;

/** Returns the WebGPU adapter; if there is no adapter, installs a driver. @throws {UserError} on failure */
export async function ensureAdapter(host: SetupHost = THIS_HOST): Promise<AdapterSummary> {
  const found = await host.probe();
  if (found !== null) return found;
  if (host.os !== "linux") throw new UserError(noAdapter(DRIVERS[host.os] ?? "Install a Vulkan driver."));
  if (!host.isRoot()) throw new UserError(noAdapter(linuxAdvice()));
  await install(host);
  const installed = await host.probe();
  if (installed !== null) return installed;
  throw new UserError(
    noAdapter(
      `The packages ${PACKAGES.join(" and ")} are installed, but Vulkan still finds no driver. ` +
        "Check that VK_DRIVER_FILES and VK_ICD_FILENAMES, if set, name existing files, and run " +
        "`vulkaninfo --summary` (package vulkan-tools).",
    ),
  );
}

/** Folders in which the Vulkan loader on Linux looks for drivers. */
const DRIVER_FOLDERS = ["/usr/share", "/usr/local/share", "/etc", "/usr/local/etc"].map((folder) =>
  `${folder}/vulkan/icd.d`
);

/**
 * Returns true if WebGPU probably has a driver. The driver is not started, so the call takes under 1 ms. If
 * the driver fails later, an error advises `deno task setup`.
 */
export function hasDriver(): boolean {
  if (Deno.build.os !== "linux") return true;
  if (["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"].some((name) => Deno.env.get(name))) {
    return true;
  }
  return DRIVER_FOLDERS.some((folder) => {
    try {
      return Deno.readDirSync(folder).some(({ name }) => name.endsWith(".json"));
    } catch {
      return false; // the folder does not exist
    }
  });
}

async function install(host: SetupHost): Promise<void> {
  host.say(`No Vulkan driver found: installing ${PACKAGES.join(" and ")} with apt-get (about a minute) ...`);
  const steps = [["update"], ["install", "-y", "--no-install-recommends", ...PACKAGES]];
  let log = "";
  for (const args of steps) {
    const result = await host.aptGet(args).catch((error) => {
      throw error instanceof Deno.errors.NotFound
        ? new UserError(noAdapter(linuxAdvice()), { cause: error })
        : error;
    });
    log += `$ apt-get ${args.join(" ")}\n${result.output.trimEnd()}\n`;
    // The update fails if one of many sources fails. Only the installation must succeed.
    if (!result.success && args[0] === "install") {
      host.say(log);
      throw new UserError(noAdapter(`apt-get failed. Fix the errors above, then run: ${COMMAND}`));
    }
  }
}

function noAdapter(advice: string): string {
  return `Expected a driver for Vulkan, Metal or DirectX 12, but WebGPU found no adapter. ${advice}`;
}

function linuxAdvice(): string {
  return `Install a Vulkan driver for your graphics card, or Mesa. On Debian or Ubuntu, run: ${COMMAND}`;
}

const DRIVERS: Partial<Record<SetupHost["os"], string>> = {
  darwin: "macOS includes Metal, but most virtual machines cannot use Metal.",
  windows: "Install your graphics card's current driver, which includes DirectX 12.",
};

async function probeInChild(): Promise<AdapterSummary | null> {
  const script = new URL("./probe_adapter.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", script],
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT },
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  if (code === 0) return JSON.parse(new TextDecoder().decode(stdout));
  throw new UserError(
    `Expected a WebGPU adapter, but the process that searches for it failed with exit code ${code}, most ` +
      `likely in the graphics driver. Update the driver, or set VK_DRIVER_FILES to another. Its output:\n${
        new TextDecoder().decode(stderr).trim()
      }`,
  );
}

async function runAptGet(args: readonly string[]): Promise<{ success: boolean; output: string }> {
  const child = new Deno.Command("apt-get", {
    args: [...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
  });
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

const THIS_HOST: SetupHost = {
  os: Deno.build.os,
  isRoot: () => Deno.uid() === 0,
  probe: probeInChild,
  aptGet: runAptGet,
  say: (text) => console.error(text),
};

if (import.meta.main) {
  await runMain(async () => {
    const { description, software } = await ensureAdapter();
    console.error(`WebGPU adapter: ${description}${software ? " (software, computes on the CPU)" : ""}`);
  });
}
