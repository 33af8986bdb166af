// Faults, each made for real, and mended again. The key is the cause that has to be found.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Status } from '@lms/api';
import { CertificateAuthority, createCertificateRequest } from '@lms/identity';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { requireCommand } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import { LMS_AGENT } from '../../harness/operator.ts';
import { BLOCK_STREAM } from './world.ts';
import type { World } from './world.ts';

const TWO_DAYS_MILLISECONDS = 172_800_000;
const FAKE_TIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

export interface Fault {
  readonly cause: string;
  readonly make: (world: World) => Promise<void>;
  readonly mend: (world: World) => Promise<void>;
}

export const PORT_CLOSED: Fault = {
  cause: 'PORT_CLOSED',
  make: (world) => world.firewall('tcp dport 1500 reject with tcp reset'),
  mend: (world) => world.firewall(),
};

export const PACKETS_DROPPED: Fault = {
  cause: 'PACKETS_DROPPED',
  make: async (world) => {
    await world.firewall('tcp dport 1500 drop');
    await world.cutSessions();
  },
  mend: (world) => world.firewall(),
};

export const CONNECTION_RESET: Fault = {
  cause: 'CONNECTION_RESET',
  // Connections begin, and end with their first data.
  make: (world) => world.firewall('tcp dport 1500 tcp flags & psh == psh reject with tcp reset'),
  mend: (world) => world.firewall(),
};

export const PATH_MTU: Fault = {
  cause: 'PATH_MTU',
  make: async (world) => {
    await narrow(world, 1280);
    await world.network.router.nft(
      'table inet quiet { chain output { type filter hook output priority 0; policy accept; icmp type destination-unreachable drop; }; }\n',
    );
    await world.cutSessions();
  },
  mend: async (world) => {
    await narrow(world, 1500);
    await world.network.router.nft('delete table inet quiet\n');
  },
};

async function narrow(world: World, bytes: number): Promise<void> {
  const device = world.staging.links[BLOCK_STREAM]?.routerDevice ?? '';
  await world.network.router.run('ip', 'link', 'set', 'dev', device, 'mtu', String(bytes));
}

/** A stranger takes what goes to 1500. */
function stranger(cause: string, kind: string): Fault {
  let process: BackgroundProcess | null = null;
  return {
    cause,
    make: async (world) => {
      const program = join(import.meta.dirname, 'stranger.fixture.ts');
      const placed = world.stranger.place.command(globalThis.process.execPath, program, kind);
      process = new BackgroundProcess({ ...placed, logPath: join(world.folder, `stranger-${kind}.log`) });
      await listens(world, 1500);
      await world.divert(world.stranger.address);
      await world.cutSessions();
    },
    mend: async (world) => {
      await world.divert(null);
      await process?.end();
    },
  };
}

export const CERTIFICATE_UNTRUSTED = stranger('CERTIFICATE_UNTRUSTED', 'untrusted');
export const HANDSHAKE_STALLED = stranger('HANDSHAKE_STALLED', 'mute');
export const NOT_A_REPLICATION_SERVER = stranger('NOT_A_REPLICATION_SERVER', 'web');

export const ADDRESS_CHANGED: Fault = {
  cause: 'ADDRESS_CHANGED',
  make: async (world) => {
    // Without it the second address of a network goes with the first.
    await world.staging.run('sysctl', '--quiet', '--write', 'net.ipv4.conf.all.promote_secondaries=1');
    await renumber(world, 'add', '3');
    await renumber(world, 'delete', '2');
    await world.cutSessions();
  },
  mend: async (world) => {
    await renumber(world, 'add', '2');
    await renumber(world, 'delete', '3');
  },
};

async function renumber(world: World, word: 'add' | 'delete', host: string): Promise<void> {
  const { device = '', address = '' } = world.staging.links[BLOCK_STREAM] ?? {};
  const other = address.replace(/\d+$/, host);
  await world.staging.run('ip', 'address', word, `${other}/24`, 'dev', device);
}

const NAME = 'staging.test';
const NAMED = `${NAME}:1500`;

/** The machine goes by a name, and its DNS then says something else about it, or nothing. */
function wrongName(names: (world: World) => Readonly<Record<string, string>>): Fault {
  return {
    cause: 'DNS_WRONG',
    make: async (world) => {
      const right = { [NAME]: world.blockStreamAddress };
      for (const host of [world.source, world.staging]) host.setNames(right);
      await world.changeBlockStream({ use: 'public', public: { host: NAME, port: 1500 } });
      await world.waitForWay(NAMED);
      world.source.setNames(names(world));
      await world.cutSessions();
    },
    mend: async (world) => {
      world.source.setNames({ [NAME]: world.blockStreamAddress });
      await world.changeBlockStream(null);
    },
  };
}

