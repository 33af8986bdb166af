import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cleanup } from '../../harness/cleanup.ts';
import { runCommand } from '../../harness/command.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import type { Host } from '../../harness/network/host.ts';

describe('Hosts of a test network', () => {
  const cleanup = new Cleanup();
  let network: TestNetwork;
  let source: Host;
  let staging: Host;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lms-network-'));
    cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
    network = await TestNetwork.create({ folder, cleanup });
    source = await network.addHost('source');
    staging = await network.addHost('staging', { links: 2 });
  });

  afterAll(async () => {
    expect(await cleanup.run()).toEqual([]);
    const { stdout } = await runCommand('ip', ['netns', 'list']);
    expect(stdout).not.toContain(source.namespace);
  });

  /** Whether one packet there and back goes through. */
  const reaches = async (address: string): Promise<boolean> =>
    (await source.try('ping', ['-c', '1', '-W', '1', address])).exitCode === 0;

  test('reach each other by each address, of IPv4 and of IPv6', async () => {
    for (const link of staging.links) expect(await reaches(link.address)).toBe(true);
    expect(await reaches(staging.address6)).toBe(true);
  });

  test('have names of their own, and no way to anybody else', async () => {
    source.setNames({ 'staging.test': staging.address });
    expect(await source.run('getent', 'hosts', 'staging.test')).toContain(staging.address);
    expect((await staging.try('getent', ['hosts', 'staging.test'])).exitCode).not.toBe(0);
    expect(await source.run('ip', 'route', 'get', staging.address)).toContain('via');
    expect(await network.router.run('ip', 'route')).not.toContain('default');
  });

  test('are cut off by rules of the router, and found again without them', async () => {
    await network.router.nft(`table inet cut {
      chain forward {
        type filter hook forward priority 0; policy accept;
        ip daddr ${staging.address} drop
      }
    }`);
    expect(await reaches(staging.address)).toBe(false);
    await network.router.nft('delete table inet cut');
    expect(await reaches(staging.address)).toBe(true);
  });

  test('have wires of a given rate', async () => {
    await network.shape(staging, 8_000_000);
    expect(await network.router.run('tc', 'qdisc', 'show', 'dev', staging.routerDevice)).toContain('rate 8Mbit');
  });
});
