/**
 * `node pack-main.ts FOLDER`: the package of this machine's platform, made there unless it is there. A process of its own, since
 * it reads and digests 150 MB in one go, for which a manager must not stop.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { LmsError, toLmsError } from '@lms/errors';
import { ensurePackage } from './build-package.ts';
import { ownPlatform } from './platform.ts';
import { installedParts } from './platform-parts.ts';

const root = resolve(import.meta.dirname, '../../..');

async function pack(folder: string): Promise<void> {
  const platform = ownPlatform();
  if (platform === null) throw new LmsError('UNSUPPORTED', `no agent runs on ${process.platform}-${process.arch}`);
  const { version } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { readonly version: string };
  await ensurePackage({ root, platform, parts: installedParts(root, platform), version, folder });
}

try {
  await pack(resolve(process.argv[2] ?? '.'));
} catch (thrown) {
  const { message, action } = toLmsError(thrown);
  process.stderr.write(`${message}${action === null ? '' : ` → ${action}`}\n`);
  process.exitCode = 1;
}
