/**
 * What firewalls have to let through for this machine, as the table of flows has it (@lms/network), against what answers. A
 * connection that was refused, or given up after TCP stood, is proof that the flow itself is let through or where it is not.
 */
import type { FailureReason } from '@lms/block-stream';
import { flowNamed } from '@lms/network';
import type { DiagnosisFacts } from './facts.ts';
import { agentHeard, failureNow, hasSession, serverHeard } from './inference.ts';

export interface ExpectedFlow {
  /** `agent to replication server, TCP 1500`. */
  readonly rule: string;
  readonly found: string;
  readonly at: Date | null;
}

/** Nothing of a connection came to be; each other reason means that TCP stood. */
const NOT_LET_THROUGH: Readonly<Partial<Record<FailureReason, string>>> = {
  TCP_TIMEOUT: 'nothing answers: it is dropped on the way',
  TCP_REFUSED: 'refused: nobody listens there, or a firewall rejects it',
  TCP_RESET: 'reset: something on the way cuts it',
  NO_ROUTE: 'there is no route, or a firewall says so',
};
const NOT_TRIED: ReadonlySet<string> = new Set<FailureReason>(['DNS_NOT_FOUND', 'DNS_NO_ANSWER']);

export function expectedFlows(facts: DiagnosisFacts): readonly ExpectedFlow[] {
  const { agent, server, refusedCall } = facts;
  const isCalled = agentHeard(facts) || refusedCall !== null;
  const calledAt = agentHeard(facts) ? agent.heardAt : (refusedCall?.at ?? agent.heardAt);
  return [
    blockStream(facts),
    { rule: ruleOf('agent-manager'), found: isCalled ? 'let through' : 'nothing comes', at: calledAt },
    {
      rule: ruleOf('replication-server-manager'),
      found: serverHeard(facts) ? 'let through' : 'nothing comes',
      at: server?.heardAt ?? null,
    },
  ];
}

function blockStream(facts: DiagnosisFacts): ExpectedFlow {
  const failure = failureNow(facts);
  const byProxy = failure?.reason.startsWith('PROXY_') === true;
  const addresses = facts.endpoints.map(({ host, port }) =>
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
  );
  const rule = ruleOf(byProxy ? 'agent-block-stream-proxy' : 'agent-block-stream', addresses);
  if (failure === null)
    return { rule, found: hasSession(facts) ? 'let through: a session stands' : 'not known', at: null };
  const { reason, address, at } = failure;
  if (byProxy) return { rule, found: `tried by a proxy: ${reason}`, at };
  if (NOT_TRIED.has(reason)) return { rule, found: `not tried: ${reason}`, at };
  const where = address === null ? '' : ` (${address})`;
  const problem = NOT_LET_THROUGH[reason as FailureReason];
  return { rule, found: `${problem ?? `let through: TCP stands, then ${reason}`}${where}`, at };
}

function ruleOf(id: string, addresses: readonly string[] = []): string {
  const { from, to, protocols, port } = flowNamed(id);
  const usual = port === null ? '' : ` ${port}`;
  const places = addresses.length === 0 ? '' : ` at ${addresses.join(', ')}`;
  const spoken = (party: string): string => party.replaceAll('-', ' ');
  return `${spoken(from)} to ${spoken(to)}, ${protocols.join(' and ').toUpperCase()}${addresses.length === 0 ? usual : ''}${places}`;
}
