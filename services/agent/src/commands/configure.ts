/**
 * Changes how a machine that is enrolled reaches the manager and its replication server, also while its agent runs.
 *
 * Order: the new way is tried from here, with the agent's own certificate; only one that leads there is written; a running
 * agent notices that by itself, and is waited for.
 */
import { AgentApi } from '@lms/api';
import { CommandError, formatFields, withExit } from '@lms/command-line';
import type { Result } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { makeAssertion } from '@lms/identity';
import type { ProxySettings } from '@lms/proxy';
import { pause } from '@lms/service';
import { runtimeFolder } from '../kernel/index.ts';
import { blockStreamAddresses, parseAssignment } from '../manager-link/assignment.ts';
import { BlockStreamEndpoint } from '../replication/block-stream-endpoint.ts';
import type { AgentProxies } from '../state/agent-proxies.ts';
import { describeProxy, showProxy } from '../state/agent-proxies.ts';
import { runtimeId } from '../state/runtime-names.ts';
import { StateFolder } from '../state/state-folder.ts';
import { readRunningStatus } from '../status-report.ts';
import { readBlockStreamProxy, readManagerProxy } from './proxy-options.ts';
import type { BlockStreamProxyOptions, ProxyOptions } from './proxy-options.ts';

const TRIAL_MILLISECONDS = 30_000;
/** A running agent looks once a second. */
const TAKEN_MILLISECONDS = 15_000;
const LOOK_EVERY_MILLISECONDS = 200;

export interface ConfigureOptions extends ProxyOptions, BlockStreamProxyOptions {
  readonly stateDir: string;
  readonly force?: boolean;
}

export async function runConfigure(options: ConfigureOptions, signal: AbortSignal): Promise<Result> {
  const state = new StateFolder(options.stateDir);
  await state.identity();
  const manager = await readManagerProxy(options);
  const blockStream = await readBlockStreamProxy(options);
  if (manager === undefined && blockStream === undefined) {
    throw new CommandError('usage', 'INVALID_ARGUMENT', 'nothing is to be changed', {
      action: 'Give --proxy URL or --direct, --block-stream-proxy URL or --block-stream-direct.',
    });
  }
  const before = await presentProxies(state, manager !== undefined && blockStream !== undefined);
  const wanted: AgentProxies = {
    schemaVersion: 1,
    changedAt: new Date().toISOString(),
    manager: manager === undefined ? before.manager : manager,
    blockStream: blockStream === undefined ? before.blockStream : blockStream,
  };
  if (options.force !== true) {
    if (manager !== undefined) await tryManager(state, manager, signal);
    if (blockStream !== undefined) await tryBlockStream(state, blockStream, signal);
  }
  await state.writeProxies(wanted);
  return configureResult(wanted, state.holder() === null ? null : await isTaken(state, wanted.changedAt, signal));
}

/** A damaged file is no obstacle where all of it is said anew. */
async function presentProxies(
  state: StateFolder,
  isReplaced: boolean,
): Promise<Pick<AgentProxies, 'manager' | 'blockStream'>> {
  try {
    return await state.proxies();
  } catch (thrown) {
    if (!isReplaced) throw thrown;
    return { manager: null, blockStream: null };
  }
}

async function tryManager(state: StateFolder, proxy: ProxySettings | null, signal: AbortSignal): Promise<void> {
  const { managerUrl, caSha256 } = await state.identity();
  const { privateKeyPem, certificatePem, caPem } = await state.credentials();
  const signAssertion = (): Promise<string> => makeAssertion({ privateKeyPem, certificatePem, caSha256 });
  const api = new AgentApi({ managerUrl, caPem, signAssertion, retries: 0, proxy });
  try {
    await api.authenticate(AbortSignal.any([signal, AbortSignal.timeout(TRIAL_MILLISECONDS)]));
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    // The manager's own word: it was reached.
    if (toLmsError(thrown).code === 'REMOVED') return;
    throw kept(thrown, 'the manager is not reached');
  } finally {
    await api.close();
  }
}

async function tryBlockStream(state: StateFolder, proxy: ProxySettings | null, signal: AbortSignal): Promise<void> {
  const assignment = parseAssignment(await state.findAssignment());
  const addresses = assignment === null ? [] : blockStreamAddresses(assignment);
  // Before the manager has named a replication server there is nothing to try.
  if (addresses.length === 0) return;
  const { privateKeyPem, certificatePem, caPem } = await state.credentials();
  const endpoint = new BlockStreamEndpoint({
    caPem,
    privateKeyPem,
    certificatePem: () => certificatePem,
    log: () => undefined,
    proxy,
  });
  endpoint.update(addresses);
  try {
    const connection = await endpoint.connect(signal);
    connection.close();
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    throw kept(thrown, 'the replication server is not reached');
  }
}

function kept(thrown: unknown, what: string): CommandError {
  const error = withExit('unreachable', thrown);
  return new CommandError('unreachable', error.code, `nothing was changed, since ${what}: ${error.message}`, {
    action: `${error.action ?? 'Check the way there.'} --force takes it all the same.`,
    cause: thrown,
  });
}

async function isTaken(state: StateFolder, changedAt: string, signal: AbortSignal): Promise<boolean> {
  const folder = runtimeFolder(runtimeId(state.path));
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TAKEN_MILLISECONDS)]);
  do {
    if (readRunningStatus(folder)?.proxiesChangedAt === changedAt) return true;
  } while (await pause(LOOK_EVERY_MILLISECONDS, limit));
  return false;
}

/** `inUse`: null where no agent runs. */
function configureResult(wanted: AgentProxies, inUse: boolean | null): Result {
  const value = { proxy: showProxy(wanted.manager), blockStreamProxy: showProxy(wanted.blockStream), inUse };
  const told = { true: 'by the running agent', false: 'not yet by the running agent', null: 'when the agent runs' };
  return {
    value,
    names: () => [value.proxy?.url ?? 'direct'],
    table: () =>
      formatFields([
        ['proxy', describeProxy(value.proxy)],
        ['block-stream proxy', describeProxy(value.blockStreamProxy)],
        ['in use', told[`${inUse}`]],
      ]),
  };
}
