// What is in the images, what is not, and that they run with no rights at all.

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { writeArchive } from '../../scripts/images/archive.ts';
import { writeBills, type Bill } from '../../scripts/images/bill-of-materials.ts';
import type { Docker } from '../../scripts/images/docker.ts';
import { SERVICES, TARGETS, type Target } from '../../scripts/images/targets.ts';
import { requireCommand } from '../harness/command.ts';
import { BUILD, image, openImages, RESTRICTED } from './built-images.ts';

jest.setTimeout(600_000);

const NODE_TARGETS = TARGETS.filter((target) => target !== 'nats');
const folder = mkdtempSync(join(tmpdir(), 'lms-images-test-'));
let docker: Docker;

beforeAll(async () => {
  docker = await openImages();
  await writeBills(docker, BUILD, folder);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await docker.close();
});

async function inImage(target: Target, ...command: readonly string[]): Promise<string> {
  const [program = '', ...parameters] = command;
  return docker.run(
    'run',
    '--rm',
    '--network',
    'none',
    ...RESTRICTED,
    '--entrypoint',
    program,
    image(target),
    ...parameters,
  );
}

async function inspect<Value>(target: Target, field: string): Promise<Value> {
  return JSON.parse(await docker.run('image', 'inspect', '--format', `{{json ${field}}}`, image(target))) as Value;
}

function bill(target: Target): Bill {
  return JSON.parse(readFileSync(join(folder, `${target}.cdx.json`), 'utf8')) as Bill;
}

test.each([...SERVICES, 'setup'] as const)(
  '%s runs without any rights, and says which setting is missing',
  async (target) => {
    const run = ['run', '--rm', '--network', 'none', ...RESTRICTED, image(target)];
    const failure = await docker.run(...run).catch((error: unknown) => error);
    expect(String(failure)).toMatch(/exit code 2: .*"level":"fatal".*"code":"INVALID_ARGUMENT".*"action":"\w/s);
  },
);

test('lms runs without any rights', async () => {
  const run = ['run', '--rm', '--network', 'none', ...RESTRICTED, image('lms')];
  expect(await docker.run(...run, '--help')).toContain('Usage: lms');
});

test('nats runs without any rights, and is the version that make setup builds', async () => {
  const run = ['run', '--rm', '--network', 'none', ...RESTRICTED, image('nats')];
  const pinned = /^NATS_SERVER_VERSION=(.*)$/m.exec(readFileSync('scripts/setup', 'utf8'))?.[1];
  expect(await docker.run(...run, '--version')).toBe(`nats-server: ${pinned}\n`);
  expect(readFileSync('Dockerfile', 'utf8')).toContain(`NATS_SERVER_VERSION=${pinned}`);
});

test('the image of the router holds HAProxy too, which accepts its configuration there', async () => {
  const check = 'cd /run/lms && touch routes.map state.map && haproxy -c -f /app/services/router/haproxy.cfg';
  const run = ['run', '--rm', '--network', 'none', ...RESTRICTED, '--tmpfs', '/run/lms:uid=65532'];
  const said = await docker.run(...run, '--entrypoint', 'sh', image('router'), '-c', check);
  expect(said).toContain('Configuration file is valid');
});

test.each(TARGETS)('%s says who it is, and which user it is', async (target) => {
  expect(await inspect(target, '.Config.User')).toBe('65532:65532');
  expect(await inspect(target, '.Config.Labels')).toMatchObject({
    'org.opencontainers.image.title': target,
    'org.opencontainers.image.version': BUILD.tag,
    'org.opencontainers.image.revision': expect.stringMatching(/^[0-9a-f]{40}$/),
    'org.opencontainers.image.source': expect.stringMatching(/./),
    'org.opencontainers.image.licenses': 'Apache-2.0',
  });
});

test('all Node images share every layer but the last', async () => {
  const layers = await Promise.all(NODE_TARGETS.map((target) => inspect<string[]>(target, '.RootFS.Layers')));
  const shortest = layers.toSorted((one, other) => one.length - other.length)[0] ?? [];
  for (const of of layers) {
    expect(of.slice(0, shortest.length)).toEqual(shortest);
    expect(of.length).toBeLessThanOrEqual(shortest.length + 1);
  }
});

/** All of it, whoever may read it. */
async function listFiles(target: Target): Promise<string[]> {
  const container = (await docker.run('create', image(target))).trim();
  try {
    const listed = await docker.pipe(`"$DOCKER" export ${container} | tar --list`);
    return listed.split('\n').map((path) => `/${path.replace(/\/$/, '')}`);
  } finally {
    await docker.run('rm', container);
  }
}

// All others have the layers of the first, as the test before says.
test.each(['gateway', 'lms', 'router', 'nats'] as const)(
  '%s holds nothing that only development needs',
  async (target) => {
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Readonly<Record<string, { readonly dev?: boolean }>>;
    };
    const paths = await listFiles(target);
    // Some of what we name as such is needed by others in production too; the lock knows.
    const development = Object.keys(packages).filter((path) => packages[path]?.dev === true);
    expect(development.length).toBeGreaterThan(100);
    expect(development.filter((path) => paths.includes(`/app/${path}`))).toEqual([]);
    expect(
      paths.filter((path) => /\/(npm|npx|yarn|corepack)$/.test(path) && !path.startsWith('/app/services')),
    ).toEqual([]);
    expect(paths.filter((path) => path.startsWith('/app/') && /\.map$|\.d\.[cm]?ts$/.test(path))).toEqual([]);
    expect(
      paths.filter((path) => /^\/app\/(libs|services|proto|test)\/(.*\/)?(test|[^/]*\.test\.ts)$/.test(path)),
    ).toEqual([]);
    // What the build trusts and what it has in its caches is none of theirs.
    expect(
      paths.filter((path) => /^\/etc\/ssl\/certs\/.|^\/run\/secrets|\/\.npm$|^\/root\/.*cache/.test(path)),
    ).toEqual([]);
  },
);

