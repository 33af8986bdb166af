// A measurement leaves nothing, also when it fails or is interrupted.

import process from 'node:process';
import { Cleanup } from '../harness/cleanup.ts';
import { say } from './report.ts';

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

export async function withCleanup(measure: (cleanup: Cleanup) => Promise<void>): Promise<void> {
  const cleanup = new Cleanup();
  let interrupted = false;
  let ending: Promise<void> | null = null;
  const end = (): Promise<void> => {
    ending ??= cleanup.run().then((problems) => problems.forEach(say));
    return ending;
  };
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      interrupted = true;
      void end().then(() => process.exit(exitCode));
    });
  }
  try {
    await measure(cleanup);
  } catch (error) {
    // What was taken from under it fails; that says nothing more.
    if (!interrupted) throw error;
  } finally {
    await end();
  }
}
