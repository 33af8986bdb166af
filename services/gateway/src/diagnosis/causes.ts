/**
 * Every cause that `lms diagnose` can name: when it holds, and what to say and do.
 *
 * The order is which to mend first when several hold, by one principle: what hides other things goes first. A machine that
 * was removed explains everything; an agent that the manager cannot hear says nothing of the rest; without a replication
 * server no path can be tried; then the path, in the order in which a connection goes it (address, name, proxy, TCP, size
 * of packets, TLS, certificate); then room; then speed. A cause holds by itself, whatever others do.
 */
import type { AgentFailure, DiagnosisFacts, ServerFacts } from './facts.ts';
import {
  CLOCK_TOLERANCE_SECONDS,
  ageSeconds,
  agentHeard,
  failsBy,
  failureNow,
  fallsBehind,
  hasSession,
  hostOf,
  isPrivate,
  isPublic,
  isRecent,
  recentRefusals,
  serverAhead,
  serverHeard,
  triedAddresses,
  wordOnClock,
} from './inference.ts';
import { formatBitRate, formatClock, formatDuration } from './wording.ts';

/** What is needed to say it: `null` when the cause does not hold. */
export interface Finding {
  /** A clause without its stop: what is wrong. */
  readonly what: string;
  /** A clause in the imperative: what to do next. */
  readonly action: string;
}

export interface Cause {
  readonly code: string;
  /** Of several causes that explain the same thing only the first is told: the others are what it looks like besides. */
  readonly explains?: 'everything' | 'silence' | 'connection';
  readonly find: (facts: DiagnosisFacts) => Finding | null;
}

/** Whatever stops packets can look like these. */
const PATH_FAILURES = ['NO_ROUTE', 'TCP_REFUSED', 'TCP_TIMEOUT', 'TCP_RESET', 'TLS_STALLED', 'SILENCE'];
const STRANGER_FAILURES = ['TLS_UNTRUSTED', 'TLS_NAME_MISMATCH', 'NOT_A_BLOCK_STREAM'];

/** A replication server reports every 3 s. */
const REPORTS_MISSED_SECONDS = 7;

