// Hosts of an installation, each of which answers on every port that matters and on some that do not: what gets through is what a
// firewall lets through.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { BackgroundProcess } from '../../harness/background-process.ts';
import type { Cleanup } from '../../harness/cleanup.ts';
import { waitFor } from '../../harness/condition.ts';
import type { Host } from '../../harness/network/host.ts';
import { TestNetwork } from '../../harness/network/network.ts';

/** 22 and 8080 are needed by nobody. */
export const PORTS = [22, 53, 443, 1500, 3128, 8080] as const;
const HOSTS = ['source', 'staging', 'manager', 'proxy', 'stranger'] as const;
export type HostName = (typeof HOSTS)[number];

const LISTEN = new URL('listen.fixture.ts', import.meta.url).pathname;
const PROBE = new URL('probe.fixture.ts', import.meta.url).pathname;

export class RulesWorld {
  readonly network: TestNetwork;
  readonly #hosts: ReadonlyMap<HostName, Host>;

  private constructor(network: TestNetwork, hosts: ReadonlyMap<HostName, Host>) {
    this.network = network;
    this.#hosts = hosts;
  }

  static async create(cleanup: Cleanup): Promise<RulesWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'lms-rules-'));
    cleanup.add('remove the folder', async () => rm(folder, { recursive: true }));
    const network = await TestNetwork.create({ folder, cleanup });
    const hosts = new Map<HostName, Host>();
    for (const name of HOSTS) hosts.set(name, await network.addHost(name, { links: name === 'staging' ? 2 : 1 }));
    for (const [name, host] of hosts) {
      const { program, parameters } = host.place.command(process.execPath, LISTEN, ...PORTS.map(String));
      const listener = new BackgroundProcess({ program, parameters, logPath: join(folder, `${name}.log`) });
      cleanup.add(`end the listener of ${name}`, async () => listener.kill());
      await waitFor(`the listener of ${name}`, () => listener.log().includes('listening'));
    }
    return new RulesWorld(network, hosts);
  }

  host(name: HostName): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  /** `staging/1` is the address of its second wire, `staging/6` the one of IPv6. */
  address(name: HostName, which: 0 | 1 | 6 = 0): string {
    const host = this.host(name);
    if (which === 6) return host.address6;
    const link = host.links[which];
    if (link === undefined) throw new Error(`host ${name} has no wire ${which}`);
    return link.address;
  }

  /** All that this host gets an answer from, as `host protocol port`. */
  async reachedFrom(name: HostName): Promise<readonly string[]> {
    return this.#probe(
      name,
      HOSTS.filter((other) => other !== name),
    );
  }

  /** All that gets an answer from this host, as `host protocol port`: who asked, and on which port. */
  async reaching(name: HostName): Promise<readonly string[]> {
    const others = HOSTS.filter((other) => other !== name);
    const found = await Promise.all(others.map((other) => this.#probe(other, [name])));
    return others.flatMap((other, index) => (found[index] ?? []).map((line) => line.replace(/^\S+/, other))).sort();
  }

  async #probe(from: HostName, to: readonly HostName[]): Promise<readonly string[]> {
    const targets = new Map<string, string>();
    for (const name of to) {
      const addresses = [...this.host(name).links.map((link) => link.address), this.host(name).address6];
      for (const [index, address] of addresses.entries()) {
        const label = index === addresses.length - 1 ? `${name}/6` : index === 0 ? name : `${name}/${index}`;
        for (const port of PORTS) {
          for (const protocol of ['tcp', 'udp'])
            targets.set(`${protocol}:${address}:${port}`, `${label} ${protocol} ${port}`);
        }
      }
    }
    const answer = await this.host(from).run(process.execPath, PROBE, ...targets.keys());
    return answer
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => targets.get(line) ?? line)
      .sort();
  }
}