export const NAME_NOT_KNOWN = wrongName(() => ({}));
export const NAME_OF_ANOTHER = wrongName((world) => ({ [NAME]: world.stranger.address }));

const PRIVATE_ADDRESS = '10.77.0.2';

/** The machine leaves the network in which the private address leads somewhere. */
export const PRIVATE_ADDRESS_FROM_OUTSIDE: Fault = {
  cause: 'PRIVATE_ADDRESS_FROM_OUTSIDE',
  make: async (world) => {
    await world.translate(PRIVATE_ADDRESS, world.blockStreamAddress);
    await world.changeBlockStream({ use: 'private', private: { host: PRIVATE_ADDRESS, port: 1500 } });
    await world.waitForWay(`${PRIVATE_ADDRESS}:1500`);
    await world.translate(PRIVATE_ADDRESS, null);
    await world.cutSessions();
  },
  mend: (world) => world.changeBlockStream(null),
};

/** The only way to 1500 is a proxy whose password is changed. */
export const PROXY_NEEDS_AUTHENTICATION: Fault = (() => {
  const configure = async (world: World, ...words: string[]): Promise<void> => {
    const placed = world.source.place.command(LMS_AGENT, 'configure', '--state-dir', world.stateFolder, ...words);
    await requireCommand(placed.program, placed.parameters);
  };
  let proxy: BackgroundProcess | null = null;
  const startProxy = async (world: World, password: string): Promise<void> => {
    await proxy?.end();
    proxy = await startTinyproxy(world, password);
  };
  return {
    cause: 'PROXY_NEEDS_AUTHENTICATION',
    make: async (world) => {
      await startProxy(world, 'first-word');
      const passwordFile = join(world.folder, 'proxy-password');
      await writeFile(passwordFile, 'first-word\n', { mode: 0o600 });
      const user = ['--block-stream-proxy-user', 'agent', '--block-stream-proxy-password-file', passwordFile];
      await configure(world, '--block-stream-proxy', `http://${world.stranger.address}:3128`, ...user);
      await startProxy(world, 'second-word');
      await world.source.try('ss', ['--kill', 'dport', '=', ':3128']);
    },
    mend: async (world) => {
      await configure(world, '--block-stream-direct');
      await proxy?.end();
    },
  };
})();

async function startTinyproxy(world: World, password: string): Promise<BackgroundProcess> {
  const { address, place } = world.stranger;
  const file = join(world.folder, 'tinyproxy.conf');
  const lines = ['Port 3128', `Listen ${address}`, 'Timeout 600', 'MaxClients 20', 'ConnectPort 1500'];
  await writeFile(file, [...lines, `BasicAuth agent ${password}`, ''].join('\n'));
  const placed = place.command('tinyproxy', '-d', '-c', file);
  const started = new BackgroundProcess({ ...placed, logPath: join(world.folder, 'tinyproxy.log') });
  await listens(world, 3128);
  return started;
}

async function listens(world: World, port: number): Promise<void> {
  await waitFor(`the stranger to listen on ${port}`, async () =>
    (await world.stranger.run('ss', '--listening', '--numeric', '--tcp')).includes(`:${port}`),
  );
}

export const AGENT_SILENT: Fault = {
  cause: 'AGENT_SILENT',
  make: (world) => world.agent.stop(),
  mend: (world) => world.restartAgent(),
};

export const AGENT_CUT_OFF_FROM_MANAGER: Fault = {
  cause: 'AGENT_CUT_OFF_FROM_MANAGER',
  make: (world) => world.firewall('tcp dport 443 reject with tcp reset'),
  mend: (world) => world.firewall(),
};

/** A day behind, so that nothing of the manager is in force yet, and nothing gets through but a word on 1500. */
export const AGENT_CLOCK_BEHIND: Fault = clock('-1d');
/** A day ahead: the manager hears it, and lets it in no more. */
export const AGENT_CLOCK_AHEAD: Fault = clock('+1d');

function clock(offset: string): Fault {
  return {
    cause: 'AGENT_CLOCK_WRONG',
    make: (world) => world.restartAgent({ LD_PRELOAD: FAKE_TIME, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }),
    mend: (world) => world.restartAgent(),
  };
}

/** As after two days without the manager. */
export const AGENT_CERTIFICATE_EXPIRED: Fault = {
  cause: 'AGENT_CERTIFICATE_EXPIRED',
  make: (world) => certify(world, new Date(Date.now() - TWO_DAYS_MILLISECONDS)),
  mend: (world) => certify(world, new Date()),
};

