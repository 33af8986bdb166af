// A measurement leaves nothing, also when it fails or is interrupted.

import process from 'node:process';
import { Cleanup } from '../harness/cleanup.ts';
import { say } from './report.ts';

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

export async function withCleanup(measure: (cleanup: Cleanup) => Promise<void>): Promise<void> {
  const cleanup = new Cleanup();
  const end = async (): Promise<void> => {
    for (const problem of await cleanup.run()) say(problem);
  };
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.once(signal, () => void end().then(() => process.exit(exitCode)));
  }
  try {
    await measure(cleanup);
  } finally {
    await end();
  }
}
