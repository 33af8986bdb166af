// make agent-package [AGENT_PLATFORM=linux-arm64]
//
// Makes the package of a platform in .tools/agent-packages, where `lms manager` of this copy finds it. What another platform
// than this machine's needs is loaded by npm, checked against package-lock.json, and by apt.
//
//   --platform NAME   linux-x64 or linux-arm64; default: of this machine
//   --folder DIR      where it goes

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ensurePackage, installedParts, ownPlatform, PLATFORMS, type Platform } from '@lms/agent-package';
import { loadedParts } from './loaded-parts.ts';

const root = resolve(import.meta.dirname, '../..');

const { values } = parseArgs({
  options: {
    platform: { type: 'string', default: ownPlatform() ?? '' },
    folder: { type: 'string', default: resolve(root, '.tools/agent-packages') },
  },
});

function parsePlatform(text: string): Platform {
  const found = PLATFORMS.find((platform) => platform === text);
  if (found === undefined) throw new Error(`--platform ${JSON.stringify(text)}: there are ${PLATFORMS.join(' and ')}`);
  return found;
}

const platform = parsePlatform(values.platform);
const parts =
  platform === ownPlatform()
    ? installedParts(root, platform)
    : await loadedParts(root, platform, `${values.folder}-parts`);
const { version } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { version: string };
const made = await ensurePackage({ root, platform, parts, version, folder: values.folder });
process.stdout.write(
  `${made.sha256}  ${resolve(values.folder, made.name)} (${(made.sizeBytes / 1e6).toFixed(1)} MB)\n`,
);
