// A root folder of a machine that has next to nothing: the C and C++ libraries, a shell, coreutils with sed and grep, tar,
// gzip, and one program that loads files. No Node, no openssl, no libatomic, no certificates, no systemd.
//
// Made of this machine's own files: nothing has to be loaded for it, and it is there within a second.

import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand, runCommand } from '../../harness/command.ts';
import type { CommandResult } from '../../harness/command.ts';
import type { Host } from '../../harness/network/host.ts';

const PROGRAMS = [
  ...['sh', 'tar', 'gzip', 'sed', 'grep', 'kill', 'setsid'],
  ...[
    'base64',
    'basename',
    'cat',
    'cut',
    'dirname',
    'echo',
    'head',
    'id',
    'ln',
    'ls',
    'mkdir',
    'mktemp',
    'mv',
    'readlink',
    'rm',
  ],
  ...['rmdir', 'sha256sum', 'sleep', 'tail', 'tr', 'true', 'uname', 'wc'],
];
/** What Node needs beside the C library, and every Debian and Red Hat has. */
const LIBRARIES = ['libstdc++.so.6', 'libgcc_s.so.1', 'libdl.so.2', 'libpthread.so.0', 'libm.so.6'];
const LIBRARY_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64'];

/** What it loads files with. */
export type Loader = 'curl' | 'wget' | 'busybox-wget';

export interface BareMachineOptions {
  readonly folder: string;
  readonly host: Host;
  readonly loader: Loader;
  readonly cleanup: Cleanup;
}

export class BareMachine {
  readonly root: string;
  readonly #host: Host;

  private constructor(root: string, host: Host) {
    this.root = root;
    this.#host = host;
  }

  static async create({ folder, host, loader, cleanup }: BareMachineOptions): Promise<BareMachine> {
    const root = join(folder, `${host.name}-${loader}-root`);
    // An agent is known to the kernel by the real path of its state folder, and all bare machines share one kernel.
    const stateFolders = `lib-of-${basename(folder)}-${host.name}-${loader}`;
    for (const path of [
      'usr/bin',
      'usr/lib',
      'usr/lib64',
      'usr/local/bin',
      'etc',
      'tmp',
      'opt',
      `var/${stateFolders}`,
      'dev',
      'proc',
      'sys',
      'run',
    ])
      mkdirSync(join(root, path), { recursive: true });
    for (const path of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${path}`, join(root, path));
    symlinkSync(stateFolders, join(root, 'var/lib'));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    for (const name of PROGRAMS) await addProgram(root, name, name);
    if (loader === 'busybox-wget') await addProgram(root, 'busybox', 'wget');
    else await addProgram(root, loader, loader);
    for (const name of LIBRARIES) addLibrary(root, findLibrary(name));
    const machine = new BareMachine(root, host);
    await machine.#mount(cleanup);
    return machine;
  }

  /** As if root typed it here. */
  async type(line: string, environment: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
    const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const place = ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/root', ...set];
    return this.#host.try('env', ['-i', ...place, '/usr/sbin/chroot', this.root, 'sh', '-c', line]);
  }

  /** Every file, folder and link of it; what is mounted there is not of it. */
  async files(): Promise<readonly string[]> {
    const form = ['-xdev', '-printf', '%y %p %l\n'];
    return (await requireCommand('find', [this.root, ...form])).split('\n').toSorted();
  }

  /** A program of this text, before those that are there. */
  addScript(name: string, text: string): void {
    writeFileSync(join(this.root, 'usr/local/bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true });
  }

  /** What lies in the folder below it. */
  list(path: string): readonly string[] {
    const folder = join(this.root, path);
    return existsSync(folder) ? readdirSync(folder).toSorted() : [];
  }

  async #mount(cleanup: Cleanup): Promise<void> {
    const mounts: readonly (readonly [place: string, ...parameters: string[]])[] = [
      ['dev', '--bind', '/dev'],
      ['proc', '-t', 'proc', 'proc'],
      ['sys', '-t', 'sysfs', 'sysfs'],
      ['sys/kernel/tracing', '-t', 'tracefs', 'tracefs'],
      ['run', '-t', 'tmpfs', 'tmpfs'],
    ];
    for (const [place, ...parameters] of mounts) {
      const path = join(this.root, place);
      cleanup.add(`unmount ${path}`, async () => {
        await runCommand('umount', ['--lazy', path]);
      });
      await requireCommand('mount', [...parameters, path]);
    }
  }
}

async function addProgram(root: string, source: string, name: string): Promise<void> {
  const found = ['/usr/bin', '/bin', '/usr/sbin']
    .map((place) => join(place, source))
    .find((place) => existsSync(place));
  if (found === undefined) throw new Error(`${source} is not on this machine`);
  const path = realpathSync(found);
  cpSync(path, join(root, 'usr/bin', name));
  const { stdout } = await runCommand('ldd', [path]);
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) if (library !== undefined) addLibrary(root, library);
}

/** Under the name that programs ask for. */
function addLibrary(root: string, path: string): void {
  const place = path.startsWith('/usr/') ? path : `/usr${path}`;
  const target = join(root, place);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(path), target);
}

function findLibrary(name: string): string {
  const found = LIBRARY_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${basename(name)} is not on this machine`);
  return found;
}
