// Node, Koffi's native module and libatomic of a platform that this machine is not of.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Platform, PlatformParts } from '@lms/agent-package';
import { requireCommand } from '../../test/harness/command.ts';

const DEBIAN_ARCHITECTURES: Readonly<Record<Platform, string>> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' };
const LIBATOMIC = 'libatomic.so.1';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
}

/** Loaded when they are missing, and kept in `folder`. */
export async function loadedParts(root: string, platform: Platform, folder: string): Promise<PlatformParts> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  return {
    nodeFolder: await npmPackage(lock, `node-${platform}`, folder),
    koffiFolder: await npmPackage(lock, `@koromix/koffi-${platform}`, folder),
    libatomicFile: await libatomic(platform, folder),
  };
}

async function npmPackage(lock: Lock, name: string, folder: string): Promise<string> {
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json has no ${name}`);
  const place = join(folder, `${name.replaceAll('/', '+')}-${locked.version}`);
  if (existsSync(place)) return place;
  await inFolderBeside(place, async (work) => {
    await requireCommand('npm', ['pack', '--silent', '--pack-destination', work, `${name}@${locked.version}`]);
    const archive = join(work, readdirSync(work)[0] ?? '');
    const [algorithm = '', expected] = locked.integrity.split(/-(.*)/);
    const actual = createHash(algorithm).update(readFileSync(archive)).digest('base64');
    if (actual !== expected) throw new Error(`${name}@${locked.version} is not what package-lock.json names`);
    await requireCommand('tar', ['--extract', '--gzip', '--file', archive, '--directory', work]);
    renameSync(join(work, 'package'), place);
  });
  return place;
}

/** Of Debian, with lists of packages of its own: this machine's settings stay as they are. */
async function libatomic(platform: Platform, folder: string): Promise<string> {
  const architecture = DEBIAN_ARCHITECTURES[platform];
  const place = join(folder, `libatomic-${architecture}`);
  if (!existsSync(place)) {
    await inFolderBeside(place, async (work) => {
      mkdirSync(join(work, 'lists/partial'), { recursive: true });
      const options = [
        ...[
          `APT::Architecture=${architecture}`,
          `APT::Architectures=${architecture}`,
          `Dir::State::Lists=${work}/lists`,
        ],
        ...[
          'Dir::Cache::pkgcache=',
          'Dir::Cache::srcpkgcache=',
          'Dir::State::status=/dev/null',
          'APT::Sandbox::User=root',
        ],
      ].flatMap((option) => ['--option', option]);
      await requireCommand('apt-get', [...options, '--quiet', '--quiet', 'update']);
      await requireCommand('apt-get', [...options, '--quiet', '--quiet', 'download', 'libatomic1'], { folder: work });
      const archive = readdirSync(work).find((name) => name.endsWith('.deb')) ?? '';
      await requireCommand('dpkg-deb', ['--extract', join(work, archive), join(work, 'tree')]);
      renameSync(join(work, 'tree'), place);
    });
  }
  const found = readdirSync(place, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(`/${LIBATOMIC}`),
  );
  if (found === undefined) throw new Error(`${LIBATOMIC} is not in Debian's package`);
  return realpathSync(join(place, found));
}

async function inFolderBeside(place: string, work: (folder: string) => Promise<void>): Promise<void> {
  mkdirSync(join(place, '..'), { recursive: true });
  const folder = mkdtempSync(`${place}.`);
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
