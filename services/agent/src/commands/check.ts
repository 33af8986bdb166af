/** `lms-agent check`: with an enrolled agent's own certificate, or before enrolment with as much as is known. */
import type { CheckReport } from '@lms/api';
import { CommandError } from '@lms/command-line';
import type { HostAndPort } from '@lms/command-line';
import { checkBlockStream, checkManager, checksResult } from '@lms/network-check';
import type { CheckLimits, ChecksResult } from '@lms/network-check';
import { proxyFromEnvironment } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import { runtimeFolder } from '../kernel/index.ts';
import { blockStreamAddresses, parseAssignment } from '../manager-link/assignment.ts';
import { checkAddress, checkAgentsManager, requireAddresses } from '../network-check/check-as-agent.ts';
import type { CheckedAgent } from '../network-check/check-as-agent.ts';
import { runtimeId } from '../state/runtime-names.ts';
import { StateFolder } from '../state/state-folder.ts';
import { readRunningStatus } from '../status-report.ts';
import { readBlockStreamProxy, readManagerProxy } from './proxy-options.ts';
import type { BlockStreamProxyOptions, ProxyOptions } from './proxy-options.ts';

export interface CheckManagerOptions extends ProxyOptions {
  readonly stateDir?: string;
  readonly manager?: string;
  readonly caSha256?: string;
  readonly stepTimeout?: number;
}

export interface CheckBlockStreamOptions extends BlockStreamProxyOptions {
  readonly stateDir?: string;
  readonly address?: HostAndPort;
  readonly stepTimeout?: number;
}

export async function runCheckManager(options: CheckManagerOptions, signal: AbortSignal): Promise<ChecksResult> {
  const { stateDir, manager, caSha256 } = options;
  const given = await readManagerProxy(options);
  const limits = limitsOf(options.stepTimeout);
  if (stateDir !== undefined) {
    const agent = await enrolledAgent(new StateFolder(stateDir), { manager: given }, limits);
    return checksResult([await checkAgentsManager(agent, signal)]);
  }
  if (manager === undefined || caSha256 === undefined) {
    throw usage('--state-dir DIR is needed, or --manager URL and --ca-sha256 HEX');
  }
  const proxy = given === undefined ? proxyFromEnvironment(manager, process.env) : given;
  const asked = { from: 'agent', managerUrl: manager, caSha256, caPem: null, proxy, identity: null } as const;
  return checksResult([await checkManager({ ...asked, limits, signal })]);
}

/** Of an enrolled agent all addresses that it was told, one after another, unless one is given. */
export async function runCheckBlockStream(
  options: CheckBlockStreamOptions,
  signal: AbortSignal,
): Promise<ChecksResult> {
  const { stateDir, address } = options;
  const given = await readBlockStreamProxy(options);
  const limits = limitsOf(options.stepTimeout);
  if (stateDir !== undefined) {
    const agent = await enrolledAgent(new StateFolder(stateDir), { blockStream: given }, limits);
    const reports: CheckReport[] = [];
    for (const each of address === undefined ? requireAddresses(agent) : [address]) {
      reports.push(await checkAddress(agent, each, signal));
    }
    return checksResult(reports);
  }
  if (address === undefined) throw usage('--state-dir DIR is needed, or --address HOST:PORT');
  const unknown = { serverName: null, caPem: null, identity: null, ownSession: null, proxy: given ?? null } as const;
  return checksResult([await checkBlockStream({ from: 'agent', ...address, ...unknown, limits, signal })]);
}

interface GivenProxies {
  readonly manager?: ProxySettings | null | undefined;
  readonly blockStream?: ProxySettings | null | undefined;
}

/** Proxies as the agent has them, unless others are given: so one can be tried before `lms-agent configure`. */
async function enrolledAgent(
  state: StateFolder,
  given: GivenProxies,
  limits: Partial<CheckLimits>,
): Promise<CheckedAgent> {
  const identity = await state.identity();
  const own = await state.proxies();
  const assignment = parseAssignment(await state.findAssignment());
  return {
    identity,
    credentials: await state.credentials(),
    addresses: assignment === null ? [] : blockStreamAddresses(assignment),
    ownSession: ownSession(state),
    proxy: given.manager === undefined ? own.manager : given.manager,
    blockStreamProxy: given.blockStream === undefined ? own.blockStream : given.blockStream,
    limits,
  };
}

/** What the agent that runs on this folder says of itself; null: it says nothing. */
function ownSession(state: StateFolder): CheckedAgent['ownSession'] {
  if (state.holder() === null) return 'absent';
  const connected = readRunningStatus(runtimeFolder(runtimeId(state.path)))?.connected;
  return connected === undefined ? null : connected ? 'connected' : 'absent';
}

/** One bound for every wait instead of each step's own. */
function limitsOf(milliseconds: number | undefined): Partial<CheckLimits> {
  if (milliseconds === undefined) return {};
  return {
    nameMilliseconds: milliseconds,
    connectMilliseconds: milliseconds,
    tunnelMilliseconds: milliseconds,
    handshakeMilliseconds: milliseconds,
    answerMilliseconds: milliseconds,
  };
}

function usage(message: string): CommandError {
  return new CommandError('usage', 'INVALID_ARGUMENT', message);
}
