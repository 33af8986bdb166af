// The line that `lms token create` prints, typed on a machine that has nothing but a shell, tar, gzip and curl, and reaches
// nothing but 443 and 1500 of the manager.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import type { Manager } from '../../harness/manager.ts';
import type { BareMachine } from './bare-machine.ts';
import {
  createMachine,
  createWorld,
  letThrough,
  managerRules,
  othersTried,
  startManager,
  type World,
} from './world.ts';

// 46 MB are loaded, unpacked and started, also where the machine has other things to do.
jest.setTimeout(300_000);

const cleanup = new Cleanup();
let world: World;
let manager: Manager;
let machine: BareMachine;

beforeAll(async () => {
  world = await createWorld(cleanup);
  await letThrough(world, ...managerRules(world));
  manager = await startManager(world);
  machine = await createMachine(world, 'curl');
});
/** Stands in for systemd: notes what it is told, and starts and ends what the unit says. */
const SYSTEMCTL = `echo "$*" >>/run/systemctl.log
case $1 in
  restart)
    setsid $(sed -n 's/^ExecStart=//p' /etc/systemd/system/lms-agent.service) </dev/null >/dev/null 2>&1 &
    echo $! >/run/unit.pid
    ;;
  disable)
    kill "$(cat /run/unit.pid)"
    while kill -0 "$(cat /run/unit.pid)" 2>/dev/null; do sleep 0.1; done
    ;;
esac`;

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test('the printed line installs, joins and replicates; typed twice it changes nothing; uninstall leaves nothing', async () => {
  const before = await machine.files();
  const { installCommand, token } = await manager.createToken();
  const line = `${installCommand} --disk ${world.disk.device} --name bare`;
  const first = await machine.type(line);
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(first.stdout).toContain('Installed in /opt/live-migration-service/agent-');
  expect(first.stdout).toContain('There is no systemd here');
  await manager.waitForState('bare', 'CONTINUOUS');
  const started = (await machine.type('for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; done 2>/dev/null')).stdout;
  expect(started).toContain('supervise');
  expect(started).not.toContain(token);

  const second = await machine.type(line);
  expect(second).toMatchObject({ exitCode: 0, stderr: '' });
  expect(second.stdout).toContain('has joined already');
  await manager.waitForState('bare', 'CONTINUOUS');

  const gone = await machine.type('lms-agent -o json uninstall --state-dir /var/lib/lms-agent');
  expect(gone).toMatchObject({ exitCode: 0, stderr: '' });
  expect((JSON.parse(gone.stdout) as { removed: string[] }).removed).toContain('/opt/live-migration-service');
  expect(await machine.files()).toEqual(before);
  expect(machine.list('run')).toEqual([]);
  expect(await othersTried(world)).toBe(false);
});

test('where systemd runs, the agent is a unit of it, which uninstall ends and removes', async () => {
  machine.addScript('systemctl', SYSTEMCTL);
  await machine.type('mkdir -p /etc/systemd/system /run/systemd/system');
  const before = await machine.files();
  const { installCommand } = await manager.createToken();
  const installed = await machine.type(`${installCommand} --disk ${world.disk.device} --name unit`);
  expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(installed.stdout).toContain('by systemd (lms-agent.service), also after a reboot');
  await manager.waitForState('unit', 'CONTINUOUS');
  expect(await machine.type('lms-agent uninstall --state-dir /var/lib/lms-agent')).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  expect((await machine.type('cat /run/systemctl.log')).stdout.trim().split('\n')).toEqual([
    'daemon-reload',
    'enable --quiet lms-agent.service',
    'restart lms-agent.service',
    'disable --now --quiet lms-agent.service',
    'daemon-reload',
  ]);
  expect(await machine.files()).toEqual(before);
});
