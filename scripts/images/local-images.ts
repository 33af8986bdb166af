// The images that others pull, made here: for machines that reach Debian's and npm's packages, and no image registry.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { requireCommand } from '../../test/harness/command.ts';
import type { Docker } from './docker.ts';

const PREFIX = 'live-migration-service-build';
const BASE_IMAGE = `${PREFIX}/debian:bookworm`;
/** As in the slim images that others make; copyright files stay. */
const LEFT_OUT = [
  ...['./usr/share/man', './usr/share/info', './usr/share/locale', './usr/share/lintian', './usr/share/i18n'],
  ...['./var/cache', './var/log', './var/lib/apt/lists', './usr/lib/*/gconv'],
];

export interface LocalImages {
  readonly base: string;
  readonly nodeBuild: string;
  readonly natsServer: string;
}

/** Made when they are missing; the first time takes two minutes. */
export async function ensureLocalImages(docker: Docker, report: (line: string) => void): Promise<LocalImages> {
  if (!(await isThere(docker, BASE_IMAGE))) {
    report('a base image by debootstrap');
    await makeBase(docker);
  }
  const nodeVersion = packageVersion(nodePackageFolder());
  const nodeBuild = `${PREFIX}/node:${nodeVersion}-npm-${packageVersion(await npmFolder())}`;
  if (!(await isThere(docker, nodeBuild))) {
    report(`a build image with Node ${nodeVersion} and npm`);
    await makeNodeBuild(docker, nodeBuild);
  }
  const natsServer = `${PREFIX}/nats-server:${(await natsVersion()).replace(/^v/, '')}`;
  if (!(await isThere(docker, natsServer))) await importNatsServer(docker, natsServer);
  return { base: BASE_IMAGE, nodeBuild, natsServer };
}

async function isThere(docker: Docker, image: string): Promise<boolean> {
  return (await docker.ask('image', 'inspect', image)) !== null;
}

async function makeBase(docker: Docker): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const root = join(folder, 'root');
    await requireCommand('debootstrap', ['--variant=minbase', 'bookworm', root]);
    const excluded = LEFT_OUT.map((pattern) => `--exclude='${pattern}/*'`).join(' ');
    await docker.pipe(
      `tar --create --numeric-owner --directory '${root}' ${excluded} . | "$DOCKER" import - ${BASE_IMAGE}`,
    );
  });
}

async function makeNodeBuild(docker: Docker, name: string): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    cpSync(join(nodePackageFolder(), 'bin/node'), join(folder, 'node'));
    cpSync(await npmFolder(), join(folder, 'npm'), { recursive: true });
    const dockerfile = resolve('deploy/images/node-build.Dockerfile');
    const parameters = ['--network', 'host', '--build-arg', `BASE_IMAGE=${BASE_IMAGE}`, '--file', dockerfile];
    await docker.run('build', ...parameters, '--tag', name, folder);
  });
}

/** The one that `make setup` has built. */
async function importNatsServer(docker: Docker, name: string): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    mkdirSync(join(folder, 'usr/local/bin'), { recursive: true });
    cpSync('.tools/nats-server', join(folder, 'usr/local/bin/nats-server'));
    await docker.pipe(`tar --create --owner 0 --group 0 --directory '${folder}' usr | "$DOCKER" import - ${name}`);
  });
}

async function natsVersion(): Promise<string> {
  return (await requireCommand('.tools/nats-server', ['--version'])).trim().split(' ').at(-1) ?? '';
}

function nodePackageFolder(): string {
  return resolve(realpathSync('node_modules/.bin/node'), '../..');
}

async function npmFolder(): Promise<string> {
  const program = (await requireCommand('bash', ['-c', 'command -v npm'])).trim();
  return resolve(realpathSync(program), '../..');
}

function packageVersion(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}

async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lms-images-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
