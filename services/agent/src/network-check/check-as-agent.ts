/** A check with what an enrolled agent has: its certificate, its manager's CA, and the addresses that it was told. */
import type { BlockStreamAddress, CheckAddress, CheckReport, CheckTarget } from '@lms/api';
import { LmsError } from '@lms/errors';
import { blockStreamServerName, makeAssertion } from '@lms/identity';
import { checkBlockStream, checkManager } from '@lms/network-check';
import type { BlockStreamCheck, CheckLimits } from '@lms/network-check';
import type { ProxySettings } from '@lms/proxy';
import type { AgentIdentity, Credentials } from '../state/agent-identity.ts';

export interface CheckedAgent {
  readonly identity: Pick<AgentIdentity, 'machineId' | 'managerUrl' | 'caSha256'>;
  readonly credentials: Credentials;
  /** In the order to try. */
  readonly addresses: readonly BlockStreamAddress[];
  readonly ownSession: BlockStreamCheck['ownSession'];
  readonly proxy: ProxySettings | null;
  readonly blockStreamProxy: ProxySettings | null;
  readonly limits?: Partial<CheckLimits>;
}

/** `address`: of 1500, instead of those that the agent was told. Of these the first that is not faulty is reported, else the first. */
export async function checkAsAgent(
  agent: CheckedAgent,
  target: CheckTarget,
  address: CheckAddress | null,
  signal: AbortSignal,
): Promise<CheckReport> {
  if (target === '443') return checkAgentsManager(agent, signal);
  if (address !== null) return checkAddress(agent, address, signal);
  let first: CheckReport | null = null;
  for (const each of requireAddresses(agent)) {
    const report = await checkAddress(agent, each, signal);
    if (report.result !== 'failed') return report;
    first ??= report;
  }
  return first ?? noAddress();
}

export function checkAgentsManager(agent: CheckedAgent, signal: AbortSignal): Promise<CheckReport> {
  const { identity, credentials, proxy, limits } = agent;
  const { managerUrl, caSha256 } = identity;
  const { privateKeyPem, certificatePem, caPem } = credentials;
  return checkManager({
    from: 'agent',
    managerUrl,
    caSha256,
    caPem,
    proxy,
    identity: {
      certificatePem,
      tokenPath: '/v1/agent/token',
      signAssertion: () => makeAssertion({ privateKeyPem, certificatePem, caSha256 }),
    },
    ...(limits === undefined ? {} : { limits }),
    signal,
  });
}

export function checkAddress(
  agent: CheckedAgent,
  { host, port, serverName }: CheckAddress,
  signal: AbortSignal,
): Promise<CheckReport> {
  const { identity, credentials, ownSession, blockStreamProxy, limits } = agent;
  const { privateKeyPem, certificatePem, caPem } = credentials;
  return checkBlockStream({
    from: 'agent',
    host,
    port,
    serverName: serverName ?? blockStreamServerName(identity.machineId),
    caPem,
    identity: { privateKeyPem, certificatePem },
    proxy: blockStreamProxy,
    ownSession,
    ...(limits === undefined ? {} : { limits }),
    signal,
  });
}

export function requireAddresses({ addresses }: CheckedAgent): readonly BlockStreamAddress[] {
  return addresses.length > 0 ? addresses : noAddress();
}

function noAddress(): never {
  throw new LmsError('FAILED_PRECONDITION', 'the manager has named no address of a replication server yet', {
    action: 'Check 443 first; then see `lms machine initiation`, or give an address.',
  });
}
