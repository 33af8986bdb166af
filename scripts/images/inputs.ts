// What images are made of, as one digest: equal digests need no build.

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { requireCommand } from '../../test/harness/command.ts';

const PATHS = [
  ...['bin', 'LICENSE', 'libs', 'services', 'proto', 'package.json', 'package-lock.json', '.npmrc'],
  ...['Dockerfile', '.dockerignore', 'deploy/images'],
];

/** Of the files as they lie there, committed or not, and of how they are built. */
export async function digestInputs(buildArguments: readonly string[]): Promise<string> {
  const listed = await requireCommand('git', [
    ...['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate', '--'],
    ...PATHS,
  ]);
  const hash = createHash('sha256').update(JSON.stringify(buildArguments));
  for (const path of listed
    .split('\0')
    .filter((name) => name !== '')
    .toSorted()) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    hash.update(`\0${path}\0${stat.mode & 0o111}\0${stat.size}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}
