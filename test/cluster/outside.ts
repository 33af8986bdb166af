// Where source machines and operators are: beside the cluster, in a network of its own from which nothing is reached but
// 443 and 1500 (and 80, for traces) at the cluster's address.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from '../harness/cleanup.ts';
import { requireCommand, runCommand } from '../harness/command.ts';
import { mountRun, withOwnMounts } from '../harness/own-mounts.ts';
import { Place } from '../harness/place.ts';

/** From TEST-NET-1 (RFC 5737): nobody else's. */
const NETWORK = '192.0.2';

export interface OutsideOptions {
  /** As `Cluster.network`. */
  readonly network: readonly string[];
  readonly address: string;
  /** Names that lead to the address, there and nowhere else. */
  readonly names: readonly string[];
  readonly folder: string;
  readonly cleanup: Cleanup;
}

export interface Outside {
  readonly place: Place;
  /** Of whatever runs there; null where it shares the network of this machine. */
  readonly ownAddress: string | null;
}

/** Its names are in an /etc/hosts that only programs there see. */
export async function createOutside(options: OutsideOptions): Promise<Outside> {
  const { network, folder, cleanup } = options;
  cleanup.add(`unmount ${folder}`, async () => {
    await runCommand('umount', ['--lazy', folder]);
  });
  await requireCommand('mount', ['--bind', folder, folder]);
  await requireCommand('mount', ['--make-shared', folder]);
  const hosts = join(folder, 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost\n${options.address} ${options.names.join(' ')}\n`);
  const runFolder = join(folder, 'run');
  await mountRun(runFolder);
  const withMounts = withOwnMounts({ runFolder, files: { '/etc/hosts': hosts } });
  if (network.length === 0) return { place: new Place(withMounts), ownAddress: null };
  const namespace = await createNamespace(options);
  const inside = ['nsenter', `--net=/run/netns/${namespace}`];
  return { place: new Place([...inside, ...withMounts]), ownAddress: `${NETWORK}.2` };
}

async function createNamespace({ network, address, cleanup }: OutsideOptions): Promise<string> {
  const namespace = `lms-source-${process.pid}`;
  const [program = '', ...words] = network;
  const beside = (...command: string[]): Promise<string> => requireCommand(program, [...words, ...command]);
  const inside = ['netns', 'exec', namespace];
  const here = (...command: string[]): Promise<string> => requireCommand('ip', [...inside, ...command]);
  cleanup.add('remove the network of the source machine', async () => {
    // Both ends of the wire go with it.
    await runCommand('ip', ['netns', 'delete', namespace]);
  });
  await requireCommand('ip', ['netns', 'add', namespace]);
  await beside('ip', 'link', 'add', 'lms-source', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  await beside('ip', 'address', 'add', `${NETWORK}.1/24`, 'dev', 'lms-source');
  await beside('ip', 'link', 'set', 'lms-source', 'up');
  await here('ip', 'link', 'set', 'lo', 'up');
  await here('ip', 'address', 'add', `${NETWORK}.2/24`, 'dev', 'eth0');
  await here('ip', 'link', 'set', 'eth0', 'up');
  await here('ip', 'route', 'add', 'default', 'via', `${NETWORK}.1`);
  await requireCommand('ip', [...inside, 'nft', '--file', '-'], { input: firewall(address) });
  return namespace;
}

function firewall(address: string): string {
  return `table inet outside {
    chain output {
      type filter hook output priority 0; policy drop;
      oifname "lo" accept
      ip daddr ${address} tcp dport { 80, 443, 1500 } accept
      counter reject
    }
  }`;
}
