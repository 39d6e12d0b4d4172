/** Asks which columns of a log hold what, where they are not called as `data example` calls them. */

import {
  exampleColumns,
  guessColumns,
  hasColumns,
  type LogColumns,
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
const ASKED: Readonly<Record<Role, { readonly about: string; readonly none?: string }>> = {
  user: { about: "The user's id." },
  time: { about: "When the page was shown: a number since 1970, or ISO 8601." },
  item: { about: "The displayed item's id." },
  clicked: { about: "Whether it was clicked: 1, true or yes; 0, false or no." },
  page: { about: "The page's id.", none: "none: by time" },
  position: { about: "The item's place on the page.", none: "none: by id" },
};

/** @returns undefined where nothing is to be asked */
export async function columnForm(files: readonly OwnFile[]): Promise<ColumnForm | undefined> {
  const found = await lookAt(files);
  if (found.kind !== "log" || found.fields.length === 0) return undefined;
  return hasColumns(found.fields, exampleColumns(found.fields)) ? undefined : formOf(found);
}

function formOf({ log, fields }: LogFiles): ColumnForm {
  const guess = guessColumns(fields);
  const asked = ROLES.map((role) => new Question(role, fields, guess[role] ?? ""));
  const command = element("code", { class: "command" });
  const fault = element("p", { class: "error", role: "alert" });
  const columns = () => Object.fromEntries(asked.map(({ role, value }) => [role, value || undefined]));
  const tell = () => {
    const words = asked.flatMap(({ role, value }) => value === "" ? [] : [`--${role}`, value]);
    command.textContent = ["deno task data log --source", ...[log.path, ...words].map(shellWord)].join(" ");
  };
  tell();
  return {
    element: element(
      "fieldset",
      { class: "columns", onchange: tell },
      element("legend", {}, `Columns of ${log.path}`),
      element("p", { class: "about", role: "status" }, "Which column holds what? A row is a displayed item."),
      ...asked.map((question) => question.element),
      fault,
      element("p", { class: "about" }, "It is read as by this command:"),
      command,
    ),
    read() {
      const missing = asked.filter((question) => question.isMissing);
      fault.textContent = missing.length > 0
        ? `Expected a column for ${missing.map(({ role }) => role).join(", ")}. Choose it.`
        : "";
      missing[0]?.select.focus();
      return missing.length > 0 ? undefined : { log: columns() as unknown as LogColumns, itemKey: undefined };
    },
  };
}

class Question {
  readonly element: HTMLElement;
  readonly select: HTMLSelectElement;

  constructor(readonly role: Role, fields: readonly string[], guess: string) {
    const id = `column-${role}`;
    const { about, none } = ASKED[role];
    this.select = element(
      "select",
      { id, "aria-describedby": `${id}-about`, onchange: () => void this.isMissing },
      element("option", { value: "" }, none ?? "choose"),
      ...fields.map((name) => element("option", { value: name, selected: name === guess }, name)),
    );
    this.element = element(
      "div",
      { class: "field" },
      element("label", { for: id }, `--${role}`),
      this.select,
      element("p", { class: "about", id: `${id}-about` }, about),
    );
  }

  get value(): string {
    return this.select.value;
  }

  /** Whether it must be chosen and is not: it looks so, then. */
  get isMissing(): boolean {
    const missing = this.value === "" && ASKED[this.role].none === undefined;
    this.select.setAttribute("aria-invalid", String(missing));
    return missing;
  }
}

function shellWord(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
