/**
 * R11: the fencing generation of each machine, in a file of its own, durable before it is used. After power loss a number may be skipped, never given twice.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import type { FencingGenerations } from './core/ports.ts';
import { replaceDurably } from './durable-file.ts';

/** Ids come from certificates of our own CA; still, a name that becomes a path is checked where it becomes one. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;

export async function openFencingFiles(folder: string): Promise<FencingGenerations> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const takeNext = async (machineId: string): Promise<number> => {
    if (!FILE_NAME.test(machineId)) throw new LmsError('INVALID_ARGUMENT', 'The machine id cannot be a file name');
    const path = join(folder, machineId);
    const generation = (await readGeneration(path)) + 1;
    await replaceDurably(path, `${generation}\n`);
    return generation;
  };
  // One after another: two at once must not get the same number.
  let previous: Promise<unknown> = Promise.resolve();
  return {
    next(machineId) {
      const taken = previous.then(() => takeNext(machineId));
      previous = taken.catch(() => undefined);
      return taken;
    },
  };
}

async function readGeneration(path: string): Promise<number> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw thrown;
  }
  const generation = Number(text);
  if (Number.isSafeInteger(generation) && generation > 0) return generation;
  throw new LmsError('DATA_LOSS', `${path} does not hold a fencing generation`, {
    action: 'Write a number into it that is above every generation in the logs of this replication server.',
  });
}
