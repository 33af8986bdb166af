// The whole demo where nothing is routable but what the product needs: the agent behind squid with a password, the replication
// server behind tinyproxy, each part on a host of its own. The router counts what goes by it, and what is dropped.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Narrator } from '../../../scripts/demo/narrator.ts';
import { tellStory } from '../../../scripts/demo/story.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { TestNetwork } from '../../harness/network/network.ts';
import { SQUID_PORT, Squid } from './squid.ts';
import { TINYPROXY_PORT, startTinyproxy } from './tinyproxy.ts';

const TEST_MILLISECONDS = 300_000;
/** Room for what the story writes on it, and no more: the proof is the way, not the size. */
const DISK_BYTES = 224 * 1024 * 1024;
const TREE_SOURCE = '/usr/share/common-licenses';
const PASSWORD = 'open sesame';

const cleanup = new Cleanup();
const folder = mkdtempSync(join(tmpdir(), 'lms-proxies-'));
cleanup.add('remove the folder', () => rmSync(folder, { recursive: true }));

afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
}, TEST_MILLISECONDS);

test(
  'The demo runs behind two proxies, and no packet goes anywhere else than to 443 by them, and to 1500',
  async () => {
    const network = await TestNetwork.create({ folder, cleanup });
    const source = await network.addHost('source');
    const sourceProxy = await network.addHost('squid');
    const staging = await network.addHost('staging');
    const stagingProxy = await network.addHost('tinyproxy');
    const manager = await network.addHost('manager');
    const flows = {
      'agent to its proxy': [source, sourceProxy, SQUID_PORT],
      'its proxy to the manager': [sourceProxy, manager, 443],
      'replication server to its proxy': [staging, stagingProxy, TINYPROXY_PORT],
      'the other proxy to the manager': [stagingProxy, manager, 443],
      'agent to the replication server': [source, staging, 1500],
    } as const;
    await network.router.nft(`table inet only {
      ${Object.keys(flows)
        .map((_, index) => `counter flow${index} {}`)
        .join('\n')}
      counter other {}
      chain forward {
        type filter hook forward priority 0; policy drop;
        ${Object.values(flows)
          .map(([from, to, port], index) => {
            const there = `ip saddr ${from.address} ip daddr ${to.address} tcp dport ${port} counter name flow${index} accept`;
            return `${there}\n ip saddr ${to.address} ip daddr ${from.address} tcp sport ${port} ct state established accept`;
          })
          .join('\n')}
        counter name other
      }
      chain input {
        type filter hook input priority 0; policy drop;
        # Neighbours of IPv6 look for each other; nobody else has anything to say to the router.
        meta l4proto ipv6-icmp accept
        counter name other
      }
    }`);
    const squid = await Squid.start({
      host: sourceProxy,
      cleanup,
      users: { kim: encodeURIComponent(PASSWORD) },
    });
    const tinyproxy = await startTinyproxy({ host: stagingProxy, folder: join(folder, 'tinyproxy'), cleanup });
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });

    // Started by the manager, which does not see the namespaces: first out of its mounts, then to the other host.
    const out = ['nsenter', `--mount=/proc/${process.pid}/ns/mnt`];
    const through = staging.place.command('env');
    await tellStory({
      folder,
      cleanup,
      narrator: new Narrator(),
      signal: AbortSignal.timeout(TEST_MILLISECONDS),
      stage: {
        diskBytes: DISK_BYTES,
        treeSource: TREE_SOURCE,
        lagSamples: 2,
        manager: {
          host: {
            place: manager.place,
            address: manager.address,
            options: ['--block-stream', `${staging.address}:1500`],
          },
          environment: {
            LMS_REPLICATION_SERVER_PROGRAM: join(import.meta.dirname, 'replication-server-elsewhere.fixture.ts'),
            LMS_TEST_ELSEWHERE: JSON.stringify({
              through: [...out, through.program, ...through.parameters],
              options: ['--proxy', tinyproxy],
            }),
          },
        },
        agent: {
          place: source.place,
          enrolOptions: ['--proxy', squid.url, '--proxy-user', 'kim', '--proxy-password-file', passwordFile],
        },
      },
    });

    const packets = async (counter: string): Promise<number> => {
      const text = await network.router.run('nft', 'list', 'counter', 'inet', 'only', counter);
      return Number(/packets (\d+)/.exec(text)?.[1]);
    };
    for (const [index, flow] of Object.keys(flows).entries())
      expect([flow, (await packets(`flow${index}`)) > 0]).toEqual([flow, true]);
    expect(await packets('other')).toBe(0);
    const accepted = squid.accessLog;
    expect(accepted.length).toBeGreaterThan(0);
    for (const line of accepted)
      expect(line).toMatch(new RegExp(`TCP_TUNNEL/200 .* CONNECT ${manager.address}:443 kim `));
  },
  TEST_MILLISECONDS,
);
