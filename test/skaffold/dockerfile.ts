// The stages of the Dockerfile that are services: those that start something.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY } from './skaffold-file.ts';

/** The operator's command. */
const NO_PODS = new Set(['lms']);

export async function readServiceTargets(dockerfile: string): Promise<readonly string[]> {
  const targets: string[] = [];
  let stage: string | undefined;
  for (const line of (await readFile(join(REPOSITORY, dockerfile), 'utf8')).split('\n')) {
    const from = /^FROM\s+\S+(?:\s+AS\s+(?<stage>\S+))?\s*$/i.exec(line);
    if (from !== null) stage = from.groups?.['stage'];
    if (/^ENTRYPOINT\s/i.test(line) && stage !== undefined && !NO_PODS.has(stage)) targets.push(stage);
  }
  return targets;
}
