// What is in each image, as CycloneDX 1.5: Debian's packages by the image's own records, npm's by npm, nats-server's Go
// modules by what the Go compiler has written into the program.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCommand } from '../../test/harness/command.ts';
import { readNpmBill, type BuildOptions } from './build.ts';
import type { Docker } from './docker.ts';
import { imageName, TARGETS } from './targets.ts';

const PROGRAM = '/usr/local/bin/nats-server';

/** What this program reads of CycloneDX; npm's components have more, which is passed on. */
export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

export interface Bill {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: string;
  readonly metadata: { readonly component: object };
  readonly components: readonly Component[];
}

/** One file an image, `FOLDER/TARGET.cdx.json`. */
export async function writeBills(docker: Docker, options: BuildOptions, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const npm = (JSON.parse(await readNpmBill(docker, options)) as Bill).components;
  // Only the router installs more of Debian than what all Node images share.
  const shared = debianComponents(await readPackageStatus(docker, imageName('gateway', options)));
  for (const target of TARGETS) {
    const image = imageName(target, options);
    const differs = target === 'router' || target === 'nats';
    const debian = differs ? debianComponents(await readPackageStatus(docker, image)) : shared;
    const others = target === 'nats' ? goComponents(await readBuildInformation(docker, image)) : npm;
    const bill: Bill = {
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      metadata: { component: { type: 'container', name: image.replace(/:[^:/]*$/, ''), version: options.tag } },
      components: [...debian, ...others],
    };
    writeFileSync(join(folder, `${target}.cdx.json`), `${JSON.stringify(bill, null, 2)}\n`);
  }
  options.report(`bills of materials in ${folder}`);
}

export function debianComponents(status: string): Component[] {
  return status
    .split('\n\n')
    .map((entry) => (field: string) => new RegExp(`^${field}: (.*)$`, 'm').exec(entry)?.[1] ?? '')
    .filter((read) => read('Status').endsWith(' installed'))
    .map((read) => {
      const [name, version, architecture] = [read('Package'), read('Version'), read('Architecture')];
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
      return { type: 'library', name, version, purl };
    });
}

/** From `go version -m`: lines of tab-separated words, after the first one, which names the compiler. */
export function goComponents(text: string): Component[] {
  const [head = '', ...lines] = text.split('\n');
  const compiler = /go(\d\S*)/.exec(head)?.[1] ?? '';
  const modules = lines
    .map((line) => line.trim().split('\t'))
    .filter(([kind]) => kind === 'mod' || kind === 'dep')
    .map(([, name = '', version = '']) => ({ name, version }));
  return [{ name: 'stdlib', version: compiler }, ...modules].map(({ name, version }) => ({
    type: 'library',
    name,
    version,
    purl: `pkg:golang/${name}@${version}`,
  }));
}

async function readPackageStatus(docker: Docker, image: string): Promise<string> {
  const run = ['run', '--rm', '--network', 'none', '--entrypoint', '/bin/cat'];
  return docker.run(...run, image, '/var/lib/dpkg/status');
}

async function readBuildInformation(docker: Docker, image: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'lms-bill-'));
  const container = (await docker.run('create', image)).trim();
  try {
    const copy = join(folder, 'nats-server');
    await docker.run('cp', `${container}:${PROGRAM}`, copy);
    return (await requireCommand('go', ['version', '-m', copy])).replaceAll(copy, 'nats-server');
  } finally {
    await docker.run('rm', container);
    rmSync(folder, { recursive: true, force: true });
  }
}
