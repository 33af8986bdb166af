import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { SEEDS_OF_MAKE_TEST } from './seeds.ts';

const RUNNER = fileURLToPath(new URL('./main.ts', import.meta.url));
const TIMEOUT_MILLISECONDS = 900_000;

/** In a process of its own: it is the very command of `make simulate`, and its order of events is nobody else's. */
async function simulate(environment: Readonly<Record<string, string>>): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [RUNNER], {
      env: { ...process.env, ...environment },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`the simulation failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

test(
  'at every acknowledged point the replica equals one instant of the source, whatever goes wrong, and every fault strikes',
  async () => {
    const output = await simulate({ SEEDS: String(SEEDS_OF_MAKE_TEST) });
    expect(output).toContain(`${SEEDS_OF_MAKE_TEST} histories`);
    expect(output).not.toContain('never happened');
  },
  TIMEOUT_MILLISECONDS,
);

test(
  'the same seed makes the same history',
  async () => {
    const histories = await Promise.all(
      [0, 1].map(() => simulate({ FIRST_SEED: '1', SEEDS: '6', VERBOSE: '1', PARTIAL: '1' })),
    );
    const digests = histories.map((output) => output.match(/digest [0-9a-f]+/g));
    expect(digests[0]).toHaveLength(6);
    expect(digests[1]).toEqual(digests[0]);
  },
  TIMEOUT_MILLISECONDS,
);
