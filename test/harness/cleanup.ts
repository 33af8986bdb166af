// What was made is unmade in reverse order, whatever failed in between.

export type CleanupStep = () => Promise<void> | void;

interface NamedStep {
  readonly name: string;
  readonly run: CleanupStep;
}

export class Cleanup {
  readonly #steps: NamedStep[] = [];

  /** Registered before the thing is made, a step must also work on a thing that was never made. */
  add(name: string, run: CleanupStep): void {
    this.#steps.push({ name, run });
  }

  /** Returns one line per step that failed; the others have run all the same. */
  async run(): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const { name, run } of this.#steps.splice(0).toReversed()) {
      try {
        await run();
      } catch (error) {
        problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return problems;
  }
}
