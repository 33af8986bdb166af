import { MachineName } from '@lms/api';
import { CommandError, formatFields, readSecretFile, readSecretStream } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { proxyFromEnvironment } from '@lms/proxy';
import { enrol } from '../enrolment/enrol.ts';
import { machineNameOfHost } from '../enrolment/inventory.ts';
import { describeProxy, showProxy } from '../state/agent-proxies.ts';
import type { AgentProxies } from '../state/agent-proxies.ts';
import { StateFolder } from '../state/state-folder.ts';
import { readBlockStreamProxy, readManagerProxy } from './proxy-options.ts';
import type { BlockStreamProxyOptions, ProxyOptions } from './proxy-options.ts';

export interface EnrolOptions extends ProxyOptions, BlockStreamProxyOptions {
  readonly manager: string;
  readonly caSha256: string;
  readonly tokenFile?: string;
  readonly tokenStdin?: boolean;
  readonly stateDir: string;
  readonly disk: readonly string[];
  readonly name?: string;
}

export async function runEnrol(options: EnrolOptions, signal: AbortSignal): Promise<Result> {
  const { tokenFile } = options;
  const proxies = await readProxies(options);
  const state = new StateFolder(options.stateDir);
  const identity = await enrol(state, {
    managerUrl: options.manager,
    caSha256: options.caSha256,
    name: machineName(options.name),
    devices: options.disk,
    readToken: () =>
      tokenFile === undefined ? readSecretStream(process.stdin, 'join token') : readSecretFile(tokenFile, 'join token'),
    proxies,
    signal,
  });
  const { machineId, name, managerUrl, disks } = identity;
  return {
    value: {
      machineId,
      name,
      managerUrl,
      stateDir: state.path,
      proxy: showProxy(proxies.manager),
      blockStreamProxy: showProxy(proxies.blockStream),
      disks: disks.map(({ diskId, device, sizeBytes }) => ({ id: diskId, device, sizeBytes })),
    },
    names: () => [machineId],
    table: () =>
      [
        formatFields([
          ['machine', `${name} (${machineId})`],
          ['manager', managerUrl],
          ['proxy', describeProxy(showProxy(proxies.manager))],
          ['state', state.path],
          ['disks', disks.map((disk) => `${disk.device} (${disk.diskId})`).join(', ')],
        ]),
        '',
        `Start replication with: lms-agent run --state-dir ${state.path}`,
      ].join('\n'),
  };
}

/** What the environment names is the default, and is kept: the agent's own environment later may be another. */
async function readProxies(options: EnrolOptions): Promise<AgentProxies> {
  const manager = await readManagerProxy(options);
  return {
    schemaVersion: 1,
    changedAt: new Date().toISOString(),
    manager: manager === undefined ? proxyFromEnvironment(options.manager, process.env) : manager,
    blockStream: (await readBlockStreamProxy(options)) ?? null,
  };
}

function machineName(wanted: string | undefined): string {
  const name = wanted ?? machineNameOfHost() ?? '';
  const parsed = MachineName.safeParse(name);
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues[0]?.message ?? 'is not a name';
  throw new CommandError('usage', 'INVALID_ARGUMENT', `the machine's name ${JSON.stringify(name)} ${why}`, {
    action: 'Give another one with --name.',
  });
}