export const CAUSES: readonly Cause[] = [
  {
    code: 'MACHINE_REMOVED',
    explains: 'everything',
    find: ({ removedAt, machine }) =>
      removedAt && {
        what: `machine ${machine.name} was removed from the manager at ${removedAt.toISOString()}, and its agent is refused`,
        action: 'run `lms-agent uninstall` on it, and enrol it as a new machine if it is to be replicated again',
      },
  },
  {
    code: 'TWO_AGENTS_ONE_IDENTITY',
    find: findTwoAgents,
  },
  {
    code: 'AGENT_CLOCK_WRONG',
    explains: 'silence',
    find: findWrongClock,
  },
  {
    code: 'AGENT_CERTIFICATE_EXPIRED',
    explains: 'silence',
    find: findExpiredCertificate,
  },
  {
    code: 'REPLICATION_SERVER_DOWN',
    explains: 'connection',
    find: (facts) => {
      const { server } = facts;
      if (server === null || hasSession(facts)) return null;
      // What it ended by is remembered for a while after it runs again: it counts while it does not report.
      const fails = server.failure !== null && ageSeconds(facts, server.heardAt) > REPORTS_MISSED_SECONDS;
      if (server.running !== false && !fails && serverHeard(facts)) return null;
      const why = server.failure === null ? '' : ` (${server.failure})`;
      const heard = server.heardAt === null ? 'never' : `${formatDuration(ageSeconds(facts, server.heardAt))} ago`;
      return {
        what: `the replication server ${server.name} does not run: it was last heard ${heard}${why}`,
        action: 'see its log, and start it again',
      };
    },
  },
  {
    code: 'AGENT_CUT_OFF_FROM_MANAGER',
    explains: 'silence',
    find: (facts) =>
      !agentHeard(facts) && hasSession(facts)
        ? {
            what: `the agent replicates by 1500 but was last heard by 443 ${heardAgo(facts)}`,
            action:
              'open TCP 443 to the manager for it, or set its proxy right; `lms-agent check 443` there says which',
          }
        : null,
  },
  {
    code: 'AGENT_SILENT',
    explains: 'silence',
    find: (facts) =>
      agentHeard(facts) || hasSession(facts)
        ? null
        : {
            what:
              facts.agent.state === 'STOPPED'
                ? `the agent was stopped ${heardAgo(facts)}`
                : `the agent does not report: it was last heard ${heardAgo(facts)}`,
            action: 'see on the machine whether `lms-agent run` runs, and what `lms-agent check 443` says',
          },
  },
  {
    code: 'PAUSED',
    explains: 'connection',
    find: ({ paused }) =>
      paused ? { what: 'replication is paused by an operator', action: 'run `lms machine resume` for it' } : null,
  },
  {
    code: 'NO_REPLICATION_SERVER',
    explains: 'connection',
    find: (facts) => {
      if (facts.server !== null && facts.endpoints.length > 0) return null;
      if (hasSession(facts)) return null;
      const { failedStep } = facts;
      const why = failedStep === null ? '' : `: ${failedStep.step} failed (${failedStep.error})`;
      return {
        what: `the machine has no replication server that it could connect to${why}`,
        action: 'see `lms machine initiation` and `lms status`',
      };
    },
  },
  {
    code: 'ADDRESS_CHANGED',
    explains: 'connection',
    find: findChangedAddress,
  },
  {
    code: 'PRIVATE_ADDRESS_FROM_OUTSIDE',
    explains: 'connection',
    find: (facts) => {
      const failure = failureNow(facts);
      if (failure === null || !failsBy(facts, ...PATH_FAILURES, ...STRANGER_FAILURES)) return null;
      const tried = triedAddresses(failure);
      const { sourceAddress } = facts.agent;
      if (tried.length === 0 || !tried.every(isPrivate) || !isPublic(sourceAddress)) return null;
      return {
        what: `the agent is told the private address ${failure.address}, and comes from outside (${sourceAddress})`,
        action:
          'set a public address for 1500 in the Replication Settings of this machine, or connect the two networks',
      };
    },
  },
  {
    code: 'DNS_WRONG',
    explains: 'connection',
    find: findWrongName,
  },
  {
    code: 'PROXY_NEEDS_AUTHENTICATION',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'PROXY_AUTHENTICATION_REQUIRED')
        ? {
            what: `the proxy on the way to ${failureNow(facts)?.address} does not accept the agent's user and password`,
            action: 'give them with `lms-agent configure --proxy-user --proxy-password-file`',
          }
        : null,
  },
  {
    code: 'PROXY_REFUSES',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'PROXY_FORBIDDEN', 'PROXY_UNREACHABLE', 'PROXY_FAILED')
        ? {
            what: `the proxy on the way to ${failureNow(facts)?.address} does not let the agent through: ${said(facts)}`,
            action:
              'allow CONNECT to that address and port in the proxy, or take the address out of it with `--no-proxy`',
          }
        : null,
  },
  {
    code: 'NO_ROUTE',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'NO_ROUTE')
        ? {
            what: `the machine has no route to ${failureNow(facts)?.address}`,
            action: 'add one on the machine or its router, or set another address for 1500 in the Replication Settings',
          }
        : null,
  },
  {
    code: 'PORT_CLOSED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TCP_REFUSED')
        ? {
            what: `connections to ${failureNow(facts)?.address} are refused, although the replication server runs`,
            action: 'let TCP 1500 pass to it in the firewall of its host or in front of it: `lms network rules`',
          }
        : null,
  },
  {
    code: 'PACKETS_DROPPED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TCP_TIMEOUT', 'SILENCE')
        ? {
            what: `packets from the agent to ${failureNow(facts)?.address} are dropped on the way: nothing answers`,
            action: 'open TCP 1500 from the machine to that address in every firewall between: `lms network rules`',
          }
        : null,
  },
  {
    code: 'CONNECTION_RESET',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TCP_RESET', 'TLS_CLOSED')
        ? {
            what: `something between the agent and ${failureNow(facts)?.address} ends connections as they begin`,
            action: 'look for a firewall that inspects traffic, and except TCP 1500 from it',
          }
        : null,
  },
  {
    code: 'PATH_MTU',
    explains: 'connection',
    find: findNarrowPath,
  },
  {
    code: 'HANDSHAKE_STALLED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TLS_STALLED')
        ? {
            what: `something at ${failureNow(facts)?.address} takes the agent's connections and says nothing, and the replication server sees none`,
            action: 'find out what listens there: a proxy, or a firewall that answers for others',
          }
        : null,
  },
  {
    code: 'CERTIFICATE_UNTRUSTED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TLS_UNTRUSTED', 'TLS_NAME_MISMATCH')
        ? {
            what: `what answers at ${failureNow(facts)?.address} has a certificate that is not of this manager`,
            action:
              'except TCP 1500 from TLS inspection, and check that the address belongs to the replication server and the agent to this manager',
          }
        : null,
  },
  {
    code: 'NOT_A_REPLICATION_SERVER',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'NOT_A_BLOCK_STREAM')
        ? {
            what: `what answers at ${failureNow(facts)?.address} is no replication server`,
            action: 'set the address and port for 1500 right in the Replication Settings',
          }
        : null,
  },
  {
    code: 'REPLICATION_SERVER_CLOCK_WRONG',
    find: ({ server }) =>
      server !== null && Math.abs(server.clockAheadSeconds ?? 0) > CLOCK_TOLERANCE_SECONDS
        ? {
            what: `the clock of the replication server ${server.name} is ${formatClock(server.clockAheadSeconds ?? 0)}`,
            action: 'set it right there, and let it follow a time server',
          }
        : null,
  },
  {
    code: 'REPLICATION_SERVER_CERTIFICATE_EXPIRED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'TLS_EXPIRED', 'TLS_NOT_YET_VALID')
        ? {
            what: `the certificate of the replication server is not in force, and the agent's clock is right: ${said(facts)}`,
            action: 'let the replication server reach the manager by 443, where it renews its certificate by itself',
          }
        : null,
  },
  {
    code: 'AGENT_NOT_ACCEPTED',
    explains: 'connection',
    find: (facts) =>
      failsBy(facts, 'CERTIFICATE_NOT_ACCEPTED', 'NOT_ASSIGNED', 'MACHINE_REMOVED')
        ? {
            what: `the replication server does not accept this agent: ${said(facts)}`,
            action:
              'check that both belong to this manager; enrol the agent again if its state folder is of another one',
          }
        : null,
  },
  {
    code: 'STAGING_FULL',
    find: (facts) => {
      const { server, agent } = facts;
      const full =
        (serverHeard(facts) && server?.stallCause === 'STAGING_FULL') ||
        (agentHeard(facts) && agent.stallCause === 'STAGING_FULL') ||
        failsBy(facts, 'STAGING_FULL');
      if (!full) return null;
      const name = server === null ? '' : ` of ${server.name}`;
      return {
        what: `the staging area${name} has no room left`,
        action: 'make its file system larger or delete points in time; replication then goes on by itself',
      };
    },
  },
  {
    code: 'UNSUPPORTED_CONFIGURATION',
    find: (facts) =>
      (agentHeard(facts) && facts.agent.stallCause === 'UNSUPPORTED_CONFIGURATION') ||
      failsBy(facts, 'UNSUPPORTED', 'STAGING_ON_SOURCE')
        ? {
            what: `the machine cannot be replicated as it is: ${facts.agent.detail ?? said(facts)}`,
            action: 'change what is named there',
          }
        : null,
  },
  {
    code: 'BANDWIDTH_TOO_LOW',
    find: findLowBandwidth,
  },
  {
    code: 'REPLICATION_SERVER_CUT_OFF_FROM_MANAGER',
    find: (facts) => {
      const { server } = facts;
      if (server === null || serverHeard(facts) || !hasSession(facts)) return null;
      return {
        what: `the replication server ${server.name} replicates, but does not reach the manager by 443`,
        action: 'open TCP 443 from the staging area to the manager, or set the proxy of the staging area right',
      };
    },
  },
  {
    code: 'OTHER',
    find: (facts) => {
      if (hasSession(facts) && facts.agent.stallCause === null) return null;
      if (!agentHeard(facts) || facts.paused) return null;
      const words = facts.agent.detail ?? said(facts);
      return {
        what: words === '' ? 'the agent has no session on 1500 and has not said why yet' : `the agent says: ${words}`,
        action: 'see `lms machine logs` and `lms machine initiation`',
      };
    },
  },
];

