import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LmsError } from '@lms/errors';

/** Ten seconds are usual; a slow machine with a slow disk takes a minute. */
const LIMIT_MILLISECONDS = 300_000;

/** The package of this machine's platform in this folder, made by a process of its own when it is not there. */
export async function packAside(folder: string, signal: AbortSignal): Promise<void> {
  const program = fileURLToPath(new URL('./pack-main.ts', import.meta.url));
  try {
    await promisify(execFile)(process.execPath, [program, folder], { signal, timeout: LIMIT_MILLISECONDS });
  } catch (thrown) {
    signal.throwIfAborted();
    const { stderr, message } = thrown as Error & { readonly stderr?: string };
    const why = (stderr ?? '').trim() === '' ? message : (stderr ?? '').trim();
    throw new LmsError('UNAVAILABLE', `the agent package cannot be made: ${why}`, {
      action: 'see the sentence before, or make it elsewhere and name its folder with --agent-packages',
      cause: thrown,
    });
  }
}
