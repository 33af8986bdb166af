// A machine that replicates under load is moved between two addresses of its replication server by the settings. Nothing is lost,
// nothing is compared again, and an address that it does not reach moves nobody.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { MachineSettings, SettingsPreview } from '@lms/api';
import { Agent } from '../../harness/agent.ts';
import type { AgentStatus } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { waitFor } from '../../harness/condition.ts';
import { firstDifference } from '../../harness/disk-content.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import type { Host } from '../../harness/network/host.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { OrderedWriter } from '../../harness/ordered-writer.ts';

jest.setTimeout(300_000);

const cleanup = new Cleanup();
let folder: string;
let network: TestNetwork;
let host: Host;
let manager: Manager;
let agent: Agent;
let disk: LoopDisk;
let mounted: string;
let publicAddress: string;
let privateAddress: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lms-network-'));
  cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
  network = await TestNetwork.create({ folder, cleanup });
  const source = await network.addHost('source');
  host = await network.addHost('manager', { links: 2 });
  [publicAddress, privateAddress] = [`${host.address}:1500`, `${host.links[1]?.address ?? ''}:1500`];
  const logFolder = join(folder, 'logs');
  await mkdir(logFolder);
  disk = await LoopDisk.create({ folder, name: 'source', sizeBytes: 128 * 1024 * 1024, cleanup });
  await disk.format('ext4');
  mounted = await disk.mount();
  const options = ['--block-stream', '0.0.0.0:1500', '--name', host.address];
  manager = await Manager.create({
    dataFolder: join(folder, 'manager'),
    logFolder,
    cleanup,
    host: { place: host.place, address: host.address, options },
  });
  await manager.start();
  agent = await Agent.start({
    manager,
    name: 'source',
    disks: [disk.device],
    stateFolder: join(folder, 'agent'),
    logFolder,
    cleanup,
    place: source.place,
  });
  await manager.waitForState('source', 'CONTINUOUS');
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

type Way = AgentStatus & { readonly blockStream: string | null };

const statusOf = async (): Promise<Way> => (await agent.status()) as Way;
const set = (...words: string[]): Promise<MachineSettings> =>
  manager.json<MachineSettings>('settings', 'set', '--machine', 'source', ...words);

/** On this address, connected, and with a point that was asked for there. */
async function expectOn(address: string): Promise<void> {
  await waitFor(`the session by ${address}`, async () => {
    const { blockStream, connected } = await statusOf();
    return connected && blockStream === address;
  });
  expect((await manager.createPoint('source', 'crash')).sequence).toBeGreaterThan(0);
  const { trackerLosses } = await statusOf();
  expect(trackerLosses).toBe(0);
}

test('the session moves from public to private and back under load, and an address that is not reached moves nobody', async () => {
  const writer = OrderedWriter.start({ folders: [mounted] });
  cleanup.add('stop the writer', () => writer.stop());
  const states = watchStates();
  await expectOn(publicAddress);

  await network.router.nft(`table inet cut {
    chain forward {
      type filter hook forward priority 0;
      ip daddr ${host.links[1]?.address ?? ''} tcp dport 1500 reject with tcp reset
    }
  }`);
  const toPrivate = ['--block-stream-use', 'private', '--private-address', privateAddress];
  const preview = await manager.json<SettingsPreview>(
    'settings',
    'set',
    '--machine',
    'source',
    ...toPrivate,
    '--dry-run',
  );
  const checks = [{ address: privateAddress, reached: false }];
  expect(preview.machines).toMatchObject([
    { name: 'source', blockStream: { withdrawn: [publicAddress], remaining: [privateAddress], checks } },
  ]);
  expect((await manager.json<MachineSettings>('settings', 'show', 'source')).overrides).toEqual([]);

  expect((await set(...toPrivate)).blockStreamChange).not.toBeNull();
  await waitFor('the reason', async () => {
    const { blockStreamChange } = await manager.json<MachineSettings>('settings', 'show', 'source');
    return (
      blockStreamChange?.reason.includes('does not reach') === true && blockStreamChange.reason.includes(privateAddress)
    );
  });
  await expectOn(publicAddress);

  // Nobody has to ask again: the address is checked until it works.
  await network.router.run('nft', 'delete', 'table', 'inet', 'cut');
  await expectOn(privateAddress);
  const shown = await manager.json<MachineSettings>('settings', 'show', 'source');
  expect(shown).toMatchObject({ blockStreamChange: null, overrides: ['blockStream.use', 'blockStream.private'] });
  await set('--block-stream-use', 'public');
  await expectOn(publicAddress);

  await writer.stop();
  await disk.unmount(mounted);
  expect(await states.stop()).not.toContain('RESCAN');
  const { sequence, disks } = await manager.createPoint('source', 'crash');
  const image = join(folder, 'point.raw');
  await manager.exportDisk('source', sequence, disks[0]?.id ?? '', image);
  expect(firstDifference(disk.device, image)).toBeNull();
});

/** The states that the agent says that it is in, looked at now and then. */
function watchStates(): { stop(): Promise<readonly (string | null)[]> } {
  const seen = new Set<string | null>();
  let stopped = false;
  const look = async (): Promise<boolean> => {
    seen.add((await statusOf()).replicationState);
    return stopped;
  };
  const watching = waitFor('the end of the test', look, { pollMilliseconds: 1_500, timeoutMilliseconds: 300_000 });
  watching.catch(() => undefined);
  return {
    stop: async () => {
      stopped = true;
      await watching;
      return [...seen];
    },
  };
}
