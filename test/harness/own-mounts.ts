// Programs that share this machine's files, but for some that they see others in place of, and for /run: that is a tmpfs of
// their host, as on nearly every Linux machine. On the machine that runs the tests it may be a folder of the root disk; agents
// would then mount a tmpfs each for themselves, unseen by the next, and removed by the uninstall of an agent elsewhere.

import { mkdirSync } from 'node:fs';
import { requireCommand } from './command.ts';

export interface OwnMounts {
  /** Made by `mountRun`. */
  readonly runFolder: string;
  /** The file that is seen at a path, by path. Where the path is a link, what it leads to is seen so. */
  readonly files: Readonly<Record<string, string>>;
}

/** A tmpfs that programs of one host have for /run. It goes with the mount that it lies in. */
export async function mountRun(folder: string): Promise<void> {
  mkdirSync(folder);
  await requireCommand('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'run', folder]);
}

/**
 * The command that runs what follows it, in its own process and with mounts of its own. What is unmounted outside is unmounted
 * there too where it is shared: the folder of a test should be, else a disk that is unmounted stays mounted there.
 */
export function withOwnMounts({ runFolder, files }: OwnMounts): readonly string[] {
  const lines = Object.entries(files).flatMap(([path, file]) => [
    // May lie below /run, where nothing is yet.
    `at=$(readlink -m ${path}); mkdir -p "\${at%/*}"; [ -e "$at" ] || : > "$at"`,
    `mount --bind ${file} "$at"`,
  ]);
  const script = [`mount --bind ${runFolder} /run`, ...lines, 'exec "$@"'].join('\n');
  return ['unshare', '--mount', '--propagation', 'slave', 'sh', '-ec', script, 'sh'];
}