test('what is compiled beforehand is found and used, also on a root file system that cannot be written to', async () => {
  const run = ['run', '--rm', '--network', 'none', ...RESTRICTED, '--env', 'NODE_DEBUG_NATIVE=COMPILE_CACHE'];
  const failure = String(await docker.run(...run, image('gateway')).catch((error: unknown) => error));
  const modules =
    failure.match(/reading cache from .* for \S+ file:\/\/\/app\/services\/gateway\/\S+\.\.\.\S*.*$/gm) ?? [];
  expect(modules.length).toBeGreaterThan(10);
  expect(modules.filter((line) => !line.includes('success'))).toEqual([]);
});

const LIST_PACKAGES = `
const { readdirSync, existsSync, readFileSync } = require('node:fs');
function list(folder) {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.')) continue;
    const path = folder + '/' + name;
    if (name.startsWith('@')) { list(path); continue; }
    const { name: called, version } = JSON.parse(readFileSync(path + '/package.json', 'utf8'));
    console.log(called + '@' + version);
    if (existsSync(path + '/node_modules')) list(path + '/node_modules');
  }
}
list('/app/node_modules');`;

test.each(NODE_TARGETS)('the bill of materials of %s names every package that is in it', async (target) => {
  const purls = new Set(bill(target).components.map(({ purl }) => decodeURIComponent(purl)));
  const npm = (await inImage(target, 'node', '--eval', LIST_PACKAGES)).trim().split('\n');
  expect(npm.length).toBeGreaterThan(100);
  expect(npm.filter((name) => !purls.has(`pkg:npm/${name}`))).toEqual([]);
  await expectDebianPackages(target, purls);
});

test('the bill of materials of nats names the server and its modules', async () => {
  const purls = new Set(bill('nats').components.map(({ purl }) => decodeURIComponent(purl)));
  const version = /^NATS_SERVER_VERSION=(.*)$/m.exec(readFileSync('scripts/setup', 'utf8'))?.[1];
  expect(purls).toContain(`pkg:golang/github.com/nats-io/nats-server/v2@${version}`);
  expect([...purls].filter((purl) => purl.startsWith('pkg:golang/')).length).toBeGreaterThan(5);
  await expectDebianPackages('nats', purls);
});

async function expectDebianPackages(target: Target, purls: ReadonlySet<string>): Promise<void> {
  const format = '${Package}@${Version}?arch=${Architecture}\n';
  const debian = (await inImage(target, 'dpkg-query', '--show', `--showformat=${format}`)).trim().split('\n');
  expect(debian.length).toBeGreaterThan(50);
  expect(debian.filter((name) => !purls.has(`pkg:deb/debian/${name}`))).toEqual([]);
}

test('an archive holds the images by all of their names, each layer once, and every blob is what its name says', async () => {
  const path = join(folder, 'archive.tar');
  const also = `${image('gateway').replace(/:.*/, '')}:another-tag`;
  await docker.run('tag', image('gateway'), also);
  await writeArchive(docker, [image('gateway'), image('registry'), also], path);
  const layout = mkdtempSync(join(folder, 'layout-'));
  await requireCommand('tar', ['--extract', '--file', path, '--directory', layout]);
  const read = <Value>(name: string): Value => JSON.parse(readFileSync(join(layout, name), 'utf8')) as Value;
  const { manifests } = read<{ manifests: { digest: string; annotations: Record<string, string> }[] }>('index.json');
  const names = manifests.map(({ annotations }) => annotations['io.containerd.image.name']?.replace(/^[^/]*\//, ''));
  expect(names.length).toBe(3);
  expect(new Set(names)).toEqual(new Set([image('gateway'), also, image('registry')]));
  const layers = manifests.map(({ digest }) =>
    read<{ layers: { digest: string }[] }>(`blobs/${digest.replace(':', '/')}`).layers.map((layer) => layer.digest),
  );
  // Two images, each with a manifest and a configuration; their layers are the same.
  const blobs = readdirSync(join(layout, 'blobs/sha256'));
  expect(blobs.length).toBe(new Set(layers.flat()).size + 4);
  for (const blob of blobs) {
    const content = readFileSync(join(layout, 'blobs/sha256', blob));
    expect(createHash('sha256').update(content).digest('hex')).toBe(blob);
  }
});