function findTwoAgents(facts: DiagnosisFacts): Finding | null {
  const active = facts.instances.filter(({ lastAt }) => ageSeconds(facts, lastAt) <= BOTH_HEARD_SECONDS);
  const returned = active.filter(({ returnedAt }) => isRecent(facts, returnedAt));
  if (active.length < 2 || returned.length === 0) return null;
  // Soon after the second has begun only one has come again: the other is whoever spoke last.
  const two = returned.length > 1 ? returned : active.slice(-2);
  const where = two.map(({ hostName, sourceAddress }) => `${hostName} (${sourceAddress || 'address unknown'})`);
  return {
    what: `${two.length} agents run with the identity of this machine and throw each other out: ${where.join(', ')}`,
    action: 'stop the copy, and enrol it as a machine of its own',
  };
}

/** Each says its statistics every 5 s. */
const BOTH_HEARD_SECONDS = 12;

function findWrongClock(facts: DiagnosisFacts): Finding | null {
  const { agent, refusedCall } = facts;
  const action = "set the machine's clock right, and let it follow a time server";
  if (agentHeard(facts)) {
    const ahead = agent.clockAheadSeconds ?? 0;
    if (Math.abs(ahead) <= CLOCK_TOLERANCE_SECONDS) return null;
    return { what: `the clock of the machine is ${formatClock(ahead)}`, action };
  }
  if (refusedCall?.reason === 'CLOCK' && isRecent(facts, refusedCall.at)) {
    const ahead = refusedCall.clockAheadSeconds ?? 0;
    return { what: `the clock of the machine is ${formatClock(ahead)}, so the manager lets it in no more`, action };
  }
  const word = wordOnClock(facts);
  if (word === null || Math.abs(facts.server?.clockAheadSeconds ?? 0) > CLOCK_TOLERANCE_SECONDS) return null;
  const direction = word.reason === 'TLS_NOT_YET_VALID' ? 'behind' : 'ahead';
  return { what: `the clock of the machine is far ${direction}: ${word.message}`, action };
}

