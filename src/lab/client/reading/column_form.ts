/** Asks which columns of a log hold what, where they are not called as `data example` calls them. */

import {
  exampleColumns,
  guessColumns,
  hasColumns,
  type Role,
  ROLES,
} from "../../../data/long_log/columns.ts";
import { element } from "../elements.ts";
import type { ChosenColumns, OwnFile } from "../own_file.ts";
import { type LogFiles, lookAt } from "./look.ts";

/** The form, which stands in the page. */
export interface ColumnForm {
  readonly element: HTMLElement;
  /** @returns undefined where a column is still to be chosen: the form says which, and brings it into view. */
  read(): ChosenColumns | undefined;
}

/** How each is asked for; whether it may be left out, and what that means. */
interface Asked {
  readonly about: string;
  readonly none?: string;
}

const ASKED: Readonly<Record<Role, Asked>> = {
  user: { about: "The user's id." },
  time: { about: "When the page was shown: a number since 1970, or ISO 8601." },
  item: { about: "The displayed item's id." },
  clicked: { about: "Whether it was clicked: 1, true or yes; 0, false or no." },
  page: { about: "The page's id.", none: "none: by time" },
  position: { about: "The item's place on the page.", none: "none: by id" },
};

/** @returns undefined where nothing is to be asked. @throws UserError for files that cannot be used. */
export async function columnForm(files: readonly OwnFile[]): Promise<ColumnForm | undefined> {
  const found = await lookAt(files);
  if (found.kind !== "log" || found.log.fields.length === 0) return undefined;
  const { log: { fields }, items } = found;
  const usual = exampleColumns(fields);
  const isUsual = hasColumns(fields, usual) && (!items || items.fields.includes(usual.item));
  return isUsual ? undefined : formOf(found);
}

function formOf({ log, items }: LogFiles): ColumnForm {
  const guess = guessColumns(log.fields);
  const ofLog = ROLES.map((role) => new Question(role, ASKED[role], log.fields, guess[role]));
  const key = items && new Question(
    "features-key",
    { about: "The item's id, as the log has it." },
    items.fields,
    items.fields.find((name) => name === guess.item) ?? guessColumns(items.fields).item,
  );
  const asked = [...ofLog, ...key ? [key] : []];
  const command = element("code", { class: "command" });
  const fault = element("p", { class: "error", role: "alert" });
  const tell = () => {
    const words = [
      ...["--source", log.path],
      ...ofLog.flatMap((question) => question.words),
      ...items && key ? ["--features", items.path, ...key.words] : [],
    ];
    command.textContent = ["deno task data log", ...words.map(shellWord)].join(" ");
  };
  tell();
  const group = (file: OwnFile, about: string, questions: readonly Question[]) =>
    element(
      "fieldset",
      { class: "columns" },
      element("legend", {}, `Columns of ${file.path}`),
      element("p", { class: "about", role: "status" }, about),
      ...questions.map((question) => question.element),
    );
  return {
    element: element(
      "div",
      { onchange: tell },
      group(log, "A row is a displayed item. Which column holds what?", ofLog),
      ...items && key
        ? [group(items, "A row is what is known of an item. Which column has its id?", [key])]
        : [],
      fault,
      element("p", { class: "about" }, "It is read as by this command:"),
      command,
    ),
    read() {
      const missing = asked.filter((question) => question.isMissing);
      fault.textContent = missing.length > 0
        ? `Expected a column for ${missing.map(({ name }) => name).join(", ")}. Choose it.`
        : "";
      missing[0]?.select.focus();
      if (missing.length > 0) return undefined;
      const of = (role: Role) => ofLog.find(({ name }) => name === role)?.value;
      const { user = "", time = "", item = "", clicked = "", page, position } = Object.fromEntries(
        ROLES.map((role) => [role, of(role) || undefined]),
      );
      return { log: { user, time, item, clicked, page, position }, itemKey: key?.value };
    },
  };
}

/** A column that is asked for, by the name of the command's option. */
class Question {
  readonly element: HTMLElement;
  readonly select: HTMLSelectElement;

  constructor(
    readonly name: string,
    private readonly asked: Asked,
    fields: readonly string[],
    guess: string | undefined,
  ) {
    const id = `column-${name}`;
    this.select = element(
      "select",
      { id, "aria-describedby": `${id}-about`, onchange: () => void this.isMissing },
      element("option", { value: "" }, asked.none ?? "choose"),
      ...fields.map((field) => element("option", { value: field, selected: field === guess }, field)),
    );
    this.element = element(
      "div",
      { class: "field" },
      element("label", { for: id }, `--${name}`),
      this.select,
      element("p", { class: "about", id: `${id}-about` }, asked.about),
    );
  }

  get value(): string {
    return this.select.value;
  }

  /** As they are typed. */
  get words(): string[] {
    return this.value === "" ? [] : [`--${this.name}`, this.value];
  }

  /** Whether it must be chosen and is not: it looks so, then. */
  get isMissing(): boolean {
    const missing = this.value === "" && this.asked.none === undefined;
    this.select.setAttribute("aria-invalid", String(missing));
    return missing;
  }
}

function shellWord(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
