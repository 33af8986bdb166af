// What goes wrong while an agent is installed: each says what and what to do, and leaves the machine as it was.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { readPackageIndex } from '@lms/agent-package';
import { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand } from '../../harness/command.ts';
import type { Manager } from '../../harness/manager.ts';
import type { BareMachine } from './bare-machine.ts';
import { createMachine, createWorld, letThrough, managerRules, startManager, type World } from './world.ts';

const TOOLS = join(import.meta.dirname, '../../../.tools/agent-packages');
// 46 MB are loaded, unpacked and started, also where the machine has other things to do.
jest.setTimeout(300_000);

const cleanup = new Cleanup();
let world: World;
let manager: Manager;
let packages: string;
let machine: BareMachine;
let before: readonly string[];

beforeAll(async () => {
  await requireCommand('node', ['scripts/agent-package/main.ts']);
  world = await createWorld(cleanup);
  await letThrough(world, ...managerRules(world));
  packages = join(world.folder, 'packages');
  mkdirSync(packages);
  // Those that are finished: others may be made at this moment.
  for (const name of ['index.json', ...(await readPackageIndex(TOOLS)).map((one) => one.name)])
    copyFileSync(join(TOOLS, name), join(packages, name));
  manager = await startManager(world, { LMS_AGENT_PACKAGES: packages });
  machine = await createMachine(world, 'wget');
  before = await machine.files();
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

async function line(): Promise<string> {
  return `${(await manager.createToken()).installCommand} --disk ${world.disk.device}`;
}

async function expectRefusal(typed: string, ...words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await machine.type(typed);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(words[0] ?? '') });
  for (const word of words) expect(stderr).toContain(word);
  expect(await machine.files()).toEqual(before);
}

describe('refused before anything is loaded', () => {
  test('a script that is not the one that the line names', async () => {
    const changed = (await line()).replace(/echo "[0-9a-f]{64}/, `echo "${'0'.repeat(64)}`);
    await expectRefusal(changed, 'is not the one that this line names → make a new line');
  });

  test('a CA that is not the one that the line names', async () => {
    const changed = (await line()).replace(
      /--ca-sha256 ./,
      (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'),
    );
    await expectRefusal(changed, 'the CA at https://', 'has the SHA-256', 'do not go on before you know');
  });

  test('a machine of another kind, without glibc, without tools, or with no token', async () => {
    machine.addScript('uname', '[ "$1" = -s ] && echo Linux || echo riscv64');
    before = await machine.files();
    await expectRefusal(await line(), 'no agent for processors of the kind riscv64', 'x86_64 and aarch64');
    machine.remove('usr/local/bin/uname');
    before = await machine.files();
    await expectRefusal((await line()).replace(/LMS_TOKEN='[^']+'/, ''), 'there is no join token', 'lms token create');
    const word = await machine.type(`${await line()} --disks all`);
    expect(word).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('there is no option --disks') });
  });

  test("a wget that cannot check certificates, which is BusyBox's", async () => {
    const other = await createMachine(world, 'busybox-wget');
    const { exitCode, stderr } = await other.type(await line());
    expect(exitCode).toBe(1);
    expect(stderr).toContain('curl or GNU wget (not the one of BusyBox) must be here');
    expect(other.list('opt')).toEqual([]);
  });
});

test('a disk that cannot be used costs no token; a download that is cut off goes on where it was', async () => {
  const { installCommand } = await manager.createToken();
  await expectRefusal(`${installCommand} --disk /dev/null`, '/dev/null', 'the machine could not join');

  await world.network.router.run('sysctl', '--quiet', '--write', 'net.netfilter.nf_conntrack_acct=1');
  const cut = 'ct direction original ct reply bytes > 20000000 counter reject with tcp reset';
  await letThrough(world, cut, ...managerRules(world));
  const { exitCode, stderr } = await machine.type(`${installCommand} --disk ${world.disk.device} --no-start`);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const rules = await world.network.router.run('nft', 'list', 'table', 'inet', 'cut');
  expect(Number(/counter packets (\d+)[^\n]* reject/.exec(rules)?.[1])).toBeGreaterThanOrEqual(2);
  await letThrough(world, ...managerRules(world));
  expect(await machine.type('lms-agent uninstall --state-dir /var/lib/lms-agent')).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  expect(await machine.files()).toEqual(before);
});

test('a package that is not the one that the list names is refused', async () => {
  const name = readdirSync(packages).find((file) => file.endsWith('.tar.gz') && file.includes(process.arch)) ?? '';
  const content = readFileSync(join(packages, name));
  content.writeUInt8(content.readUInt8(1_000) ^ 1, 1_000);
  writeFileSync(join(packages, name), content);
  await expectRefusal(await line(), `what came as ${name} has the SHA-256`, 'or something on the way changed it');
});