function findExpiredCertificate(facts: DiagnosisFacts): Finding | null {
  const { agent, refusedCall, now } = facts;
  const told = refusedCall?.reason === 'CERTIFICATE_EXPIRED' && isRecent(facts, refusedCall.at);
  const seen = recentRefusals(facts, 'CERTIFICATE_EXPIRED').length > 0;
  const known = agent.certificateExpiresAt !== null && agent.certificateExpiresAt <= now;
  if (agentHeard(facts) ? !known : !(told || seen)) return null;
  return {
    what: "the agent's certificate has run out, so neither the manager nor the replication server lets it in",
    action: 'enrol the machine again: `lms machine remove`, `lms-agent uninstall`, `lms-agent enrol`',
  };
}

function findChangedAddress(facts: DiagnosisFacts): Finding | null {
  const failure = failureNow(facts);
  const { server } = facts;
  if (failure === null || server === null || !failsBy(facts, ...PATH_FAILURES, ...STRANGER_FAILURES)) return null;
  const tried = triedAddresses(failure);
  const former = server.formerAddresses.find(({ address }) => tried.includes(address));
  if (former === undefined || tried.some((address) => server.interfaceAddresses.includes(address))) return null;
  // A name that only the agent takes for the former address is the agent's DNS, and is said as that.
  if (!toldAddresses(facts, failure).includes(former.address)) return null;
  return {
    what: `the agent is told ${failure.address}, which the replication server had until ${former.until.toISOString()}; now it has ${listed(server)}`,
    action: 'set the address for 1500 right in the Replication Settings',
  };
}