async function certify(world: World, issuedAt: Date): Promise<void> {
  const read = (...path: string[]): Promise<string> => readFile(join(...path), 'utf8');
  const authorityFolder = join(world.stagingFolder, 'manager/ca');
  const authority = await CertificateAuthority.open({
    certificatePem: await read(authorityFolder, 'ca.pem'),
    privateKeyPem: await read(authorityFolder, 'ca-key.pem'),
  });
  const request = await createCertificateRequest(await read(world.stateFolder, 'key.pem'));
  const { id } = await world.manager.machine('source');
  await world.agent.stop();
  await writeFile(join(world.stateFolder, 'certificate.pem'), await authority.issueMachine(request, id, issuedAt));
  await world.restartAgent();
}

/** It ends, and cannot start: what it is was damaged. */
export const REPLICATION_SERVER_DOWN: Fault = {
  cause: 'REPLICATION_SERVER_DOWN',
  make: async (world) => {
    await writeFile(identityFile(world), await damaged(world));
    await killReplicationServer(world);
  },
  mend: async (world) => {
    const text = await readFile(identityFile(world), 'utf8');
    await writeFile(identityFile(world), text.replace(DAMAGE, ''));
  },
};

async function killReplicationServer(world: World): Promise<void> {
  const { components } = await world.manager.json<Status>('status');
  const pid = components.find(({ name }) => name === 'replication-server')?.pid ?? null;
  if (pid === null) throw new Error('the replication server has no process');
  process.kill(pid, 'SIGKILL');
}

const DAMAGE = 'damaged ';

async function damaged(world: World): Promise<string> {
  return DAMAGE + (await readFile(identityFile(world), 'utf8'));
}

function identityFile(world: World): string {
  return join(world.stagingFolder, 'manager/replication-server/identity/identity.json');
}

export const STAGING_FULL: Fault = {
  cause: 'STAGING_FULL',
  make: async (world) => {
    const { stdout } = await world.staging.try('df', ['--output=avail', '--block-size=1M', world.stagingFolder]);
    const free = Number(stdout.split('\n')[1]);
    await world.staging.run('fallocate', '--length', `${free - 400}MiB`, filler(world));
    // One that runs believes for up to 64 MiB what it saw last.
    await killReplicationServer(world);
    await write(world, 4);
  },
  mend: async (world) => {
    await world.staging.run('rm', filler(world));
  },
};

function filler(world: World): string {
  return join(world.stagingFolder, 'filler');
}

/** Random bytes, from the disk's start on. */
async function write(world: World, mebibytes: number): Promise<void> {
  const to = [`of=${world.disk.device}`, 'bs=1M', `count=${mebibytes}`, 'conv=notrunc', 'oflag=direct'];
  await world.source.run('dd', 'if=/dev/urandom', ...to);
}

export const TWO_AGENTS: Fault = (() => {
  let copy: ReturnType<World['startCopy']> | null = null;
  return {
    cause: 'TWO_AGENTS_ONE_IDENTITY',
    make: async (world) => {
      copy = world.startCopy();
    },
    mend: async () => copy?.stop(),
  };
})();

export const BANDWIDTH_TOO_LOW: Fault = (() => {
  let writer: BackgroundProcess | null = null;
  return {
    cause: 'BANDWIDTH_TOO_LOW',
    make: async (world) => {
      await world.network.shape(world.staging, 2_000_000, BLOCK_STREAM);
      const script = `for at in $(seq 0 47); do dd if=/dev/urandom of=${world.disk.device} bs=1M count=1 seek=$at conv=notrunc oflag=direct status=none; sleep 0.5; done`;
      const placed = world.source.place.command('sh', '-c', script);
      writer = new BackgroundProcess({ ...placed, logPath: join(world.folder, 'writer.log') });
    },
    mend: async (world) => {
      await writer?.end();
      await world.network.shape(world.staging, 1_000_000_000, BLOCK_STREAM);
    },
  };
})();

export const PAUSED: Fault = {
  cause: 'PAUSED',
  make: async (world) => {
    await world.manager.command('machine', 'pause', 'source', '--wait');
  },
  mend: async (world) => {
    await world.manager.command('machine', 'resume', 'source', '--wait');
  },
};

export const MACHINE_REMOVED: Fault = {
  cause: 'MACHINE_REMOVED',
  make: async (world) => {
    const { exitCode, stderr } = await world.manager.command('machine', 'remove', 'source', '--yes');
    if (exitCode !== 0) throw new Error(stderr);
  },
  mend: () => Promise.resolve(),
};
