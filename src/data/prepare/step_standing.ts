/** How far a preparation is. It has a file of its own so that its display does not load the engine, which has 140 MB. */
export interface StepStanding {
  readonly title: string;
  /** Number of the step in its script, from 1, and how many there are; 0 of 0 for work that is no step of it. */
  readonly number: number;
  readonly of: number;
  /** Rounds of a repeated step that are done, and all of them; 0 of 1 otherwise. */
  readonly round: number;
  readonly rounds: number;
}
