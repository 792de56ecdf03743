/** One thing that is wrong with the settings, where it stands, and what to write instead. */
export interface Problem {
  /** `mesh.yaml:3:9`, or `command line` for what did not come from a file. */
  readonly at: string;
  readonly message: string;
}

/** How a problem is shown: `mesh.yaml:3:9: unknown key 'prot' in service (did you mean 'port'?)`. */
export const showProblem = (problem: Problem): string => `${problem.at}: ${problem.message}`;

/** Thrown by `loadSettings` with everything that is wrong, in the order of the file. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(showProblem).join('\n'));
    this.problems = problems;
  }
}
