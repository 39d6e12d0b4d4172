/** What is measured of an adapter by the lab, screen by screen, and how it is told. */

export const surveyParts = ["training", "step", "ladders", "selftest"] as const;
export type SurveyPart = typeof surveyParts[number];

/** What whoever surveys is given, as JSON. */
export interface Survey {
  readonly parts: readonly SurveyPart[];
  /** Names of ladders; undefined for all. */
  readonly ladders?: readonly string[];
  /** Whose kernels the self-test tries. */
  readonly shapes: "cpu" | "gpu" | "both";
  /** Of steps, in the training. */
  readonly seconds: number;
  /** Of the adapter, in the file; "" for what it calls itself. */
  readonly name: string;
  /** With the page's files: see sides.ts. */
  readonly folder: string;
  /** The file that is made. */
  readonly file: string;
  /** The browser, and whether it leaves a GPU alone; of no account elsewhere. */
  readonly chromium: string;
  readonly software: boolean;
}

/** What has gone wrong, by part; the file has the rest. */
export type Faults = Partial<Record<SurveyPart, readonly string[]>>;

/** What a line of standard error begins with that stays to be read; others tell how far a survey is. */
export const LASTING = "- ";

export function tell(part: SurveyPart, text: string): void {
  console.error(`${part}: ${text}`);
}

/** What has come of something. */
export function report(part: SurveyPart, text: string): void {
  console.error(`${LASTING}${part}: ${text}`);
}

/** Does the parts that are wanted, whatever becomes of each. @returns what went wrong */
export async function surveyAll(
  { parts }: Pick<Survey, "parts">,
  work: Readonly<Record<SurveyPart, () => Promise<readonly string[]>>>,
): Promise<Faults> {
  const faults: Faults = {};
  for (const part of parts) {
    const began = performance.now();
    try {
      const wrong = await work[part]();
      if (wrong.length > 0) faults[part] = wrong;
    } catch (error) {
      faults[part] = [error instanceof Error ? error.message : String(error)];
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    report(part, `${faults[part] ? "has gone wrong" : "done"}, ${seconds} s`);
  }
  return faults;
}
