/** Programs of the machine that the agent's commands use. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CommandError } from '@lms/command-line';

const LIMIT_MILLISECONDS = 120_000;

/** Rejects when it is not there, fails, or does not end. */
export async function runTool(program: string, parameters: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, [...parameters], { timeout: LIMIT_MILLISECONDS });
  } catch (thrown) {
    const { stderr, message } = thrown as Error & { readonly stderr?: string };
    const words = (stderr ?? '').trim() === '' ? message : (stderr ?? '').trim();
    throw new CommandError('failed', 'INTERNAL', `${program} ${parameters.join(' ')}: ${words}`, { cause: thrown });
  }
}