/** As the manager understands what the agent was told. */
function toldAddresses(facts: DiagnosisFacts, { address }: AgentFailure): readonly string[] {
  const host = address === null ? '' : hostOf(address);
  return [host, ...facts.endpoints.filter((endpoint) => endpoint.host === host).flatMap(({ resolved }) => resolved)];
}

function findWrongName(facts: DiagnosisFacts): Finding | null {
  const failure = failureNow(facts);
  if (failure === null) return null;
  const host = failure.address === null ? '' : hostOf(failure.address);
  if (failsBy(facts, 'DNS_NOT_FOUND', 'DNS_NO_ANSWER')) {
    const how = failure.reason === 'DNS_NOT_FOUND' ? 'does not know' : 'gives no answer about';
    return {
      what: `the name server of the machine ${how} ${host}, the address of the replication server`,
      action: 'correct its DNS, or set an IP address for 1500 in the Replication Settings',
    };
  }
  const own = facts.endpoints.filter((endpoint) => endpoint.host === host).flatMap(({ resolved }) => resolved);
  const { resolved } = failure;
  if (resolved.length === 0 || own.length === 0 || resolved.some((address) => own.includes(address))) return null;
  if (resolved.some((address) => facts.server?.interfaceAddresses.includes(address))) return null;
  return {
    what: `the name ${host} stands for ${resolved.join(', ')} on the machine, and for ${own.join(', ')} here`,
    action: "correct the machine's DNS or /etc/hosts, or set an IP address for 1500 in the Replication Settings",
  };
}

function findNarrowPath(facts: DiagnosisFacts): Finding | null {
  const failure = failureNow(facts);
  if (failure === null || !failsBy(facts, 'TLS_STALLED')) return null;
  const since = failure.since.getTime() - (facts.agent.clockAheadSeconds ?? 0) * 1_000;
  // A handshake that began at both ends and got through at neither: its packets are the first big ones.
  const seen = recentRefusals(facts, 'TLS_STALLED', 'TLS_CLOSED', 'TCP_RESET', 'OTHER').filter(
    ({ proven, address, at }) =>
      !proven &&
      address !== null &&
      sameHost(hostOf(address), facts.agent.sourceAddress) &&
      at.getTime() - serverAhead(facts) > since,
  );
  if (seen.length === 0 && facts.check?.reason !== 'PATH_MTU') return null;
  return {
    what: `connections from the agent to ${failure.address} stand and big packets do not get through: a part of the path takes only smaller ones, and the messages that say so (ICMP "fragmentation needed") are dropped`,
    action: 'let these ICMP messages through, or set a smaller MTU on the machine',
  };
}

function sameHost(one: string, other: string | null): boolean {
  return other !== null && one.replace(/^::ffff:/, '') === other.replace(/^::ffff:/, '');
}

function findLowBandwidth(facts: DiagnosisFacts): Finding | null {
  const { rates, bandwidthLimitBitsPerSecond: limit } = facts;
  if (rates === null || !hasSession(facts) || !fallsBehind(facts)) return null;
  const written = formatBitRate(rates.writtenBytesPerSecond * 8);
  const sent = formatBitRate(rates.sentBytesPerSecond * 8);
  const limited = limit !== null && rates.wireBitsPerSecond > 0.7 * limit;
  const why = limited ? `the limit is ${formatBitRate(limit)}` : 'the path carries no more';
  return {
    what: `the machine changes ${written} and only ${sent} of it are sent, since ${why}: the backlog grows`,
    action: limited
      ? 'raise the bandwidth limit in the Replication Settings'
      : 'give 1500 more bandwidth, or let the machine write less: `lms-agent bandwidth` says how much is needed',
  };
}

function listed({ interfaceAddresses }: ServerFacts): string {
  return interfaceAddresses.join(', ') || 'others';
}

function heardAgo(facts: DiagnosisFacts): string {
  const { heardAt } = facts.agent;
  return heardAt === null ? 'never' : `${formatDuration(ageSeconds(facts, heardAt))} ago`;
}

function said(facts: DiagnosisFacts): string {
  return failureNow(facts)?.message ?? '';
}
