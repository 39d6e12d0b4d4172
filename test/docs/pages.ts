/** The Markdown pages of the repository: their links, headings and commands. */

const root = new URL("../../", import.meta.url);

export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** A command as a page shows it. */
export interface ShownCommand {
  readonly page: string;
  /** "train". */
  readonly task: string;
  readonly args: readonly string[];
  /** As it stands, without its comment. */
  readonly line: string;
}

/** All pages, sorted. */
export function pages(): Page[] {
  const found: Page[] = [];
  const walk = (folder: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
      const hidden = name.startsWith(".") || ["node_modules", "runs", "out"].includes(name);
      if (isDirectory && !hidden) walk(`${folder}${name}/`);
      if (name.endsWith(".md")) found.push({ path: folder + name, text: read(folder + name) });
    }
  };
  walk("./");
  return found.map((page) => ({ ...page, path: page.path.slice(2) })).sort((a, b) =>
    a.path < b.path ? -1 : 1
  );
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, root));
}

/** Relative links that lead nowhere: to no file, or to no heading of it. */
export function brokenLinks({ path, text }: Page): string[] {
  const prose = text.replace(/```[^]*?```/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "").filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const at = file === "" ? new URL(path, root) : new URL(file, new URL(path, root));
    try {
      const page = Deno.statSync(at).isDirectory ? new URL(`${at.href.replace(/\/$/, "")}/README.md`) : at;
      return anchor !== undefined && !anchors(Deno.readTextFileSync(page)).includes(anchor);
    } catch {
      return true;
    }
  });
}

/** What a heading is linked by. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading ?? "").toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

/** The commands in the shell blocks of a page, in order. */
export function shownCommands({ path, text }: Page): ShownCommand[] {
  return [...text.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) =>
    (block ?? "").split("\n").flatMap((full) => {
      const line = full.replace(/\s#.*$/, "").trim();
      const [, command] = line.match(/^(?:npx -y deno@[\d.]+|deno) task (.*)$/) ?? [];
      if (command === undefined) return [];
      const [task = "", ...args] = shellWords(command);
      return [{ page: path, task, args, line }];
    })
  );
}

/** Words as a shell would read them; of quotes only simple ones. */
function shellWords(line: string): string[] {
  const words = line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g);
  return [...words].map(([, single, double, plain]) => single ?? double ?? plain ?? "");
}
